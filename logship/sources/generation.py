"""
One generation of a file, and how its bytes become whole lines.

A generation is known by what cannot be guessed: its first bytes (`head`) and
the bytes just before the read position (`mark`). Every read begins at the
mark, so bytes are never taken from a file that was truncated or rewritten in
between, not even when it has grown larger than it was.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from logship.ledger import marks
from logship.ledger.files import FileRow
from logship.ledger.gaps import Cause
from logship.lines.framing import framing_of
from logship.model import FileRef, Source

#: Bytes that identify content.
MARK = 1024
#: Bytes of an unfinished line that are remembered, in case the file is truncated before the line is finished.
PARTIAL = 16 * 1024
#: As many NUL bytes, in a line too long for one read, are a hole, and end it.
HOLE = bytes(4096)
_BLOCK = 1 << 20
_BLOCKS = 64


class Rewritten(Exception):
    """The bytes before the read position are not those that were read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What the next chunk will hold, before the read position moves past it."""

    data: bytes
    #: Bytes on disk.
    span: int
    #: Last bytes of the span, at most MARK.
    mark: bytes
    #: What is known of the unfinished line after it.
    partial: bytes = b""
    #: Length of a line that was cut, without its newline.
    original_length: int | None = None


@dataclass(slots=True, eq=False)
class Generation:
    """How far one generation of a file has been read, and how it is recognised."""

    #: Where it is, symbolic links resolved, and the name it was found by.
    path: Path
    found: str
    device: int
    inode: int
    source: Source
    #: None until the ledger knows it: with its first whole line.
    ref: FileRef | None = None
    #: Logical offset of the file's first byte on disk. Above 0: its head was removed; below: it was read elsewhere.
    base: int = 0
    #: First bytes, at most MARK.
    head: bytes = b""
    #: Bytes just before `read`, at most MARK.
    mark: bytes = b""
    #: Logical offset of the next byte to read.
    read: int = 0
    #: Every byte before it is in the ledger.
    position: int = 0
    #: What is known of the unfinished line after `read`, at most PARTIAL.
    partial: bytes = b""
    #: Offset in the file before which the line at `read`, longer than the limit, has no end; 0: there is no such line.
    searched: int = 0
    #: Earlier read positions (in the file) with the bytes just before them, to recognise a copy made then.
    trail: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=16))
    #: Open file, or -1.
    descriptor: int = -1
    #: It was open at least once in this process.
    opened: bool = False
    #: Number of the scan that first saw it; 0: the ledger knew it.
    born: int = 0
    #: Size and modification time when it was last looked at, and when they last changed.
    stamp: tuple[int, int] = (0, 0)
    changed: float = float("-inf")
    #: The largest size that was seen of it, and the one before that: when other bytes are found in the file, the
    #: largest may have been theirs already. And why what is unread is lost when it ends.
    most: int = 0
    most_before: int = 0
    fate: Cause = "deleted"
    #: It was moved out of sight and has long been quiet: it is not open any more, but known if it comes back.
    dormant: bool = False
    #: It was quiet for some time, and the watcher will tell of its next change.
    resting: bool = False
    #: Scans in a row that did not find it.
    misses: int = 0
    #: The last attempt to read stopped before the end of the file.
    more: bool = False
    #: Nothing will be written to it any more: its last line is given without a newline.
    final: bool = False
    #: Everything was given.
    finished: bool = False
    #: Marks of `head` and `mark`, while the ledger knew it and no file was found yet that holds them.
    marks: tuple[bytes, bytes] | None = None
    #: While it holds nothing that this one does not hold, it is a copy, and not read.
    copy_of: Generation | None = None

    @classmethod
    def of_row(cls, row: FileRow) -> Generation:
        """Return the generation that the ledger knows, to be read on from its position."""
        return cls(
            Path(row.ref.path), row.ref.path, row.device, row.inode, row.ref.source, row.ref,
            base=row.base, read=row.position, position=row.position, marks=(row.head, row.tail),
        )  # fmt: skip

    @property
    def key(self) -> tuple[int, int]:
        """Return what the file system calls it."""
        return (self.device, self.inode)

    @property
    def offset(self) -> int:
        """Return the place in the file of the next byte to read."""
        return self.read - self.base

    @property
    def unread(self) -> int:
        """Return how many bytes there were to read when it was last looked at."""
        return max(self.stamp[0] - self.offset, 0)

    def held_by(self, descriptor: int) -> bool:
        """Tell whether an open file holds the bytes that were read, and those of the unfinished line."""
        if os.fstat(descriptor).st_size < self.offset:
            return False
        if not self.knows(descriptor) or (self.base <= 0 and os.pread(descriptor, len(self.head), 0) != self.head):
            return False
        known = self.mark + self.partial
        return os.pread(descriptor, len(known), self.offset - len(self.mark)) == known

    def grown(self, size: int) -> None:
        """Note a size that is not smaller than before."""
        if size > self.most:
            self.most, self.most_before = size, self.most

    def still_holds_read(self) -> bool:
        """Tell whether its open file holds the bytes before the read position, whatever comes after them."""
        if self.descriptor < 0 or not self.mark or not self.knows(self.descriptor):
            return False
        return os.pread(self.descriptor, len(self.mark), self.offset - len(self.mark)) == self.mark

    def knows(self, descriptor: int) -> bool:
        """Tell whether a file fits the ledger's marks, and learn from it the bytes that they stand for."""
        if self.marks is None:
            return True
        head_mark, tail_mark = self.marks
        size = marks.length(tail_mark)
        head = os.pread(descriptor, marks.length(head_mark), 0) if self.base <= 0 else b""
        tail = os.pread(descriptor, size, max(self.offset - size, 0))
        if not marks.fits(tail_mark, tail) or (self.base <= 0 and not marks.fits(head_mark, head)):
            return False
        self.head, self.mark, self.marks = head, tail, None
        return True

    def kept(self, size: int) -> int | None:
        """
        Tell how much of what was read its open file, of a size, still holds after a cut at its end; up to a line's end.

        None when it was not cut: it holds other bytes, or so few that it may have been written anew.
        """
        start = self.offset - len(self.mark)
        if self.ref is None or self.descriptor < 0 or not start < size < self.offset <= 2 * size or self.marks:
            return None
        left = self.mark[: size - start]
        head = self.head[:size]
        if os.pread(self.descriptor, len(left), start) != left or os.pread(self.descriptor, len(head), 0) != head:
            return None
        end = framing_of(self.source).end(left)
        return start + end if end else (size if start else 0)

    def last_end(self, size: int) -> int:
        """Return where the last whole line ends of a file of a size; of an endless one, its size."""
        framing = framing_of(self.source)
        start = max(size - _BLOCK, 0) // framing.width * framing.width
        end = framing.end(os.pread(self.descriptor, size - start, start))
        return start + end if end or not start else size // framing.width * framing.width

    def tail(self, position: int) -> bytes:
        """Return the bytes just before a position, at most MARK; none when they cannot be had any more."""
        if position == self.read:
            return self.mark
        size = min(MARK, position - self.base)
        if self.descriptor < 0 or size <= 0:
            return b""
        data = os.pread(self.descriptor, size, position - self.base - size)
        return data if self.held_by(self.descriptor) else b""

    def next_piece(self, chunk: int, line_limit: int) -> Piece | None:
        """
        Read whole lines, about `chunk` bytes; None when there is no whole line, and `more` says whether to try again.

        Raises Rewritten when the file does not hold any more what was read.
        """
        if self.descriptor < 0:  # its bytes are gone, but for those remembered
            return Piece(self.partial, len(self.partial), (self.mark + self.partial)[-MARK:]) if self.partial else None
        if self.searched:
            return self._search(line_limit)
        known = self.mark + self.partial
        skip = len(self.mark)
        framing = framing_of(self.source)
        longest = line_limit + len(framing.ending)
        for limit in (min(max(chunk, len(self.partial)) + 1, longest), longest):
            data = os.pread(self.descriptor, skip + limit, self.offset - skip)
            if not data.startswith(known):
                raise Rewritten
            end = framing.end(data, skip)
            if end:
                return _piece(data, skip, end)
            if len(data) < skip + limit:
                return self._unfinished(data, skip)
        return self._overlong(data, skip, line_limit)

    def advance(self, piece: Piece) -> None:
        """Move the read position past a piece."""
        self.read += piece.span
        self.mark = piece.mark
        self.partial = piece.partial if self.descriptor >= 0 else b""
        self.searched = 0
        self.trail.append((self.offset, piece.mark[-64:]))

    def shed(self, size: int) -> None:
        """Note that the first bytes of the file were removed; logical offsets stay what they are."""
        self.base += size
        self.searched = max(self.searched - size, 0)
        self.stamp = (self.stamp[0] - size, self.stamp[1])
        self.most, self.most_before = max(self.most - size, 0), max(self.most_before - size, 0)
        self.trail.clear()

    def _unfinished(self, data: bytes, skip: int) -> Piece | None:
        self.more = False
        if self.final and len(data) > skip:
            return _piece(data, skip, len(data))
        self.partial = data[skip : skip + PARTIAL]
        return None

    def _overlong(self, data: bytes, skip: int, line_limit: int) -> Piece | None:
        """Begin on a line longer than the limit; NUL bytes before or in it are a hole that some writer left."""
        framing = framing_of(self.source)
        zeros = len(data) - skip - len(data[skip:].lstrip(b"\0"))
        hole = zeros // framing.width * framing.width or _up(data.find(HOLE, skip) - skip, framing.width)
        if hole > 0:
            return _piece(data, skip, skip + hole)
        self.partial = data[skip : skip + MARK]
        self.searched = self.offset + framing.searched(len(data) - skip)
        return self._search(line_limit)

    def _search(self, line_limit: int) -> Piece | None:
        """Go on looking for the end of a line longer than the limit, holding one block of it at a time."""
        known = self.mark + self.partial
        if os.pread(self.descriptor, len(known), self.offset - len(self.mark)) != known:
            raise Rewritten
        framing = framing_of(self.source)
        for _ in range(_BLOCKS):
            block = os.pread(self.descriptor, _BLOCK, self.searched)
            end, hole = framing.find(block), _up(block.find(HOLE), framing.width)
            if end >= 0 and not 0 <= hole < end:
                return self._cut(self.searched + end, framing.ending, line_limit)
            if hole >= 0:
                return self._cut(self.searched + hole, b"", line_limit)
            if len(block) < _BLOCK:
                self.more = False
                return self._cut(self.searched + len(block), b"", line_limit) if self.final else None
            self.searched += framing.searched(len(block))
        self.more = True
        return None

    def _cut(self, end: int, ending: bytes, line_limit: int) -> Piece:
        framing = framing_of(self.source)
        kept = framing.whole(os.pread(self.descriptor, line_limit, self.offset))
        after = end + len(ending)
        mark = os.pread(self.descriptor, MARK, max(after - MARK, 0))[: after - max(after - MARK, 0)]
        return Piece(kept + framing.ending, after - self.offset, mark, original_length=end - self.offset)


def _piece(data: bytes, start: int, end: int) -> Piece:
    return Piece(data[start:end], end - start, data[max(end - MARK, 0) : end], data[end : end + PARTIAL])


def _up(offset: int, width: int) -> int:
    """Return the next multiple of a width, or -1 as it is."""
    return -(-offset // width) * width if offset >= 0 else offset
