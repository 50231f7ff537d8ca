"""
Rotations that were compressed: what was never read of a file is read from its .gz, and nothing else.

A .gz is recognised by its own first bytes, size and trailer when it was read
before, and by what it holds when it is a generation that was read before it was
compressed: the generation then goes on in it, under its ids. It is not looked
at while the file that it is made of is still there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from logship.ledger import marks
from logship.ledger.files import FileRow
from logship.ledger.first_starts import FirstStarts
from logship.ledger.gaps import Gap, Gaps
from logship.ledger.ledger import Ledger
from logship.lines.framing import framing_of
from logship.model import Chunk, FileRef, Progress, Source
from logship.sources.copies import original_name
from logship.sources.discovery import GZIP, Found, open_regular
from logship.sources.generation import MARK
from logship.sources.generations import Generations
from logship.sources.unpacked import Unpacked

_TRAILER = 8
#: Seconds after which a .gz without an end, which does not grow any more, is taken for damaged.
_STALLED = 600.0
#: Bytes unpacked for one chunk at most, so that a line that never ends does not hold up the other files.
_ROUND = 16 << 20

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Archive:
    """A .gz that is being read."""

    path: Path
    descriptor: int
    ref: FileRef
    stream: Unpacked
    #: Logical offset of the next byte to give, and of the oldest that the ledger does not account for.
    read: int
    position: int
    #: Size when it was last looked at, and since when it has it.
    size: int
    since: float
    #: Bytes that were unpacked and not given.
    left: bytes = b""
    #: Length of the line in `left`, which is longer than the limit and has no end yet; without the bytes of `seam`, in
    #: which that end may begin.
    long: int = 0
    seam: bytes = b""
    #: There may be more to unpack now.
    more: bool = False
    finished: bool = False


class Archives:
    """Reads each .gz once, from where its generation was read to."""

    def __init__(
        self, ledger: Ledger, gaps: Gaps, files: Generations, rows: Sequence[FileRow], starts: FirstStarts
    ) -> None:
        self._ledger = ledger
        self._starts = starts
        self._gaps = gaps
        self._files = files
        self._reading: dict[tuple[int, int], Archive] = {}
        #: Device, inode and size of those that hold nothing new.
        self._done: set[tuple[int, int, int]] = set()
        #: Rows that an earlier process began to read, and the scans in a row that did not find their file.
        self._rows = {row.ref.id: row for row in rows}
        self._absent = dict.fromkeys(self._rows, 0)
        self.ready: list[Archive] = []
        self._damaged: dict[str, str] = {}

    def scan(self, found: Iterable[tuple[Found, os.stat_result]], now: float) -> None:
        """Find out which of the files hold something that was not read."""
        done = set[tuple[int, int, int]]()
        for file, status in found:
            key = (status.st_dev, status.st_ino)
            archive = self._reading.get(key)
            if archive is not None:
                self._again(archive, file, status, now)
            elif (*key, status.st_size) in self._done:
                done.add((*key, status.st_size))
            elif not os.path.lexists(str(file.path).removesuffix(GZIP)):
                try:
                    if self._meet(file, status, now):
                        done.add((*key, status.st_size))
                except OSError as error:
                    self._files.fail(str(file.path), error)
        self._done = done
        for number in list(self._absent):
            self._absent[number] += 1
            if self._absent[number] > 2:  # it went away while nobody read it
                row = self._rows.pop(number)
                del self._absent[number]
                self._gaps.record([Gap(number, row.position, None, "deleted")])
                self._ledger.end(number)

    def read(self, budget: int, chunk: int, line_limit: int) -> list[Chunk]:
        """Return at most one chunk of each file."""
        chunks = []
        for archive in list(self.ready):
            if budget <= 0:
                break
            piece = _next(archive, chunk, line_limit)
            if piece is not None:
                budget -= len(piece.data)
                chunks.append(piece)
            elif not archive.more:
                self.ready.remove(archive)
                self._end_if_done(archive)
        return chunks

    def incomplete(self) -> dict[str, str]:
        """Return what could not be read of files that were read in this process, by path."""
        cut = {str(one.path): "has no end" for one in self._reading.values() if one not in self.ready}
        return cut | self._damaged

    def has_more(self, file_id: int) -> bool:
        """Tell whether one of the files is still to be read to its end."""
        return any(archive.ref.id == file_id for archive in self.ready)

    def committed(self, progress: Iterable[Progress]) -> None:
        """Note what is in the ledger; files that were given whole and are accounted for end."""
        if not self._reading:
            return
        by_file = {archive.ref.id: archive for archive in self._reading.values()}
        for step in progress:
            archive = by_file.get(step.file)
            if archive is not None:
                archive.position = step.position
                self._end_if_done(archive)

    def close(self) -> None:
        """Close every file."""
        for archive in self._reading.values():
            os.close(archive.descriptor)
        self._reading.clear()
        self.ready.clear()

    def _again(self, archive: Archive, file: Found, status: os.stat_result, now: float) -> None:
        if archive.path != file.path:
            archive.path = file.path
            self._ledger.moved(archive.ref.id, path=file.path, device=status.st_dev, inode=status.st_ino)
        if status.st_size != archive.size:
            archive.size, archive.since = status.st_size, now
        elif not archive.finished and archive not in self.ready and now - archive.since > _STALLED:
            archive.stream.broken = "has no end, and does not grow any more"
        if archive not in self.ready and not archive.finished:
            self.ready.append(archive)

    def _meet(self, file: Found, status: os.stat_result, now: float) -> bool:
        """Begin to read a file that may hold something new; True when it holds nothing."""
        descriptor = open_regular(file.path)
        keep = False
        try:
            known = self._known(descriptor, status.st_size)
            if known is None:
                stream = Unpacked(descriptor)
                first = stream.take(MARK)
                if stream.broken and not first:
                    self._files.warn(str(file.path), stream.broken)
                    return True
                if not first:
                    return False  # its beginning is still to be written
                row, wait = self._generation(descriptor, file.path, first)
                if wait:
                    return False
                new, row = row is None, row or self._register(file.path, status, first, file.source)
                self._adopt(row, file.path, status, os.pread(descriptor, MARK, 0))
                if new and self._starts.first(file.entry):
                    self._starts.passed(file.entry, status.st_size)
                    self._settle(row.ref.id, descriptor, status)
                    return True
            else:
                row = known
                self._ledger.moved(row.ref.id, path=file.path, device=status.st_dev, inode=status.st_ino)
                if row.state == "ended":
                    return True
            stream = Unpacked(descriptor)
            stream.skip(row.position, 0)
            archive = Archive(
                file.path, descriptor, row.ref, stream, row.position, row.position, status.st_size, now
            )
            self._reading[status.st_dev, status.st_ino] = archive
            self._rows.pop(row.ref.id, None)
            self._absent.pop(row.ref.id, None)
            self.ready.append(archive)
            keep = True
            return False
        finally:
            if not keep:
                os.close(descriptor)

    def _known(self, descriptor: int, size: int) -> FileRow | None:
        """Return the generation that a file held when it was looked at before."""
        rows = {row.ref.id: row for row in self._ledger.files(None)}
        for number, head, read, trailer in self._ledger.compressed():
            row = rows.get(number)
            if row is None or not marks.fits(head, os.pread(descriptor, marks.length(head), 0)):
                continue
            if row.state == "open":
                return row
            if read <= size and os.pread(descriptor, _TRAILER, read - _TRAILER) == trailer:
                if read < size:  # members were appended
                    self._ledger.reopen(number)
                    return next(known for known in self._ledger.files() if known.ref.id == number)
                return row
        return None

    def _generation(self, descriptor: int, path: Path, first: bytes) -> tuple[FileRow | None, bool]:
        """Return the generation that was read before it was compressed, if any, and whether to wait for its end."""
        plain = original_name(path.name.removesuffix(GZIP))
        candidates = [
            row
            for row in self._ledger.files(None)
            if row.position
            and Path(row.ref.path).parent == path.parent
            and original_name(Path(row.ref.path).name.removesuffix(GZIP)) == plain
            and marks.fits(row.head, first[: marks.length(row.head)])
        ]
        stream, last = Unpacked(descriptor), b""
        for row in sorted(candidates, key=lambda row: row.position):
            last = (last + stream.skip(row.position, MARK))[-MARK:]
            size = marks.length(row.tail)
            if stream.position != row.position or not marks.fits(row.tail, last[len(last) - size :] if size else b""):
                continue
            generation = self._files.registered.get(row.ref.id)
            if generation is None:
                return row, False
            if generation.descriptor >= 0 or not (generation.misses or generation.final):
                return None, True  # the file itself is still read
            self._files.let_go(generation)
            return row, False
        return None, False

    def _register(self, path: Path, status: os.stat_result, first: bytes, source: Source) -> FileRow:
        return self._ledger.register(
            path=path, device=status.st_dev, inode=status.st_ino, head=first, source=source
        )

    def _adopt(self, row: FileRow, path: Path, status: os.stat_result, head: bytes) -> None:
        self._ledger.reopen(row.ref.id, head=marks.mark(head))
        self._ledger.moved(row.ref.id, path=path, device=status.st_dev, inode=status.st_ino)

    def _end_if_done(self, archive: Archive) -> None:
        if not archive.finished or archive.position < archive.read:
            return
        if archive.stream.broken:
            log.warning("a compressed file is damaged", path=str(archive.path), reason=archive.stream.broken)
            self._damaged[str(archive.path)] = archive.stream.broken
            self._gaps.record([Gap(archive.ref.id, archive.read, None, "damaged")])
        status = os.fstat(archive.descriptor)
        self._settle(archive.ref.id, archive.descriptor, status)
        self._reading.pop((status.st_dev, status.st_ino), None)
        if archive in self.ready:  # it was given whole, and not asked since
            self.ready.remove(archive)
        self._done.add((status.st_dev, status.st_ino, status.st_size))
        os.close(archive.descriptor)

    def _settle(self, file_id: int, descriptor: int, status: os.stat_result) -> None:
        trailer = os.pread(descriptor, _TRAILER, max(status.st_size - _TRAILER, 0))
        self._ledger.unpacked(file_id, size=status.st_size, trailer=trailer)


def _next(archive: Archive, chunk: int, line_limit: int) -> Chunk | None:
    """Unpack up to the end of a line; None when there is none yet, or nothing is left."""
    framing = framing_of(archive.ref.source)
    archive.more = True
    taken = 0
    while taken < _ROUND:
        if not archive.long:
            end = framing.end(archive.left)
            if end and len(archive.left) >= chunk:
                return _give(archive, end)
            if not end and len(archive.left) >= line_limit + len(framing.ending):
                archive.long = framing.searched(len(archive.left))
                archive.seam, archive.left = archive.left[archive.long :], archive.left[:line_limit]
        data = archive.stream.take(chunk)
        taken += len(data)
        if not data:
            archive.more = False
            return _rest(archive)
        if not archive.long:
            archive.left += data
            continue
        data = archive.seam + data
        end = framing.find(data)
        if end >= 0:
            archive.long += end
            return _cut(archive, data[end:])
        end = framing.searched(len(data))
        archive.long += end
        archive.seam = data[end:]
    return None


def _rest(archive: Archive) -> Chunk | None:
    """Give what is left when nothing more can be unpacked: whole lines, and at the end of the file the last one."""
    archive.finished = archive.stream.complete or bool(archive.stream.broken)
    if archive.long:
        archive.long += len(archive.seam) if archive.finished else 0
        return _cut(archive, b"") if archive.finished else None
    end = len(archive.left) if archive.finished else framing_of(archive.ref.source).end(archive.left)
    return _give(archive, end) if end else None


def _cut(archive: Archive, rest: bytes) -> Chunk:
    """Give what is kept of a line that is too long; `rest` begins with what ends it, if it has an end."""
    framing, length = framing_of(archive.ref.source), archive.long
    size = len(framing.ending) if rest else 0
    piece = Chunk(archive.ref, archive.read, framing.whole(archive.left) + framing.ending, length + size, length)
    archive.left, archive.long, archive.seam = rest[size:], 0, b""
    archive.read += piece.span
    return piece


def _give(archive: Archive, end: int) -> Chunk:
    piece = Chunk(archive.ref, archive.read, archive.left[:end], end)
    archive.left = archive.left[end:]
    archive.read += end
    return piece
