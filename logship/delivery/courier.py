"""
One follower of the ledger: takes batches in order and brings them to one sink.

Batches are settled whole, every document with its outcome, and in order, so a
cursor never passes a document that has none, however many batches are under
way. Only the courier waits and repeats; sinks answer or raise.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from logship.delivery.bulk import documents
from logship.delivery.sink import Concurrent, Sink, SinkUnavailable
from logship.errors import AccountingError, LedgerDamaged, LedgerError
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
        redelivered: int = 0,
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


class _Attempt:
    """One call of a sink, in a thread that the process does not wait for when it ends."""

    def __init__(self, send: Callable[[], Receipt]) -> None:
        self._send = send
        self._receipt: Receipt | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._receipt = self._send()
        except BaseException as error:
            self._error = error

    @property
    def failed(self) -> bool:
        """Whether it has ended without an answer."""
        return self._error is not None

    def receipt(self) -> Receipt:
        """Wait for the answer; raises what the sink raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._receipt is not None  # noqa: S101
        return self._receipt


@dataclass(slots=True)
class _Pending:
    """A batch on its way, and what is known of its documents so far."""

    batch: StoredBatch
    #: Ids that have no outcome yet; None: all.
    waiting: frozenset[str] | None = None
    duplicate: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    redelivered: int = 0
    attempt: _Attempt | None = None

    def take(self, receipt: Receipt, sink: str) -> None:
        sent = self.batch.count if self.waiting is None else len(self.waiting)
        told = receipt.delivered + len(receipt.duplicate) + len(receipt.rejected) + len(receipt.deferred)
        if told != sent:
            raise AccountingError(f"{sink} was given {sent} documents of batch {self.batch.seq} and told of {told}")
        self.duplicate += receipt.duplicate
        self.rejected += receipt.rejected
        self.redelivered += receipt.redelivered
        self.waiting = frozenset(receipt.deferred)


