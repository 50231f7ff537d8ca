"""
Private keys: between their marks, and what of one stands alone because a line of another came between.

With the mark before it a key is known by that, with the mark behind it by that; a
text that is nothing but full lines of base64 has neither, and is hidden by its look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.values import Found

RULE = "private-key"
#: White space, also as JSON and URLs write it.
_S = r"(?:\s|\\{1,7}(?:[nrt]|u000[aAdD])|%0[AaDd9]|%20)"
#: What pytest, mail and shells put before each line.
_BEFORE = r"(?:[E>|#*+]{1,3}[ \t]{1,40})?"
#: Between two lines: white space, or the end and the beginning of two items of a list.
_GAP = rf"(?:{_S}{{1,80}}{_BEFORE}|\\{{0,7}}[\"'],?\s{{0,8}}\\{{0,7}}[\"'])"
_NAME = r"(?: |\+|%20)[A-Z0-9 +%]{0,34}PRIVATE(?: |\+|%20)KEY"
_HEADER = (
    r"(?:Comment: \\{0,7}\"[^\"\\\n]{1,200}\\{0,7}\""
    r"|(?:Comment|Proc-Type|DEK-Info|Version|Hash|Charset|Subject|Private-MAC|X-[A-Za-z0-9-]{1,30}): [^\s\\\"]{1,100})"
)
#: What is the name of a member is no line.
_NO_NAME = r"(?!\\{0,7}[\"']\s{0,8}:)"
#: A letter of base64, also as URLs and JSON write it.
_LETTER = r"(?:[A-Za-z0-9+/=]|%2[BbFf]|%3[Dd]|\\{1,7}(?:/|u00(?:2[bBfF]|3[dD])))"
_LINE = rf"(?>{_LETTER}{{8,}}){_NO_NAME}"
_BEGUN = re.compile(
    rf"(?:-{{4,5}} ?BEGIN{_NAME}(?: BLOCK)?[ +]?-{{4,5}}|\bPrivate-Lines: \d{{1,4}}(?={_S})){_GAP}?"
    rf"((?:{_HEADER}|{_LINE})(?:{_GAP}(?:{_HEADER}|{_LINE}))*(?:{_GAP}[A-Za-z0-9+/=]{{1,7}}{_NO_NAME}(?={_S}|[-\"'\\%]|$))?)",
    re.ASCII,
)
_MAC = re.compile(r"\bPrivate-MAC: ([0-9a-f]{32,128})", re.ASCII)
_END = re.compile(rf"-{{4,5}} ?END{_NAME}", re.ASCII)
#: The same before the mark of the end, read from behind: the `n` of `\n` is no letter of the line before it.
_BEHIND = r"(?:[ \t]{1,40}[E>|#*+]{1,3}(?=\s))?(?:\s|(?:[nrt]|[aAdD]000u)\\{1,7}|[AaDd9]0%|02%){1,80}"
_LETTER_BEHIND = r"(?:[BbFf]2%|[Dd]3%|(?:/|(?:[bBfF]2|[dD]3)00u)\\{1,7}|[A-Za-z0-9+/=])"
_WHOLE = r"(?!\\|0?%)"
_LINES_BEHIND = re.compile(
    rf"{_BEHIND}({_LETTER_BEHIND}{{1,}}{_WHOLE}(?:{_BEHIND}{_LETTER_BEHIND}{{16,}}{_WHOLE})*)", re.ASCII
)
#: Characters before a mark that are looked at: more than the longest key.
_LONGEST = 20_000
_LEAST = 16
_FULL = 60
_MOST_BEFORE = 47
_MAY_BE_ALONE = re.compile(r"(?:[ \tE>|#*+]|\\{1,7}t){0,44}[A-Za-z0-9+/]{60}", re.ASCII)
_ALONE = re.compile(
    rf"[ \t]{{0,40}}(?:[E>|#*+]{{1,3}}[ \t]{{1,4}})?"
    rf"([A-Za-z0-9+/]{{60,76}}={{0,2}}(?>\s{{1,40}}{_BEFORE}[A-Za-z0-9+/]{{1,76}}={{0,2}})*+)\s{{0,40}}",
    re.ASCII,
)


def alone(texts: Sequence[str]) -> list[int]:
    """Return which texts may be nothing but lines of base64: a scan for those would cost more than to look."""
    return [row for row, text in enumerate(texts) if " " not in text[_MOST_BEFORE:60] and _MAY_BE_ALONE.match(text)]


def find(text: str, mark: Marks) -> Iterator[Found]:
    """Yield the private keys of a text, in order."""
    if alone := _ALONE.fullmatch(text):
        if _is_encoded(value := _fitting(alone[1])):
            yield _found(alone.start(1), value, mark)
        return
    position = 0
    for start, value in sorted([*_begun(text), *_ended(text)]):
        if start >= position and not is_mark(value):
            position = start + len(value)
            yield _found(start, value, mark)


def _fitting(value: str) -> str:
    """Leave out a short last line that does not end base64: four letters stand for three bytes."""
    first, last = value.split()[0], value.split()[-1]
    whole = 2 if len(first) % 4 else 4
    return value if len(last) >= _FULL or len(last) % whole == 0 else value[: value.rindex(last)].rstrip()


def _begun(text: str) -> Iterator[tuple[int, str]]:
    if "PRIVATE" in text or "Private-" in text:
        for pattern in (_BEGUN, _MAC):
            for match in pattern.finditer(text):
                yield match.start(1), match[1]


def _ended(text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands before the marks of an end."""
    least = 0
    for end in _END.finditer(text) if "PRIVATE" in text else ():
        behind = text[max(least, end.start() - _LONGEST) : end.start()][::-1]
        least = end.end()
        if (lines := _LINES_BEHIND.match(behind)) and len(lines[1]) >= _LEAST:
            yield end.start() - lines.end(1), lines[1][::-1]


def _is_encoded(value: str) -> bool:
    """Return whether letters of both cases and digits are as frequent as base64 has them; words and paths have not."""
    capitals, small = sum(map(str.isupper, value)), sum(map(str.islower, value))
    share = len(value) / 100
    return 20 * share <= capitals <= 85 * share and small >= 8 * share and any(map(str.isdigit, value))


def _found(start: int, value: str, mark: Marks) -> Found:
    return Found(start, start + len(value), RULE, mark(RULE, value))
