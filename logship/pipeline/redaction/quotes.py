r"""
Where a quoted value ends, at any depth of escaping.

A string inside a JSON text inside a log line is delimited by `\"`, one level
deeper by `\\\"`. If n backslashes stand before the opening quote (0, 1, 3, 7),
then a quote with r backslashes before it closes the value when
r mod 2(n+1) = n; with more it belongs to the content; with fewer an outer
string has ended, and the value with it.
"""

from __future__ import annotations

import re

_RUNS = {
    '"': re.compile(r'(?<!\\)(\\*)"|(\n)'),
    "'": re.compile(r"(?<!\\)(\\*)'|(\n)"),
    "`": re.compile(r"(?<!\\)(\\*)`|(\n)"),
}
_DOUBLE = re.compile(r'(?<!\\)(\\*)"|(\n)')


def end_of(text: str, start: int, depth: int, quote: str) -> tuple[int, bool]:
    """
    Return where the content of a quoted value ends, and whether a quote closed it.

    An unclosed value (a cut line) ends with its line.
    """
    for match in _RUNS[quote].finditer(text, start):
        if match[2]:
            return match.start(), False
        backslashes = len(match[1])
        if backslashes % (2 * (depth + 1)) == depth:
            return match.end() - 1 - depth, True
        if backslashes < depth:
            return match.start(), False
    return len(text), False
