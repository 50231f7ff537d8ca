"""
The ingest loop: chunks of files to committed documents.

One step reads what there is, makes documents of it, and commits documents and
positions in one transaction. It keeps nothing that a crash could not lose.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from logship.errors import LedgerDamaged, LedgerError
from logship.ledger.ledger import Ledger
from logship.ledger.unpaired import Unpaired
from logship.lines.envelope import cut, unwrap, unwrap_some
from logship.lines.join import Joiner, together
from logship.lines.rows import keep_only, pick, skip
from logship.model import Batch, Chunk, Events, FileRef, Lines, Progress, by_time
from logship.pipeline.encoder import Encoder
from logship.pipeline.taken import Taken
from logship.pipeline.twins import Once
from logship.sources.tailer import Tailer

log = structlog.get_logger()

_KEPT = 1000
#: Seconds after which what a file was bound to is let go, if it was not read and has no event open.
_UNUSED = 30.0
#: Bytes of a chunk that make it worth while to look for the lines that are all alike.
_BUSY = 8 << 10
#: Seconds between two attempts to write to a disk that is full, read-only or failing.
_PAUSE = 2.0
#: Seconds between two scans, at least.
_SOONEST = 0.2


@dataclass(slots=True)
class _Lent:
    """First lines of a file that went into an event of the generation before it."""

    #: First byte of them, in the file they were read from.
    offset: int
    size: int = 0
    #: Offset of the event, while it is open.
    within: int | None = None


@dataclass(slots=True)
class _File:
    """One generation that is being read."""

    ref: FileRef
    encoder: Encoder | Once
    joiner: Joiner
    #: Logical offset just after the last byte read.
    read: int
    #: When it was last read.
    used: float
    #: Streams that an earlier run had accounted for beyond the position.
    resume: dict[str, int]
    #: The generation that was rotated away when this one began, while its events may go on here.
    before: _File | None = None
    #: What was given to the events of `before`, by stream.
    lent: dict[str, _Lent] = field(default_factory=dict)
    #: What came the short way in this step, with the events that came the long way beside it.
    short: list[tuple[Events, Taken]] = field(default_factory=list)
    #: Streams that have begun an event of their own here, so that nothing more is given.
    own: set[str] = field(default_factory=set)

    def goes_straight(self, chunk: Chunk) -> bool:
        """Whether nothing special is going on: no restart, rotation, cut line or unfinished parts of one."""
        docker = self.ref.source.envelope == "docker" and chunk.original_length is None
        return docker and not self.resume and self.before is None and not self.joiner.has_parts

    def pending(self) -> dict[str, int]:
        """Return the offset of the oldest byte of each stream that is not in an event yet."""
        return self.joiner.pending() | {stream: lent.offset for stream, lent in self.lent.items()}


@dataclass(slots=True)
class _Dataset:
    """The documents of one data stream that the next commit will hold."""

    parts: list[bytes] = field(default_factory=list)
    first: str = "~"
    last: str = ""
    files: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Counts:
    lines: int = 0
    events: int = 0
    unparsed: int = 0
    bytes_documents: int = 0
    bytes_dropped: int = 0
    bytes_skipped: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


class Ingest:
    """Reads files and commits their documents."""

    def __init__(
        self,
        ledger: Ledger,
        tailer: Tailer,
        bind: Callable[[FileRef], tuple[Encoder | Once, Joiner]],
        *,
        quiet: float = 1.0,
        scan_every: float = 1.0,
        batch_bytes: int = 2 << 20,
        room: Callable[[], bool] = lambda: True,
        unpaired: Unpaired | None = None,
    ) -> None:
        self._ledger = ledger
        self._tailer = tailer
        self._bind = bind
        self._quiet = quiet
        self._scan_every = scan_every
        self._batch_bytes = batch_bytes
        self._room = room
        self._unpaired = unpaired
        #: Says, after a pause, whether to try a commit again that the disk did not take.
        self._again: Callable[[LedgerError], bool] = lambda error: False  # noqa: ARG005
        self._next_scan = self._next_release = self._scanned = -math.inf
        self._files: dict[int, _File] = {}
        #: Files with an event that may still go on.
        self._waiting: set[int] = set()
        #: Files whose first lines may belong to the generation before.
        self._borrowers: dict[int, _File] = {}
        self._stopping = False
        #: When the loop last went round, on the clock of time.monotonic().
        self.alive = math.inf
        #: Secrets redacted since the start, by rule; and of them, those in the documents of the next commit.
        self.redacted: dict[str, int] = {}
        self._redacted: dict[str, int] = {}

    def run(
        self, stop: threading.Event, bell: threading.Event, *, linger: float = 0.1, patience: float = 5.0
    ) -> None:
        """
        Read until told to stop; `bell` says that a file may have changed.

        What is left of deleted files is read then, for `patience` seconds at most: nobody can read it later.
        """
        clock = time.monotonic

        def again(error: LedgerError) -> bool:
            # Files stay open meanwhile, so that what is deleted can still be read.
            log.error("nothing can be written, and nothing is read until it can", reason=str(error), hint=error.hint)
            self.alive = clock()
            return not stop.wait(_PAUSE)

        self._again = again
        while not stop.is_set():
            self.alive = clock()
            rung = bell.is_set()
            bell.clear()
            if not self.step(clock(), scan=rung) and not (self._tailer.ready and self._room()):
                bell.wait(max(self._next_scan - clock(), 0.01))
                stop.wait(linger if rung else 0)  # changes that come one by one are looked at together
        self._tailer.stopping()
        self._stopping = True
        self.step(clock(), scan=True)
        until = clock() + patience
        while self._tailer.leaving and clock() < until:
            self.step(clock())

    def step(self, now: float, *, scan: bool = False, flush: bool = False) -> bool:
        """
        Read once, commit, and return whether anything was read.

        `flush` ends the events that might still go on, as when all files are to be read to their end.
        """
        if scan or now >= self._next_scan:
            begin = time.process_time()
            self._tailer.scan(now)
            self._scanned = now
            # Few files are looked at often, many as rarely as `scan_every` allows.
            cost = time.process_time() - begin
            self._next_scan = now + min(self._scan_every, max(_SOONEST, cost * 100))
            if now >= self._next_release:
                self._next_release = now + _UNUSED
                self._release(now - _UNUSED)
        datasets: dict[str, _Dataset] = {}
        counts: dict[int, _Counts] = {}
        taken = 0
        most = self._batch_bytes if self._room() else 0
        while taken < most and (chunks := self._tailer.read(most - taken)):
            for chunk in chunks:
                self._read(chunk, now, datasets, counts)
                taken += chunk.span
        for number in counts:
            self._add_short(self._files[number], datasets, counts)
        # What was quiet when the files were looked at last: what goes on since then was not seen.
        before = math.inf if flush and not taken else self._scanned - self._quiet
        for number in list(self._waiting):
            if self._tailer.has_more(number):
                continue
            file = self._files[number]
            # An event of a file that is gone cannot go on, and cannot be read again after a stop.
            complete = self._stopping and self._tailer.given(number)
            self._add(file, file.joiner.flush(math.inf if complete else before), datasets, counts)
        for file in list(self._borrowers.values()):
            if file.before is not None:
                self._settle_lent(file, file.before, counts)
        if counts:
            self._commit(datasets, counts)
        return taken > 0

    def _read(self, chunk: Chunk, now: float, datasets: dict[str, _Dataset], counts: dict[int, _Counts]) -> None:
        file = self._files.get(chunk.file.id) or self._open(chunk, now)
        file.used = now
        file.read = chunk.offset + chunk.span
        taken = None
        raw, edges = lines_of = cut(chunk)
        if len(chunk.data) >= _BUSY and file.goes_straight(chunk):
            taken = file.encoder.take(chunk.data, raw, edges)
        lines = unwrap(chunk, lines_of) if taken is None else unwrap_some(raw, edges, taken.rest)
        if taken is not None and "" in lines.times:  # what has no stamp gets that of the event before
            taken, lines = None, unwrap(chunk, lines_of)
        if file.resume:
            skip(lines, file.resume)
            if chunk.offset + chunk.span >= max(file.resume.values()):
                file.resume = {}
        counts.setdefault(chunk.file.id, _Counts())
        if taken is not None:  # encoded together at the end of the step
            file.short.append((file.joiner.feed(lines, now), taken))
        else:
            self._add_short(file, datasets, counts)
            if file.before is not None:
                self._lend(file, file.before, lines, now, datasets, counts)
            if lines.texts:
                self._add(file, file.joiner.feed(lines, now), datasets, counts)
        if file.pending():
            self._waiting.add(chunk.file.id)

    def _lend(
        self,
        file: _File,
        before: _File,
        lines: Lines,
        now: float,
        datasets: dict[str, _Dataset],
        counts: dict[int, _Counts],
    ) -> None:
        """Give the first lines of a file to the events that were open when the one before it was rotated away."""
        self._settle_lent(file, before, counts)
        while rows := [row for row in before.joiner.goes_on(lines) if lines.streams[row] not in file.own]:
            given, taken = pick(lines, rows), set(rows)
            keep_only(lines, [row for row in range(len(lines.texts)) if row not in taken])
            self._add(before, before.joiner.feed(given, now), datasets, counts)
            within = before.joiner.pending()
            for offset, end, stream in zip(given.offsets, given.ends, given.streams, strict=True):
                lent = file.lent.setdefault(stream, _Lent(offset))
                lent.size += end - offset
                lent.within = within.get(stream)
        begun = set(lines.streams) - file.own
        file.own |= begun
        self._add(before, before.joiner.flush(math.inf, begun), datasets, counts)

    def _settle_lent(self, file: _File, before: _File, counts: dict[int, _Counts]) -> None:
        """Account for lent lines where they were read, as soon as they are in a document."""
        still_open = before.joiner.pending()
        for stream, lent in list(file.lent.items()):
            if lent.within is not None and still_open.get(stream) == lent.within:
                continue
            del file.lent[stream]
            theirs, ours = (counts.setdefault(one.ref.id, _Counts()) for one in (before, file))
            buckets = ("bytes_documents", "bytes_dropped", "bytes_skipped")
            bucket = next((name for name in buckets if getattr(theirs, name) >= lent.size), buckets[0])
            setattr(theirs, bucket, getattr(theirs, bucket) - lent.size)
            setattr(ours, bucket, getattr(ours, bucket) + lent.size)
        if not still_open:
            file.before = None
            self._borrowers.pop(file.ref.id, None)

    def _predecessor(self, chunk: Chunk) -> _File | None:
        """Return the generation that a file follows, if events are open in it that may go on."""
        if chunk.offset:
            return None
        path, source = chunk.file.path, chunk.file.source
        found = [file for file in map(self._files.__getitem__, self._waiting) if file.ref.path == path]
        last = max(found, key=lambda file: file.ref.id, default=None)
        if last is None or last.ref.source != source or not self._tailer.rotated(last.ref.id):
            return None
        return last

    def _release(self, before: float) -> None:
        """Let go of what files were bound to that were not read since; they are bound again when they are."""
        self._files = {
            number: file for number, file in self._files.items() if file.used >= before or number in self._waiting
        }

    def _open(self, chunk: Chunk, now: float) -> _File:
        if len(self._files) >= _KEPT:
            self._release(now)
        encoder, joiner = self._bind(chunk.file)
        resume = self._tailer.resume.pop(chunk.file.id, {})
        file = _File(chunk.file, encoder, joiner, chunk.offset, now, resume)
        if not resume and (before := self._predecessor(chunk)) is not None:
            file.before = before
            self._borrowers[chunk.file.id] = file
        joiner.streams |= set(resume)
        self._files[chunk.file.id] = file
        return file

    def _add_short(self, file: _File, datasets: dict[str, _Dataset], counts: dict[int, _Counts]) -> None:
        if file.short:
            events = together([events for events, _ in file.short])
            self._add(file, events, datasets, counts, [taken for _, taken in file.short])
            file.short = []

    def _add(
        self,
        file: _File,
        events: Events,
        datasets: dict[str, _Dataset],
        counts: dict[int, _Counts],
        taken: Sequence[Taken] = (),
    ) -> None:
        if not events.texts and not events.lines and not taken:
            return
        count = counts.setdefault(file.ref.id, _Counts())
        count.lines += events.lines
        count.bytes_skipped += events.skipped
        if not events.texts and not taken:
            return
        encoded = file.encoder.encode(events, taken)
        count.unparsed += encoded.unparsed
        count.bytes_documents += encoded.bytes_documents
        count.bytes_dropped += encoded.bytes_dropped
        for rule, dropped in encoded.dropped.items():
            count.dropped[rule] = count.dropped.get(rule, 0) + dropped
        for rule, redacted in encoded.redacted.items():
            for total in (self.redacted, self._redacted):
                total[rule] = total.get(rule, 0) + redacted
        made = encoded.count
        count.lines += sum(one.count for one in taken)
        if not made:
            return
        count.events += made
        dataset = datasets.setdefault(file.encoder.dataset, _Dataset())
        dataset.parts += encoded.documents
        dataset.first = min(dataset.first, min(encoded.times, key=by_time), key=by_time)
        dataset.last = max(dataset.last, max(encoded.times, key=by_time), key=by_time)
        dataset.files[file.ref.id] = dataset.files.get(file.ref.id, 0) + made

    def _commit(self, datasets: dict[str, _Dataset], counts: dict[int, _Counts]) -> None:
        batches = [
            Batch(name, b"".join(data.parts), sum(data.files.values()), data.first, data.last, data.files)
            for name, data in datasets.items()
        ]
        progress = [self._progress(self._files[number], count) for number, count in counts.items()]
        while True:
            try:
                beside = self._unpaired.write if self._unpaired else None
                self._ledger.commit(batches, progress, redacted=self._redacted, beside=beside)
                break
            except LedgerDamaged:
                raise
            except LedgerError as error:
                if not self._again(error):
                    raise
        if self._unpaired:
            self._unpaired.written()
        self._redacted = {}
        self._tailer.committed(progress)

    def _progress(self, file: _File, count: _Counts) -> Progress:
        pending = file.pending()
        if not pending:
            self._waiting.discard(file.ref.id)
        position = min(pending.values(), default=file.read)
        done = {stream: end for stream in file.joiner.streams if (end := pending.get(stream, file.read)) > position}
        for stream, end in file.resume.items():
            done[stream] = max(end, done.get(stream, 0))
        tail = self._tailer.tail(file.ref.id, position)
        return Progress(
            file.ref.id, position, done, file.read, tail, count.lines, count.events, count.bytes_documents,
            count.bytes_dropped, count.bytes_skipped, count.dropped, count.unparsed,
        )  # fmt: skip
