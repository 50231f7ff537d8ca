"""
One follower of the ledger: takes batches in order and brings them to one sink.

A batch is settled whole, every document with its outcome, before the next is
read, so a cursor never passes a document that has none. Only the courier
waits and repeats; sinks answer or raise.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from logship.delivery.sink import Sink, SinkUnavailable
from logship.errors import AccountingError, LedgerError
from logship.model import Receipt, Rejected, StoredBatch

_log = structlog.get_logger("logship.courier")


class Outbox(Protocol):
    """The part of the ledger that a courier uses."""

    def follow(self, name: str) -> int:
        """Return where the cursor stands."""

    def after(self, seq: int, *, limit: int = 1) -> list[StoredBatch]:
        """Return the next batches."""

    def settle(
        self,
        name: str,
        batch: StoredBatch,
        *,
        delivered: Mapping[int, int],
        duplicate: Mapping[int, int],
        rejected: Sequence[Rejected],
    ) -> None:
        """Record the outcomes and move the cursor."""

    def failed(self, name: str, error: str) -> None:
        """Note the last error."""

    def file_of(self, document_id: str) -> int:
        """Return the id of the file that a document came from."""


class Spare(Protocol):
    """What a courier does when no batch waits."""

    def step(self) -> bool:
        """Do one thing; return whether there was anything. Raises SinkUnavailable."""


@dataclass(slots=True)
class _Pending:
    """A batch on its way, and what is known of its documents so far."""

    batch: StoredBatch
    #: Ids that have no outcome yet; None: all.
    waiting: frozenset[str] | None = None
    duplicate: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def take(self, receipt: Receipt, sink: str) -> None:
        sent = self.batch.count if self.waiting is None else len(self.waiting)
        told = receipt.delivered + len(receipt.duplicate) + len(receipt.rejected) + len(receipt.deferred)
        if told != sent:
            raise AccountingError(f"{sink} was given {sent} documents of batch {self.batch.seq} and told of {told}")
        self.duplicate += receipt.duplicate
        self.rejected += receipt.rejected
        self.waiting = frozenset(receipt.deferred)


class Courier:
    """
    Bring the ledger's batches to a sink, one at a time.

    `step` makes one attempt and never waits; `pause` then says how long to
    leave the sink alone. `run` is `step` and `wait` until `stop` is set.
    """

    def __init__(
        self,
        ledger: Outbox,
        sink: Sink,
        stop: threading.Event,
        *,
        wait: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        first_pause: float = 0.5,
        longest_pause: float = 60.0,
        idle: float = 0.25,
        replay: Spare | None = None,
    ) -> None:
        self.sink = sink
        #: Seconds to leave the sink alone before the next step; 0 after a success.
        self.pause = 0.0
        self._ledger = ledger
        self._stop = stop
        self._wait = wait or stop.wait
        self._clock = clock
        self._jitter = jitter
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._idle = idle
        self._replay = replay
        self._failures = 0
        self._seq = ledger.follow(sink.name)
        self._pending: _Pending | None = None

    def run(self) -> None:
        """Work until told to stop."""
        while not self._stop.is_set():
            busy = self.step()
            if self.pause or not busy:
                self._wait(self.pause or self._idle)

    def drain(self, deadline: float) -> bool:
        """
        Work until nothing is left, and say whether that came true before the deadline (on `clock`).

        When `stop` is set already, the first failure ends it.
        """
        while self._clock() < deadline:
            if not self.step():
                return True
            if self.pause:
                if self._stop.is_set():
                    return False
                self._wait(min(self.pause, max(deadline - self._clock(), 0.0)))
        return False

    def step(self) -> bool:
        """Make one attempt to send what is next; return whether there was anything."""
        if self._pending is None:
            found = self._ledger.after(self._seq)
            if not found:
                return self._spare()
            self._pending = _Pending(found[0])
        pending = self._pending
        try:
            receipt = self.sink.send(pending.batch, pending.waiting)
        except SinkUnavailable as error:
            self._back_off(str(error), at_least=error.pause)
            return True
        except LedgerError as error:  # the batch is damaged: stand still where everyone sees it, and lose nothing
            self._back_off(str(error), at_least=self._longest_pause)
            return True
        pending.take(receipt, self.sink.name)
        if pending.waiting:
            progress = bool(receipt.delivered or receipt.duplicate or receipt.rejected)
            self._back_off(receipt.reason or "some documents were put off", anew=progress)
            return True
        self._settle(pending)
        return True

    def _spare(self) -> bool:
        """Do what there is to do when no batch waits."""
        self.pause = 0.0
        try:
            return self._replay is not None and self._replay.step()
        except SinkUnavailable as error:
            self._back_off(str(error), at_least=error.pause)
            return True

    def _settle(self, pending: _Pending) -> None:
        batch = pending.batch
        duplicate = self._by_file(batch, pending.duplicate)
        refused = self._by_file(batch, [item.id for item in pending.rejected])
        delivered = Counter(batch.files)
        delivered.subtract(duplicate)
        delivered.subtract(refused)
        if any(count < 0 for count in delivered.values()):
            raise AccountingError(f"{self.sink.name} told of documents that are not in batch {batch.seq}")
        self._ledger.settle(
            self.sink.name,
            batch,
            delivered={file: count for file, count in delivered.items() if count},
            duplicate=duplicate,
            rejected=pending.rejected,
        )
        self._seq = batch.seq
        self._pending = None
        self.pause = 0.0
        if self._failures:
            self._failures = 0
            _log.info("delivery goes on", sink=self.sink.name)

    def _by_file(self, batch: StoredBatch, ids: Sequence[str]) -> Counter[int]:
        """Count ids by the file that their key names."""
        if len(batch.files) == 1:
            return Counter({next(iter(batch.files)): len(ids)} if ids else {})
        keys = Counter(name.rpartition("-")[0] for name in ids)
        return Counter({self._ledger.file_of(f"{key}-0"): count for key, count in keys.items()})

    def _back_off(self, reason: str, *, at_least: float = 0.0, anew: bool = False) -> None:
        """Set the pause: exponential from the first to the longest, half of it left to chance."""
        if not self._failures:
            _log.warning("delivery waits", sink=self.sink.name, reason=reason)
        self._failures = 1 if anew else self._failures + 1
        limit = min(self._longest_pause, self._first_pause * 2.0 ** min(self._failures - 1, 32))
        self.pause = max(at_least, limit / 2 * (1 + self._jitter()))
        self._ledger.failed(self.sink.name, reason)
