"""Documents that may hold a secret, field by field without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from orjson import dumps, loads

#: Values beside lines that are remembered.
_KNOWN = 1024
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

    def redact_keys(self, text: str) -> tuple[str, dict[str, int]]:
        """Return the text without private keys, and how many there were."""

    def redact_value(self, name: str, value: Any, counts: dict[str, int] | None = None) -> Any:  # noqa: ANN401  # JSON
        """Return a JSON value without secrets, and add what was found to `counts`."""


def suspected(texts: list[str], redactor: Redaction, counts: dict[str, int]) -> frozenset[int]:
    """Return which events may hold a secret; private keys go at once, as a format may split them between fields."""
    suspects = frozenset(redactor.suspects(texts))
    for row in suspects:
        if "\n" in texts[row]:
            try:
                texts[row], found = redactor.redact_keys(texts[row])
            except Exception:  # noqa: S112  # then redaction fails too, and the text is withheld
                continue
            for rule, count in found.items():
                counts[rule] = counts.get(rule, 0) + count
    return suspects


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
            if name.endswith(".ip") and redacted != text:  # what is left is no address
                changed.setdefault(name.removesuffix("ip") + "address", changed.pop(name))
        for name, value in flat.items():
            if value[:1] in b"{[":
                changed[name] = dumps(redactor.redact_value(name, loads(value), counts))
    except Exception:
        return _withheld(flat)
    return changed


class Beside:
    """What comes beside the text of a line, without secrets: the same few values come with every line."""

    def __init__(self, redactor: Redaction) -> None:
        self._redactor = redactor
        self._known: dict[tuple[str, bytes], tuple[bytes, dict[str, int]]] = {}

    def clean(self, extra: Mapping[str, object], counts: dict[str, int]) -> Flat:
        """Return fields without secrets; add to `counts` how many there were by rule."""
        flat: Flat = {}
        for name, value in extra.items():
            raw = dumps(value)
            if (name, raw) not in self._known:
                found: dict[str, int] = {}
                redacted = dumps(self._redactor.redact_value(name, value, found))
                if len(self._known) >= _KNOWN:
                    self._known.clear()
                self._known[name, raw] = redacted, found
            flat[name], found = self._known[name, raw]
            for rule, count in found.items():
                counts[rule] = counts.get(rule, 0) + count
        return flat


def _withheld(flat: Flat) -> Flat:
    return {
        "@timestamp": flat["@timestamp"],
        "message": dumps("[text withheld: redaction failed]"),
        "error.type": dumps("redaction"),
    }
