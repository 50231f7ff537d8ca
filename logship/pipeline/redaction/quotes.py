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

_RUNS = {quote: re.compile(rf"(?<!\\)(\\*)({quote})|(\n)") for quote in "\"'`"}
_RUNS_IN_JSON = {quote: re.compile(rf"(?<!\\)(\\*)({quote}|\")|(\n)") for quote in "\"'`"}
_JSON = re.compile(r"\s{0,20}(?:\{\s{0,20}\"|\[[\[{\s]{0,20}\")")


def is_json(text: str) -> bool:
    """Return whether a text is a JSON object or list, as far as its beginning tells."""
    return _JSON.match(text) is not None


def end_of(text: str, start: int, depth: int, quote: str) -> tuple[int, bool]:
    """
    Return where the content of a quoted value ends, and whether a quote closed it.

    An unclosed value (a cut line) ends with its line; in a JSON text, no value
    goes on beyond an unescaped quotation mark.
    """
    runs = (_RUNS_IN_JSON if is_json(text) else _RUNS)[quote]
    for match in runs.finditer(text, start):
        if match[3]:
            return match.start(), False
        backslashes = len(match[1])
        if match[2] != quote:
            if backslashes:
                continue
            return match.start(), False
        if backslashes % (2 * (depth + 1)) == depth:
            return match.end() - 1 - depth, True
        if backslashes < depth:
            return match.start(), False
    return len(text), False
