"""A sink whose server is made ready before the first batch."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from elastic_transport import TransportError

from logship.delivery.sink import Concurrent, Doubting, Sink, SinkUnavailable
from logship.errors import LogshipError
from logship.model import Receipt, StoredBatch

log = structlog.get_logger("logship.courier")


class Prepared:
    """
    Run `prepare` once before the first batch is sent.

    What the server refuses is said once, and sending goes on: someone with more
    rights may have prepared it. Where `left_to_others` says so, we need not try.
    SinkUnavailable passes, and it is tried again.
    """

    def __init__(
        self, sink: Sink, prepare: Callable[[], object], left_to_others: Callable[[], bool] = lambda: False
    ) -> None:
        self._sink = sink
        self._prepare = prepare
        self._left_to_others = left_to_others
        self._ready = False
        #: What was said last, so that it is not said again after every outage.
        self._told = ""
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Name of the sink's cursor."""
        return self._sink.name

    @property
    def in_flight(self) -> int:
        """Requests under way at a time, at most."""
        return self._sink.in_flight if isinstance(self._sink, Concurrent) else 1

    @property
    def doubtful(self) -> frozenset[int]:
        """Batches that it may have taken."""
        return self._sink.doubtful if isinstance(self._sink, Doubting) else frozenset()

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """Send a batch; the first time, prepare before."""
        with self._lock:
            if not self._ready:
                self._make_ready()
        try:
            return self._sink.send(batch, only)
        except SinkUnavailable:
            self._ready = False  # a server that comes back may be another one
            raise

    def _make_ready(self) -> None:
        try:
            if self._left_to_others():
                log.info("templates are left to `logship setup`: this key only writes", sink=self.name)
            else:
                self._prepare()
        except LogshipError as error:
            if isinstance(error.__cause__, TransportError):
                raise SinkUnavailable(str(error)) from error
            if str(error) != self._told:
                log.warning("templates not installed", sink=self.name, reason=str(error), hint=error.hint)
            self._told = str(error)
        self._ready = True
