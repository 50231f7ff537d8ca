"""Lucene's wildcards and regular expressions, as DuckDB (RE2) understands them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_WILD = re.compile(r"\\(.)|([*?])|([^\\*?]+)", re.DOTALL)


def unescape(text: str) -> str:
    """Remove the backslashes of a query term."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def wildcard_parts(text: str) -> list[tuple[bool, str]]:
    """Split a raw query term into literals and wildcards: (is a wildcard, text)."""
    parts: list[tuple[bool, str]] = []
    for escaped, wild, plain in _WILD.findall(text):
        literal = escaped or plain
        if wild:
            parts.append((True, wild))
        elif parts and not parts[-1][0]:
            parts[-1] = (False, parts[-1][1] + literal)
        else:
            parts.append((False, literal))
    return parts


def like(parts: Sequence[tuple[bool, str]]) -> str:
    r"""Return a LIKE pattern with `\` as its escape character."""
    wild = {"*": "%", "?": "_"}
    return "".join(wild[text] if is_wild else re.sub(r"([\\%_])", r"\\\1", text) for is_wild, text in parts)


def quote(text: str) -> str:
    """Return a regular expression that matches a text literally."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def regex(text: str) -> str:
    """
    Translate a Lucene regular expression, to be matched against a whole value.

    Raises ValueError for the operators RE2 has no counterpart for: complement, intersection, numeric intervals, the
    empty language.
    """
    out: list[str] = []
    position = 0
    in_class = False
    while position < len(text):
        char = text[position]
        if char == "\\":
            escaped = text[position + 1 : position + 2]
            if not escaped:
                raise ValueError("a backslash at the end")
            out.append("\\" + escaped if escaped in _SPECIAL or escaped in "dDsSwW-" else quote(escaped))
            position += 1
        elif in_class:
            in_class = char != "]"
            out.append("\\[" if char == "[" else char)
        elif char == '"':
            end = text.find('"', position + 1)
            if end < 0:
                raise ValueError("a quotation mark without its partner")
            out.append(quote(text[position + 1 : end]))
            position = end
        elif char in "~&<>#":
            raise ValueError(
                f"the operator {char} of regular expressions is not supported; write \\{char} for the sign"
            )
        elif char == "[":
            in_class = True
            out.append(char)
            if text[position + 1 : position + 2] == "^":
                out.append("^")
                position += 1
        else:
            out.append({"@": ".*", "^": "\\^", "$": "\\$"}.get(char, char))
        position += 1
    pattern = "".join(out)
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the regular expression is not valid: {error.msg}") from None
    return pattern
