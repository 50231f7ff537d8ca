"""
The agent: what fills one ledger and what empties it, as threads.

`Agent.run` is the service: an ingest loop, one courier for each sink, a
housekeeper. `Agent.once` reads what there is, delivers it, and ends.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from logship import __version__, systemd
from logship.delivery.courier import Courier
from logship.delivery.replay import Replay
from logship.delivery.sink import Doubting, Sink
from logship.errors import AccountingError, DeliveryError, LedgerDamaged, LedgerError, LogshipError
from logship.ingest import Ingest
from logship.ledger import doubts, rejects
from logship.ledger.ledger import Ledger
from logship.ledger.oldest import DropOldest
from logship.ledger.retire import retire
from logship.ledger.status import status
from logship.model import StoredBatch
from logship.report import DATASET, Reporter
from logship.sources.tailer import Tailer
from logship.sources.watcher import Watcher
from logship.store.archiver import Archiver

log = structlog.get_logger()

#: Seconds that a stop waits for an answer that is under way; a reload waits longer than any request may take.
_PATIENCE = 5.0
_RELOAD_PATIENCE = 120.0

OnBatch = Callable[[StoredBatch], None]


class Agent:
    """One ledger, what fills it, and what empties it."""

    def __init__(
        self,
        ledger: Ledger,
        tailer: Tailer,
        ingest: Ingest,
        watcher: Watcher,
        sinks: Sequence[Sink],
        archiver: Archiver | None,
        *,
        bell: threading.Event,
        reporter: Reporter | None = None,
        relief: DropOldest | None = None,
        drain_seconds: float = 5.0,
    ) -> None:
        self.ledger = ledger
        self._tailer = tailer
        self._ingest = ingest
        self._watcher = watcher
        self._sinks = sinks
        self._archiver = archiver
        self._bell = bell
        self._reporter = reporter
        self._relief = relief
        #: Seconds in which a stop delivers what waits.
        self._drain_seconds = drain_seconds
        self._fault: BaseException | None = None
        self._patience = _PATIENCE
        self._last = True
        self._read = threading.Event()
        self._deadline = math.inf

    def run(self, stop: threading.Event, on_batch: OnBatch | None = None) -> None:
        """Work until told to stop; raises the first error that ended a part."""
        couriers = [self._courier(sink, stop) for sink in self._sinks]
        works: list[Callable[[], object]] = [partial(self._deliver, courier) for courier in couriers]
        works.append(lambda: self._keep_house(stop))
        if on_batch:
            begin = self._newest()
            works.append(lambda: self._show(begin, on_batch, stop))
        threads = [threading.Thread(target=self._guarded, args=(work, stop), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        wake = threading.Thread(target=self._wake_at, args=(stop,), daemon=True)
        wake.start()
        names = [sink.name for sink in self._sinks]
        log.info("agent started", version=__version__, state_dir=str(self.ledger.directory), sinks=names)
        systemd.notify("READY=1", f"STATUS=delivers to {', '.join(names) or 'nobody; keeps segments'}")
        try:
            self._guarded(lambda: self._ingest.run(stop, self._bell, patience=_PATIENCE), stop)
        finally:
            stop.set()
            if self._last:
                systemd.notify("STOPPING=1")
            self._deadline = time.monotonic() + self._drain_seconds
            self._read.set()
            for thread in threads:
                thread.join(max(self._deadline + self._patience - time.monotonic(), 0.0))
            unanswered = any(thread.is_alive() for thread in threads)
            left = self._left()
            # What is not settled is sent again at the next start, and known by its ids. The thread that waits for the
            # answer ends with the process, and so do the connections and the ledger that it still holds.
            self.close(leave=unanswered)
        if unanswered:
            log.warning("stopped with a request unanswered; its documents are sent again at the next start")
        if self._fault:
            raise self._fault
        log.info("agent stopped", **left)

    def make_way(self) -> None:
        """Make room, at the next stop, for another agent in this process: what waits is for that to deliver."""
        self._last, self._drain_seconds, self._patience = False, 0.0, _RELOAD_PATIENCE

    def once(self, on_batch: OnBatch | None = None, *, deadline: float = 60.0) -> None:
        """
        Read all there is, deliver it, and end.

        Raises DeliveryError when a sink did not take everything within
        `deadline` seconds or refused documents, AccountingError when the books
        do not close, LogshipError when there were files that could not be read.
        """
        stop = threading.Event()
        begin = self._newest()
        try:
            self._tailer.scan(time.monotonic())
            couriers = [self._courier(sink, stop) for sink in self._sinks]
            while self._ingest.step(time.monotonic()):
                for courier in couriers:
                    courier.step()
                self._seal(wait=False)
                if on_batch:
                    begin = self._show_new(begin, on_batch)
            self._tailer.stopping()
            while self._ingest.step(time.monotonic(), scan=True, flush=True):
                pass
            self._ingest.step(time.monotonic(), flush=True)
            if on_batch:
                self._show_new(begin, on_batch)
            late = [courier.sink.name for courier in couriers if not courier.drain(time.monotonic() + deadline)]
            self._seal(wait=True)
            self._settle_accounts(late)
            self._settle_files()
        finally:
            self.close()

    def close(self, *, leave: bool = False) -> None:
        """Let go of files, connections and the ledger; with `leave` not of the last two, which are still in use."""
        for sink in self._sinks:
            if isinstance(sink, Doubting):
                with contextlib.suppress(LedgerError):  # without a note all that was under way is in doubt
                    doubts.note(self.ledger, sink.name, sink.doubtful)
        self._watcher.close()
        if self._archiver:
            self._archiver.close()
        self._tailer.close()
        if not leave:
            for sink in self._sinks:
                sink.close()
            self.ledger.close()

    def _deliver(self, courier: Courier) -> None:
        """Deliver until told to stop, and then what waits, as long as the sink takes it and there is time."""
        courier.run()
        self._read.wait()
        courier.drain(self._deadline)

    def _left(self) -> dict[str, object]:
        """Return what a stop leaves for the next start, in numbers: documents by sink, bytes not read."""
        waiting = {sink.name: self.ledger.waiting(sink.name) for sink in self._sinks}
        left: dict[str, object] = {}
        if waiting := {name: documents for name, documents in waiting.items() if documents}:
            left["documents_left"] = waiting
        if unread := sum(self._tailer.lag().values()):
            left["bytes_unread"] = unread
        return left

    def _courier(self, sink: Sink, stop: threading.Event) -> Courier:
        return Courier(self.ledger, sink, stop, replay=Replay(self.ledger, sink))

    def _seal(self, *, wait: bool) -> None:
        """Seal what is due, and let go of what nobody needs any more."""
        if self._archiver:
            self._archiver.step()
            while wait and self._archiver.busy:
                time.sleep(0.05)
                self._archiver.step()
        self.ledger.prune(archive=self._archiver is not None)

    def _settle_accounts(self, late: Sequence[str]) -> None:
        books = status(self.ledger.directory)
        if late:
            waiting = {sink.name: sink for sink in books.sinks}
            reasons = [f"{name}: {waiting[name].pending} documents wait ({waiting[name].last_error})" for name in late]
            raise DeliveryError("; ".join(reasons))
        refused = [f"{sink.name} refused {sink.rejected} documents" for sink in books.sinks if sink.rejected]
        if refused:
            raise DeliveryError("; ".join(refused), "see `logship rejected list`")
        if not books.closes:
            raise AccountingError("; ".join(books.problems))

    def _settle_files(self) -> None:
        for path in self._tailer.unfinished():
            log.warning("last line has no end yet, and waits for it", path=path)
        if unreadable := self._tailer.unreadable():
            raise LogshipError(
                "; ".join(f"{path}: {reason}" for path, reason in unreadable.items()),
                "all else was read and delivered; check the owner and the mode of these",
            )

    def _guarded(self, work: Callable[[], object], stop: threading.Event) -> None:
        try:
            work()
        except BaseException as error:
            self._fault = self._fault or error
            stop.set()
            self._bell.set()

    def _wake_at(self, stop: threading.Event) -> None:
        stop.wait()
        self._bell.set()  # the ingest loop may wait for it

    def _keep_house(self, stop: threading.Event) -> None:
        """Seal, prune, report and carry out requests, every two seconds; tell the watchdog that the loops go round."""
        archive = self._archiver is not None
        watchdog = systemd.watchdog_seconds()
        while not stop.is_set():
            if watchdog and time.monotonic() - self._ingest.alive < watchdog:
                systemd.notify("WATCHDOG=1")
            try:
                rejects.requests(self.ledger)
                if self._archiver:
                    self._archiver.step()
                if self._reporter:
                    self._reporter.step()
                self.ledger.prune(archive=archive)
                if self._relief:
                    self._relief.step()
                retire(self.ledger)
            except LedgerDamaged:
                raise
            except LogshipError as error:
                log.error("housekeeping failed", reason=str(error), hint=error.hint)
            stop.wait(min(2.0, watchdog / 3) if watchdog else 2.0)

    def _newest(self) -> int:
        row = self.ledger.connection.execute("SELECT coalesce(max(seq), 0) FROM leaf").fetchone()
        return int(row[0])

    def _show(self, seq: int, on_batch: OnBatch, stop: threading.Event) -> None:
        while not stop.is_set():
            seq = self._show_new(seq, on_batch)
            stop.wait(0.1)
        self._show_new(seq, on_batch)

    def _show_new(self, seq: int, on_batch: OnBatch) -> int:
        while found := self.ledger.after(seq, limit=1):
            if found[0].dataset != DATASET:  # what the agent says of itself is not what people watch
                on_batch(found[0])
            seq = found[0].seq
        return seq
