"""
The ingest loop: chunks of files to committed documents.

One step reads what there is, makes documents of it, and commits documents and
positions in one transaction. It keeps nothing that a crash could not lose.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from logship.ledger.ledger import Ledger
from logship.lines.envelope import unwrap
from logship.lines.join import Joiner
from logship.model import Batch, Chunk, Events, FileRef, Lines, Progress
from logship.pipeline.encoder import Encoder
from logship.sources.tailer import Tailer

_KEPT = 2000
#: Seconds between two scans, at least.
_SOONEST = 0.2


@dataclass(slots=True)
class _File:
    """One generation that is being read."""

    ref: FileRef
    encoder: Encoder
    joiner: Joiner
    #: Logical offset just after the last byte read.
    read: int
    #: Streams that an earlier run had accounted for beyond the position.
    resume: dict[str, int]


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
        bind: Callable[[FileRef], tuple[Encoder, Joiner]],
        *,
        quiet: float = 1.0,
        scan_every: float = 1.0,
        batch_bytes: int = 2 << 20,
    ) -> None:
        self._ledger = ledger
        self._tailer = tailer
        self._bind = bind
        self._quiet = quiet
        self._scan_every = scan_every
        self._batch_bytes = batch_bytes
        self._next_scan = -math.inf
        self._files: dict[int, _File] = {}
        #: Files with an event that may still go on.
        self._waiting: set[int] = set()
        #: Secrets redacted since the start, by rule.
        self.redacted: dict[str, int] = {}

    def run(self, stop: threading.Event, bell: threading.Event, *, linger: float = 0.1) -> None:
        """Read until told to stop; `bell` says that a file may have changed."""
        clock = time.monotonic
        while not stop.is_set():
            rung = bell.is_set()
            bell.clear()
            if not self.step(clock(), scan=rung) and not self._tailer.ready:
                bell.wait(max(self._next_scan - clock(), 0.01))
                stop.wait(linger if rung else 0)  # changes that come one by one are looked at together
        self._tailer.stopping()
        self.step(clock(), scan=True)

    def step(self, now: float, *, scan: bool = False, flush: bool = False) -> bool:
        """
        Read once, commit, and return whether anything was read.

        `flush` ends the events that might still go on, as when all files are to be read to their end.
        """
        if scan or now >= self._next_scan:
            begin = time.process_time()
            self._tailer.scan(now)
            # Few files are looked at often, many as often as takes one percent of a core.
            cost = time.process_time() - begin
            self._next_scan = now + min(self._scan_every, max(_SOONEST, cost * 100))
        datasets: dict[str, _Dataset] = {}
        counts: dict[int, _Counts] = {}
        taken = 0
        while taken < self._batch_bytes and (chunks := self._tailer.read(self._batch_bytes - taken)):
            for chunk in chunks:
                self._read(chunk, now, datasets, counts)
                taken += chunk.span
        before = math.inf if flush and not taken else now - self._quiet
        for number in list(self._waiting):
            file = self._files[number]
            self._add(file, file.joiner.flush(before), datasets, counts)
        if counts:
            self._commit(datasets, counts)
        return taken > 0

    def _read(self, chunk: Chunk, now: float, datasets: dict[str, _Dataset], counts: dict[int, _Counts]) -> None:
        file = self._files.get(chunk.file.id) or self._open(chunk)
        lines = unwrap(chunk)
        if file.resume:
            _skip(lines, file.resume)
            if chunk.offset + chunk.span >= max(file.resume.values()):
                file.resume = {}
        file.read = chunk.offset + chunk.span
        counts.setdefault(chunk.file.id, _Counts())
        events = file.joiner.feed(lines, now) if lines.texts else Events()
        self._add(file, events, datasets, counts)
        if file.joiner.pending():
            self._waiting.add(chunk.file.id)

    def _open(self, chunk: Chunk) -> _File:
        if len(self._files) >= _KEPT:  # of files that have ended, mostly; the others are bound again
            self._files = {number: file for number, file in self._files.items() if number in self._waiting}
        encoder, joiner = self._bind(chunk.file)
        resume = self._tailer.resume.pop(chunk.file.id, {})
        file = _File(chunk.file, encoder, joiner, chunk.offset, resume)
        joiner.streams |= set(resume)
        self._files[chunk.file.id] = file
        return file

    def _add(self, file: _File, events: Events, datasets: dict[str, _Dataset], counts: dict[int, _Counts]) -> None:
        if not events.texts and not events.lines:
            return
        count = counts.setdefault(file.ref.id, _Counts())
        count.lines += events.lines
        count.bytes_skipped += events.skipped
        if not events.texts:
            return
        encoded = file.encoder.encode(events)
        count.unparsed += encoded.unparsed
        count.bytes_documents += encoded.bytes_documents
        count.bytes_dropped += encoded.bytes_dropped
        for rule, dropped in encoded.dropped.items():
            count.dropped[rule] = count.dropped.get(rule, 0) + dropped
        for rule, redacted in encoded.redacted.items():
            self.redacted[rule] = self.redacted.get(rule, 0) + redacted
        made = len(encoded.documents)
        if not made:
            return
        count.events += made
        dataset = datasets.setdefault(file.encoder.dataset, _Dataset())
        dataset.parts += encoded.documents
        dataset.first = min(dataset.first, min(encoded.times))
        dataset.last = max(dataset.last, max(encoded.times))
        dataset.files[file.ref.id] = dataset.files.get(file.ref.id, 0) + made

    def _commit(self, datasets: dict[str, _Dataset], counts: dict[int, _Counts]) -> None:
        batches = [
            Batch(name, b"".join(data.parts), len(data.parts), data.first, data.last, data.files)
            for name, data in datasets.items()
        ]
        progress = [self._progress(self._files[number], count) for number, count in counts.items()]
        self._ledger.commit(batches, progress)
        self._tailer.committed(progress)

    def _progress(self, file: _File, count: _Counts) -> Progress:
        pending = file.joiner.pending()
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


def _skip(lines: Lines, resume: dict[str, int]) -> None:
    """Take out the lines that an earlier run had accounted for."""
    keep = [row for row, stream in enumerate(lines.streams) if lines.offsets[row] >= resume.get(stream, 0)]
    if len(keep) == len(lines.texts):
        return
    lines.extra = {new: lines.extra[old] for new, old in enumerate(keep) if old in lines.extra}
    lines.partial = [lines.partial[row] for row in keep] if lines.partial else []
    for name in ("offsets", "ends", "texts", "times", "streams"):
        column = getattr(lines, name)
        setattr(lines, name, [column[row] for row in keep])
