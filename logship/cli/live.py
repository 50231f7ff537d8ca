"""The live stream: what was just committed, as lines on the terminal or as NDJSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, Literal

import orjson

from logship.cli import render
from logship.cli.grep import Grep
from logship.delivery.bulk import documents
from logship.model import StoredBatch

Output = Literal["text", "json"]


class Live:
    """Shows each batch it is called with; a reader that goes away stops the agent."""

    def __init__(
        self,
        stream: BinaryIO,
        stop: threading.Event,
        *,
        output: Output = "text",
        colour: bool = False,
        services: frozenset[str] = frozenset(),
        level: str = "",
        grep: Grep | None = None,
    ) -> None:
        self._stream = stream
        self._stop = stop
        self._output = output
        self._colour = colour
        self._services = services
        self._least = render.rank(level) if level else None
        self._grep = grep
        #: Set once nobody reads any more.
        self.broken = False

    def __call__(self, batch: StoredBatch) -> None:
        """Write the events of a batch that pass the filters."""
        if self.broken:
            return
        try:
            self._stream.write(b"".join(self._lines(batch)))
            self._stream.flush()
        except BrokenPipeError:
            self.broken = True
            self._stop.set()

    def _lines(self, batch: StoredBatch) -> Iterator[bytes]:
        today = datetime.now().astimezone().date().isoformat()
        for _, line in documents(batch):
            document = orjson.loads(line)
            if not self._passes(document):
                continue
            if self._output == "json":
                yield line + b"\n"
            else:
                text = render.event(document, self._colour, today=today)
                yield text.encode("utf-8", "backslashreplace") + b"\n"

    def _passes(self, document: dict[str, Any]) -> bool:
        if self._services and str(render.field(document, "service.name")) not in self._services:
            return False
        if self._least is not None and render.rank(str(render.field(document, "log.level") or "")) < self._least:
            return False
        if self._grep is None:
            return True
        texts = (render.field(document, name) for name in ("message", "error.stack_trace", "event.original"))
        return any(isinstance(text, str) and self._grep.search(text) for text in texts)