class Courier:
    """
    Bring the ledger's batches to a sink, in order, or several at a time where the sink says that order does not matter.

    `step` makes one attempt with the oldest batch and never waits between
    attempts; `pause` then says how long to leave the sink alone. `run` is
    `step` and `wait` until `stop` is set. How many batches are under way grows
    by one with each round that went well, and is halved when one did not.
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
        #: Batches under way at a time, at most, as things are.
        self.window = self._widest = sink.in_flight if isinstance(sink, Concurrent) else 1
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
        self._well = 0
        self._seq = ledger.follow(sink.name)
        #: Batches without an outcome, oldest first.
        self._pending: deque[_Pending] = deque()

    def run(self) -> None:
        """Work until told to stop."""
        while not self._stop.is_set():
            busy = self.step()
            if self.pause or not busy:
                self._wait(self.pause or self._idle)
        self._land()

    def _land(self) -> None:
        """Settle what is under way already, and send nothing more."""
        self.pause = 0.0
        while self._pending and self._pending[0].attempt is not None and not self.pause:
            self.window = 0
            self.step()

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
        self._fill()
        if not self._pending:
            return self._spare()
        pending = self._pending[0]
        if pending.waiting is not None and not pending.waiting:  # all told, and the ledger could not be written
            return self._settle(pending)
        try:
            try:
                receipt = self._answer(pending)
            except SinkUnavailable as error:
                documents(pending.batch)  # a server may end the connection for what it cannot unpack
                self._back_off(str(error), at_least=error.pause, alarm=error.alarm)
                return True
        except LedgerDamaged as error:  # say it where everyone sees it; the files are read again
            self._back_off(str(error), alarm=True)
            raise
        pending.take(receipt, self.sink.name)
        if pending.waiting:
            progress = bool(receipt.delivered or receipt.duplicate or receipt.rejected)
            self._back_off(receipt.reason or "some documents were put off", anew=progress)
            return True
        return self._settle(pending)

    def _fill(self) -> None:
        """Read as many batches as may be under way."""
        room = self.window - len(self._pending)
        if room > 0:
            last = self._pending[-1].batch.seq if self._pending else self._seq
            self._pending += map(_Pending, self._ledger.after(last, limit=room))

    def _answer(self, pending: _Pending) -> Receipt:
        """Send what is not under way yet, and return the oldest batch's answer."""
        if self._widest == 1:
            return self.sink.send(pending.batch, pending.waiting)
        for one, _ in zip(self._pending, range(self.window), strict=False):
            if one.attempt is None or (one.attempt.failed and one is not pending):
                one.attempt = _Attempt(partial(self.sink.send, one.batch, one.waiting))
        attempt, pending.attempt = pending.attempt, None
        assert attempt is not None  # noqa: S101
        return attempt.receipt()

    def _spare(self) -> bool:
        """Do what there is to do when no batch waits."""
        self.pause = 0.0
        try:
            return self._replay is not None and self._replay.step()
        except SinkUnavailable as error:
            self._back_off(str(error), at_least=error.pause, alarm=error.alarm)
            return True
        except LedgerDamaged:
            raise
        except LedgerError as error:
            self._back_off(str(error))
            return True

    def _settle(self, pending: _Pending) -> bool:
        """Record what became of a batch; when the disk does not take it, that is tried again, and nothing is sent."""
        batch = pending.batch
        duplicate = self._by_file(batch, pending.duplicate)
        refused = self._by_file(batch, [item.id for item in pending.rejected])
        delivered = Counter(batch.files)
        delivered.subtract(duplicate)
        delivered.subtract(refused)
        if any(count < 0 for count in delivered.values()):
            raise AccountingError(f"{self.sink.name} told of documents that are not in batch {batch.seq}")
        try:
            self._ledger.settle(
                self.sink.name,
                batch,
                delivered={file: count for file, count in delivered.items() if count},
                duplicate=duplicate,
                rejected=pending.rejected,
                redelivered=pending.redelivered,
            )
        except LedgerDamaged:
            raise
        except LedgerError as error:
            self._back_off(str(error))
            return True
        self._seq = batch.seq
        self._pending.popleft()
        self.pause = 0.0
        self._well += 1
        if self._well >= self.window and self.window < self._widest:
            self.window, self._well = self.window + 1, 0
        if self._failures:
            self._failures = 0
            _log.info("delivery goes on", sink=self.sink.name)
        return True

    def _by_file(self, batch: StoredBatch, ids: Sequence[str]) -> Counter[int]:
        """Count ids by the file that their key names."""
        if len(batch.files) == 1:
            return Counter({next(iter(batch.files)): len(ids)} if ids else {})
        keys = Counter(name.rpartition("-")[0] for name in ids)
        found: Counter[int] = Counter()
        strangers = 0
        for key, count in keys.items():
            file = self._ledger.file_of(f"{key}-0")
            if file in batch.files:
                found[file] += count
            else:
                strangers += count  # the ledger was recovered, and knows the file by another number now
        for file, count in batch.files.items():
            found[file] += (more := min(strangers, count - found[file]))
            strangers -= more
        return found

    def _back_off(self, reason: str, *, at_least: float = 0.0, anew: bool = False, alarm: bool = False) -> None:
        """Set the pause: exponential from the first to the longest, half of it left to chance."""
        self.window, self._well = max(1, self.window // 2), 0
        if not self._failures:
            say = _log.error if alarm else _log.warning
            say("delivery waits", sink=self.sink.name, reason=reason)
        self._failures = 1 if anew else self._failures + 1
        limit = min(self._longest_pause, self._first_pause * 2.0 ** min(self._failures - 1, 32))
        self.pause = max(at_least, limit / 2 * (1 + self._jitter()))
        with contextlib.suppress(LedgerError):  # it is said in the log; the disk may be what fails
            self._ledger.failed(self.sink.name, reason)
