"""Write documents to a stream, for people and pipes."""

from __future__ import annotations

from typing import Any, BinaryIO, Literal

import orjson

from logship.delivery.bulk import documents
from logship.delivery.sink import SinkUnavailable
from logship.model import Receipt, StoredBatch


class ConsoleSink:
    """Deliver to a stream, as JSON lines or as one line of text for each document."""

    def __init__(self, stream: BinaryIO, *, form: Literal["json", "text"] = "json", name: str = "console") -> None:
        self._stream = stream
        self._form = form
        self._name = name

    @property
    def name(self) -> str:
        """Name of the sink's cursor."""
        return self._name

    def close(self) -> None:
        """Leave the stream open: it belongs to whoever gave it."""

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """Write a batch and flush it."""
        pairs = documents(batch, only)
        lines = [document if self._form == "json" else _text(orjson.loads(document)) for _, document in pairs]
        try:
            self._stream.write(b"".join([line + b"\n" for line in lines]))
            self._stream.flush()
        except OSError as error:
            raise SinkUnavailable(f"cannot write to the stream: {error.strerror or error}") from error
        return Receipt(delivered=len(pairs))


def _text(document: dict[str, Any]) -> bytes:
    """Render `time level service message`, the lines after the first set in."""
    service = _field(document, "service", "name") or _field(document, "event", "dataset")
    level = _field(document, "log", "level") or "-"
    message = "\n    ".join(document.get("message", "").splitlines())
    return f"{document.get('@timestamp', '-')} {level:<8} {service or '-'} {message}".encode(errors="surrogatepass")


def _field(document: dict[str, Any], group: str, name: str) -> str:
    """Return a field written nested or dotted."""
    nested = document.get(group)
    value = nested.get(name) if isinstance(nested, dict) else document.get(f"{group}.{name}")
    return str(value) if value else ""
