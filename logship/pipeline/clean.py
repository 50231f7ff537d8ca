"""Documents that may hold a secret, field by field without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orjson import dumps, loads

#: A document: dotted names and their JSON.
Flat = dict[str, bytes]


class Redaction(Protocol):
    """What the pipeline needs of a redactor."""

    def suspects(self, texts: Sequence[str]) -> Collection[int]:
        """Return the positions of texts that may hold a secret."""

    def hits(self, data: bytes) -> list[int]:
        """Return which texts are suspects, plain or JSON-escaped; a NUL stands before, between and after them."""

    def redact(self, text: str) -> tuple[str, dict[str, int]]:
        """Return the text without secrets, and how many by rule."""

    def redact_value(self, name: str, value: object) -> object:
        """Return a JSON value without secrets."""


def clean(flats: Sequence[Flat], redactor: Redaction, counts: dict[str, int]) -> list[Flat]:
    """Return documents without secrets; add to `counts` how many there were by rule."""
    texts = [[(name, loads(value)) for name, value in flat.items() if value[:1] == b'"'] for flat in flats]
    try:
        found = set(redactor.suspects([text for several in texts for _, text in several]))
    except Exception:
        return [_withheld(flat) for flat in flats]
    cleaned = []
    position = 0
    for flat, several in zip(flats, texts, strict=True):
        suspects = {name: text for place, (name, text) in enumerate(several, position) if place in found}
        position += len(several)
        cleaned.append(_cleaned(flat, suspects, redactor, counts))
    return cleaned


def _cleaned(flat: Flat, suspects: Mapping[str, str], redactor: Redaction, counts: dict[str, int]) -> Flat:
    """Redact the texts and objects of a document; if that fails, the texts go and the document stays."""
    changed = dict(flat)
    try:
        for name, text in suspects.items():
            redacted, found = redactor.redact(text)
            for rule, count in found.items():
                counts[rule] = counts.get(rule, 0) + count
            changed[name] = dumps(redacted)
        for name, value in flat.items():
            if value[:1] in b"{[":
                changed[name] = dumps(redactor.redact_value(name, loads(value)))
    except Exception:
        return _withheld(flat)
    return changed


def _withheld(flat: Flat) -> Flat:
    return {
        "@timestamp": flat["@timestamp"],
        "message": dumps("[text withheld: redaction failed]"),
        "error.type": dumps("redaction"),
    }
