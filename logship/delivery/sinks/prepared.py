"""A sink whose server is made ready before the first batch."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from elastic_transport import TransportError

from logship.delivery.sink import Sink, SinkUnavailable
from logship.errors import LogshipError
from logship.model import Receipt, StoredBatch

log = structlog.get_logger("logship.courier")


class Prepared:
    """
    Run `prepare` once before the first batch is sent.

    What the server refuses is said once, and sending goes on: someone with more
    rights may have prepared it. SinkUnavailable passes, and it is tried again.
    """

    def __init__(self, sink: Sink, prepare: Callable[[], object]) -> None:
        self._sink = sink
        self._prepare = prepare
        self._ready = False

    @property
    def name(self) -> str:
        """Name of the sink's cursor."""
        return self._sink.name

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """Send a batch; the first time, prepare before."""
        if not self._ready:
            try:
                self._prepare()
            except LogshipError as error:
                if isinstance(error.__cause__, TransportError):
                    raise SinkUnavailable(str(error)) from error
                log.warning("templates not installed", sink=self.name, reason=str(error), hint=error.hint)
            self._ready = True
        try:
            return self._sink.send(batch, only)
        except SinkUnavailable:
            self._ready = False  # a server that comes back may be another one
            raise
