r"""
Patterns for text as it lies in a JSON string, without decoding it.

Docker's record of a line `a "b"` is `{"log":"a \"b\"\n","stream":"stdout","time":"…"}`.
Where `\"` is its only escape, a pattern for the text becomes one for the record
by escaping its quotes; lines with other escapes are left to those who decode.
"""

from __future__ import annotations

import re

#: The rest of a text, which the patterns of formats end in; and the same where `\"` is the only escape.
_REST = "(?s:.*)"
_ESCAPED_REST = r'[^\\]*+(?:\\"[^\\]*+)*+'
_QUOTE = r'(?:\\")'
_RECORD_END = r'\\n","stream":"(?P<_stream>stdout|stderr)","time":"[^"]*+"\}'
#: What matters here of a regular expression: escapes, sets, references and flags, quotes.
_PART = re.compile(r'\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P=|\(\?[aiLmsux-]+[:)]|"', re.DOTALL)
#: Escapes that stand for what JSON escapes too, or for a place.
_OTHERS = frozenset("\\tnrfvaxuUNbBAZ0123456789")
_CLASSES = re.compile(r"\\[^\\tnrfvaxuUNb0-9]")
_BOUNDED = re.compile(r"\{\d+,\d{1,4}\}")


def escaped(pattern: str) -> str | None:
    r"""Return a pattern for the JSON-escaped form of texts that need no escape but `\"`, or None if there is none."""
    if not pattern.isascii():
        return None
    pieces: list[str] = []
    for number, text in enumerate(pattern.split(_REST)):
        if number:
            pieces.append(_ESCAPED_REST)
        position = 0
        for found in _PART.finditer(text):
            part = _translated(found[0], bounded=_BOUNDED.match(text, found.end()) is not None)
            if part is None:
                return None
            pieces += (text[position : found.start()], part)
            position = found.end()
        pieces.append(text[position:])
    return "".join(pieces)


def _translated(part: str, *, bounded: bool) -> str | None:
    if part in {'"', r"\""}:
        return _QUOTE
    if part[0] == "\\":
        return None if part[1] in _OTHERS else part
    if part[0] != "[" or "\\" in _CLASSES.sub("", part):
        return None
    if not part.startswith("[^"):
        return part if '"' not in part else None
    # The only backslashes are those before quotes: what ends at a quote ends there.
    part = part.replace('"', r"\\")
    # Nothing runs far into the next record; one that ends there shows in the number of matches. `[^ ]` is far quicker.
    return part if bounded else part[:-1] + r"\n]"


#: A group of hexadecimal digits, perhaps with dashes, before a space or a quote.
_HEX = re.compile(r"\(\?P<(\w+)>\[0-9a-f(-?)\](\{\d+,\d+\})\+?\)([ \"])")


def hexadecimal(form: str) -> tuple[str, dict[str, bytes]]:
    """
    Return a form whose groups of hexadecimal digits take any text up to the space or quote; and what they may hold.

    To look for one character is quick, to look for sixteen is not; what was found is checked all at once.
    """
    digits = {found[1]: b"0123456789abcdef" + found[2].encode() for found in _HEX.finditer(form)}
    return _HEX.sub(r"(?P<\1>[^\4]\3+)\4", form), digits


def record_pattern(form: str, start: str = "") -> re.Pattern[bytes] | None:
    """
    Return a pattern for `findall` on a Docker json-file, one match a line.

    It has the groups of `form` and `_stream`, all empty for a line that is not
    of that form as a whole, or does not begin with `start`. None: the form
    cannot be told from the record.
    """
    body, begin = escaped(form), escaped(start)
    if body is None or begin is None:
        return None
    ahead = f"(?={begin})" if begin else ""
    return re.compile(rf'(?:\{{"log":"{ahead}(?>{body}){_RECORD_END}|[^\n]*+)\n'.encode(), re.ASCII)
