"""The shapes of lines that no format knows: what differs from line to line is masked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_ID = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-z]{0,64}\d)(?:0x)?[0-9a-f]{8,64}\b", re.IGNORECASE
)
_QUOTED = re.compile(r'"[^"\n]{0,2000}"|(?<!\w)\'[^\'\n]{0,2000}\'(?!\w)')
_MARK = re.compile(r"\[[a-z-]+:[0-9a-f]{6}\]")
_DIGITS = re.compile(r"\d+")
_LONG = 200


def shape(text: str) -> str:
    """Return a text's first line with digits, ids and quoted text masked."""
    line = text.partition("\n")[0].strip()[:2000]
    line = _QUOTED.sub('"…"', _MARK.sub("[…]", line))
    line = _DIGITS.sub("0", _ID.sub("<id>", line))
    return line if len(line) <= _LONG else line[:_LONG] + "…"


@dataclass(slots=True)
class Shape:
    """One shape, how often it came, from whom, and an example."""

    shape: str
    count: int = 0
    services: Counter[str] = field(default_factory=Counter)
    example: str = ""


def commonest(texts: Iterable[tuple[str, str]]) -> list[Shape]:
    """Return the shapes of (service, text) pairs, the commonest first."""
    found: dict[str, Shape] = {}
    for service, text in texts:
        form = shape(text)
        one = found.setdefault(form, Shape(form))
        one.count += 1
        one.services[service] += 1
        one.example = one.example or text
    return sorted(found.values(), key=lambda one: (-one.count, one.shape))
