"""
Lines of a private key: they are of one event in every log, so that redaction sees the marks that tell what they are.

Where nearly every line begins an event, a line that looks like the body of a key
goes on with the one before it. A run of base64 lines is one event also without
the mark before it, which may have been read long ago.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from string import ascii_letters, digits

#: What pytest, mail and shells put before each line.
_BEFORE = r"[ \t]{0,40}(?:[E>|#*+]{1,3}[ \t]{1,4})?"
_MOST_BEFORE = 47
_BEGIN = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)? ?-{4,5}\s*$")
_END = re.compile(rf"{_BEFORE}-{{4,5}} ?END ")
#: The width of a line: 64 in PEM, 70 in OpenSSH's files, 76 in mail.
_WIDTH = 60
_LEAST = 16
_FULL = re.compile(
    rf"{_BEFORE}(?=[A-Za-z+/]{{0,76}}[0-9])(?=[A-Z0-9+/]{{0,76}}[a-z])(?=[a-z0-9+/]{{0,76}}[A-Z])"
    rf"[A-Za-z0-9+/]{{{_WIDTH},76}}\s{{0,8}}$",
    re.ASCII,
)
#: A line of less than that: long, padded, or no word at least.
_LAST = re.compile(
    rf"{_BEFORE}(?:[A-Za-z0-9+/]{{16,80}}={{0,2}}|[A-Za-z0-9+/]{{1,15}}={{1,2}}"
    r"|(?=[A-Za-z+/]{0,15}[0-9]|[A-Za-z]{0,15}[+/]|[A-Za-z]{0,14}[a-z][A-Z])[A-Za-z0-9+/]{2,15})\s{0,8}$",
    re.ASCII,
)
#: `Proc-Type: 4,ENCRYPTED`; and the empty line after it.
_HEADER = re.compile(
    rf"{_BEFORE}(?:Comment|Proc-Type|DEK-Info|Version|Hash|Charset|Subject|X-[A-Za-z0-9-]{{1,30}}): [^\n]{{1,200}}$",
    re.ASCII,
)
_EMPTY = re.compile(rf"{_BEFORE}\s{{0,8}}$", re.ASCII)


class _Place(Enum):
    """What the line before was."""

    OUTSIDE = 0
    BEGUN = 1
    HEADED = 2
    #: In a key whose mark was seen.
    BODY = 3
    FULL = 4
    #: The same, of OpenSSH, whose lines are of 70 letters: no multiple of four.
    UNEVEN = 5
    #: Only the mark of the end may follow.
    LAST = 6


@cache
def takes_keys_apart(starts: Callable[[str], object] | None) -> bool:
    """Return whether a line of base64 begins an event, however it begins."""
    letters = f"{ascii_letters}{digits}+/"
    before = (*letters, "E   ", *(f"{mark} " for mark in " >|#*+"))
    return starts is None or any(starts(first + letters[1:]) for first in before)


class KeyLines:
    """Finds the lines of one file that go on with a key, stream by stream."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}

    def inside(self, stream: str) -> bool:
        """Return whether the next line may go on with a key."""
        return stream in self._places

    def without(self, stream: str, texts: Sequence[str], begins: list[int]) -> list[int]:
        """Return which of the lines that begin an event really do, now that these are the next of a stream."""
        place = self._places.pop(stream, _Place.OUTSIDE)
        if place is _Place.OUTSIDE and not any(map(_may_be_key, texts)):
            return begins
        within = set()
        for row, text in enumerate(texts):
            place, goes_on = _next(place, text)
            if goes_on:
                within.add(row)
        if place is not _Place.OUTSIDE:
            self._places[stream] = place
        return [row for row in begins if row not in within] if within else begins


def _may_be_key(text: str) -> bool:
    return " " not in text[_MOST_BEFORE:_WIDTH] or "PRIVATE KEY" in text


def _next(place: _Place, text: str) -> tuple[_Place, bool]:
    """Return where a line leads to, and whether it goes on with the one before."""
    if place is not _Place.OUTSIDE:
        if _END.match(text):
            return _Place.OUTSIDE, True
        if place in {_Place.BEGUN, _Place.HEADED} and _HEADER.match(text):
            return _Place.HEADED, True
        if place is _Place.HEADED and _EMPTY.match(text):
            return _Place.BODY, True
        if place in {_Place.BEGUN, _Place.HEADED, _Place.BODY} and _LAST.match(text):
            return _Place.BODY if len(text.strip()) >= _LEAST else _Place.LAST, True
        if place in {_Place.FULL, _Place.UNEVEN} and _LAST.match(text):
            if _FULL.match(text) or len(text) >= _WIDTH:
                return place, True
            if len(text.split()[-1]) % (2 if place is _Place.UNEVEN else 4) == 0:
                return _Place.LAST, True
    if "PRIVATE KEY" in text and _BEGIN.search(text):
        return _Place.BEGUN, False
    if _FULL.match(text):
        return (_Place.UNEVEN if len(text.split()[-1]) % 4 else _Place.FULL), False
    return (_Place.LAST if _LAST.match(text) and len(text) >= _LEAST else _Place.OUTSIDE), False
