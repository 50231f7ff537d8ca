"""
Follows files through every form of rotation.

`scan` finds out which generation of which file is where; `read` takes bytes.
A renamed file keeps its generation. A truncated or rewritten one begins a new
generation, and the old one goes on in the copy that was made, if one was. A
generation ends when its file is gone, read to its end and quiet.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

import structlog

from logship.ledger.ledger import Ledger
from logship.model import Chunk, Progress
from logship.sources.copies import Copy, find_copies, is_beginning, may_be_copy
from logship.sources.discovery import Found
from logship.sources.generation import MARK, Generation, Rewritten
from logship.sources.handles import Handles
from logship.sources.places import Places

MIB = 1 << 20
#: Seconds without a change after which a file that was moved out of sight is closed; it stays known.
_OUT_OF_SIGHT = 3600.0

log = structlog.get_logger()


class Tailer:
    """Reads the files that `discover` finds, each byte of each generation once."""

    def __init__(
        self,
        ledger: Ledger,
        discover: Callable[[], Iterable[Found]],
        *,
        chunk: int = MIB,
        line_limit: int = MIB,
        quiet: float = 10.0,
        open_files: int | None = None,
    ) -> None:
        self._ledger = ledger
        self._discover = discover
        self._chunk = chunk
        self._line_limit = line_limit
        self._quiet = quiet
        self._scans = 0
        self._current: dict[tuple[int, int], Generation] = {}
        self._registered: dict[int, Generation] = {}
        self._ready: OrderedDict[Generation, None] = OrderedDict()
        self._handles = Handles(self._ready.__contains__, open_files)
        self._warned: set[str] = set()
        #: Streams accounted for beyond `position` when the last process stopped, by file id.
        self.resume: dict[int, dict[str, int]] = {}
        for row in ledger.files():
            generation = Generation.of_row(row)
            if (older := self._current.get(generation.key)) is not None and older.ref is not None:
                ledger.end(older.ref.id)  # it was truncated just before the last process stopped
                del self._registered[older.ref.id]
            self._current[generation.key] = self._registered[row.ref.id] = generation
            self.resume[row.ref.id] = row.done

    def close(self) -> None:
        """Close every file."""
        self._handles.close_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def directories(self) -> set[Path]:
        """Return the directories that hold the files."""
        return {generation.path.parent for generation in self._current.values()}

    def lag(self) -> dict[str, int]:
        """Return how many bytes there are to read, by path."""
        unread: dict[str, int] = {}
        for generation in self._current.values():
            if generation.copy_of is None:
                path = str(generation.path)
                unread[path] = unread.get(path, 0) + generation.unread
        return unread

    def tail(self, file_id: int, position: int) -> bytes:
        """Return the bytes just before a position of a file, for its Progress."""
        generation = self._registered.get(file_id)
        return generation.tail(position) if generation is not None else b""

    def scan(self, now: float) -> None:
        """Find out which files there are, and what became of those that were there."""
        self._scans += 1
        seen, places = self._seen(), Places()
        absent = []
        for key, generation in list(self._current.items()):
            if key in seen:
                self._see(generation, *seen.pop(key), now)
            else:
                absent.append(generation)
        lost = [known for known in absent if seen and not places.locate(known)]
        for found, status in seen.values():
            if (status.st_dev, status.st_ino) not in self._current:  # not taken meanwhile as somebody's copy
                self._meet(found, status, lost, now)
        for generation in absent:
            if self._current.get(generation.key) is generation:
                self._miss(generation, places, now)

    def read(self, budget: int = 4 * MIB) -> list[Chunk]:
        """Return at most one chunk of each file that has something to read; the next call goes on with the others."""
        chunks: list[Chunk] = []
        for _ in range(len(self._ready)):
            if budget <= 0 or not self._ready:
                break
            generation, _nothing = self._ready.popitem(last=False)
            chunk = self._read(generation)
            if chunk is not None:
                self._ready[generation] = None
                budget -= len(chunk.data)
                chunks.append(chunk)
        return chunks

    def stopping(self) -> None:
        """Give up waiting for deleted files: what is left of them, unfinished lines too, comes with the next read."""
        for generation in self._current.values():
            if generation.descriptor >= 0 and not os.fstat(generation.descriptor).st_nlink:
                generation.final = True
                self._ready[generation] = None

    def committed(self, progress: Iterable[Progress]) -> None:
        """Note what is in the ledger; generations that were given whole and are accounted for end."""
        for step in progress:
            generation = self._registered.get(step.file)
            if generation is not None:
                generation.position = step.position
                self._end_if_done(generation)

    # what a scan finds

    def _seen(self) -> dict[tuple[int, int], tuple[Found, os.stat_result]]:
        """Return the regular files there are, each once, whatever number of names it has."""
        seen: dict[tuple[int, int], tuple[Found, os.stat_result]] = {}
        for found in self._discover():
            try:
                status = os.stat(found.path)  # noqa: PTH116  # the hot line of an idle agent
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            if not stat.S_ISREG(status.st_mode):
                self._warn(str(found.path), "not a regular file")
            elif key not in seen or ((known := self._current.get(key)) and known.found == str(found.path)):
                seen[key] = (found, status)
        return seen

    def _see(self, generation: Generation, found: Found, status: os.stat_result, now: float) -> None:
        """Note a known file under its present name and size."""
        if generation.found != str(found.path):
            generation.found = str(found.path)
            self._moved(generation, _resolved(found.path))
        if generation.ref is None:
            generation.source = found.source
        self._measure(generation, status, now)

    def _measure(self, generation: Generation, status: os.stat_result, now: float) -> None:
        generation.misses, generation.dormant = 0, False
        stamp = (status.st_size, status.st_mtime_ns)
        if stamp != generation.stamp:
            generation.stamp, generation.changed = stamp, now
            self._ready[generation] = None
        if not generation.opened and not self._open(generation):
            return
        if status.st_size < generation.offset and self._current.get(generation.key) is generation:
            self._rewritten(generation)

    def _meet(self, found: Found, status: os.stat_result, lost: list[Generation], now: float) -> None:
        """Begin with a file that is new, unless a known one that is not there any more goes on in it."""
        path = _resolved(found.path)
        generation = Generation(path, str(found.path), status.st_dev, status.st_ino, found.source, born=self._scans)
        if not self._open(generation):
            return
        for other in lost:
            if self._current.get(other.key) is other and _continues(generation, other):
                descriptor = self._handles.release(generation)
                self._replace(other, path, *generation.key, descriptor)
                self._measure(other, status, now)
                return
        self._current[generation.key] = generation
        self._measure(generation, status, now)

    def _miss(self, generation: Generation, places: Places, now: float) -> None:
        """Decide what became of a file that was not found: renamed, out of sight, or gone."""
        if place := places.locate(generation):
            self._moved(generation, place[0])
            self._measure(generation, place[1], now)
            return
        if generation.descriptor >= 0:
            status = os.fstat(generation.descriptor)
            misses = generation.misses
            self._measure(generation, status, now)
            generation.misses = misses
            if status.st_nlink:
                if now - generation.changed > _OUT_OF_SIGHT and generation not in self._ready:
                    self._handles.close(generation)
                    generation.dormant = True
                return
        elif generation.dormant or not places.certain(generation):
            return
        generation.misses += 1
        read_to_end = generation not in self._ready or generation.descriptor < 0
        if generation.misses >= 2 and read_to_end and now - generation.changed >= self._quiet:
            generation.final = True
            self._ready[generation] = None

    def _moved(self, generation: Generation, path: Path) -> None:
        if path != generation.path:
            generation.path = path
            if generation.ref is not None:
                self._ledger.moved(generation.ref.id, path=path, device=generation.device, inode=generation.inode)

    def _replace(self, generation: Generation, path: Path, device: int, inode: int, descriptor: int) -> None:
        """Let a generation go on in another file that holds the same bytes."""
        if self._current.get(generation.key) is generation:
            del self._current[generation.key]
        generation.path, generation.found, generation.device, generation.inode = path, str(path), device, inode
        generation.misses = 0
        self._handles.adopt(generation, descriptor)
        self._current[generation.key] = generation
        self._ready[generation] = None
        if generation.ref is not None:
            self._ledger.moved(generation.ref.id, path=path, device=device, inode=inode)

    # opening and reading

    def _open(self, generation: Generation, keep: Generation | None = None) -> bool:
        """Open a generation's file; False when it cannot be had now, or holds another generation."""
        if generation.descriptor >= 0:
            return True
        try:
            self._handles.open(generation, keep)
            same = generation.held_by(generation.descriptor)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._warn(str(generation.path), error.strerror or str(error))
            self._handles.close(generation)
            return False
        self._warned.discard(str(generation.path))
        if not same:
            self._rewritten(generation)
        return same

    def _read(self, generation: Generation) -> Chunk | None:
        if generation.descriptor < 0 and not generation.final and not self._open(generation):
            generation.stamp = (0, 0)  # so that the next scan tries again
            return None
        try:
            piece = generation.next_piece(self._chunk, self._line_limit)
        except Rewritten:
            self._rewritten(generation)
            return None
        except OSError as error:
            self._warn(str(generation.path), error.strerror or str(error))
            self._handles.close(generation)
            generation.stamp = (0, 0)  # so that the next scan tries again
            return None
        if piece is None:
            if generation.more:
                self._ready[generation] = None
            elif generation.final:
                self._finish(generation)
            return None
        if generation.ref is None:
            if generation.descriptor >= 0 and self._is_copy(generation):
                if generation.final:
                    self._finish(generation)
                return None
            self._register(generation, piece.data if generation.descriptor < 0 else b"")
        ref = generation.ref
        if ref is None:
            return None
        chunk = Chunk(ref, generation.read, piece.data, piece.span, piece.original_length)
        generation.advance(piece)
        return chunk

    def _register(self, generation: Generation, head: bytes, position: int = 0) -> None:
        head = head[:MARK] or os.pread(generation.descriptor, MARK, 0)
        row = self._ledger.register(
            path=generation.path,
            device=generation.device,
            inode=generation.inode,
            head=head,
            source=generation.source,
            position=position,
        )
        generation.ref, generation.head = row.ref, row.head
        generation.read = generation.position = position
        self._registered[row.ref.id] = generation

    # truncation and copies

    def _rewritten(self, generation: Generation) -> None:
        """Begin a new generation in a file that was truncated; let the old one go on in its copy, or end it."""
        fresh = Generation(
            generation.path,
            generation.found,
            generation.device,
            generation.inode,
            generation.source,
            born=self._scans,
            stamp=generation.stamp,
            changed=generation.changed,
        )
        self._current[fresh.key] = fresh
        if (descriptor := self._handles.release(generation)) >= 0:
            self._handles.adopt(fresh, descriptor)
        self._ready[fresh] = None
        self._ready.pop(generation, None)
        generation.searched = 0
        for copy in find_copies(generation, self._current):
            self._take(copy, generation)
        if generation.descriptor < 0:
            generation.final = True
            self._ready[generation] = None
        self._let_go_copies(generation)

    def _take(self, copy: Copy, generation: Generation) -> None:
        """Go on in a copy, or note that it holds nothing that was not read."""
        unread = self._current.get((copy.device, copy.inode))
        if unread is not None:
            self._handles.close(unread)
            self._ready.pop(unread, None)
            unread.copy_of = None
        if copy.whole and generation.descriptor < 0:
            self._replace(generation, copy.path, copy.device, copy.inode, copy.descriptor)
            return
        spent = unread or Generation(copy.path, str(copy.path), copy.device, copy.inode, generation.source)
        spent.born = self._scans
        self._handles.adopt(spent, copy.descriptor)
        self._current[spent.key] = spent
        self._register(spent, b"", copy.size)
        spent.mark = os.pread(copy.descriptor, min(MARK, copy.size), max(copy.size - MARK, 0))
        self._ready[spent] = None

    def _is_copy(self, generation: Generation) -> bool:
        """Tell whether a new file holds nothing but the beginning of another: then it is not read for now."""
        before, generation.copy_of = generation.copy_of, None
        known = [other for other in self._current.values() if other is before or may_be_copy(generation, other)]
        for original in known:
            if not self._open(original, keep=generation):
                pass
            elif not original.held_by(original.descriptor):
                self._rewritten(original)
            elif is_beginning(generation.descriptor, original.descriptor):
                generation.copy_of = original
                return True
            if self._current.get(generation.key) is not generation or generation.ref is not None:
                return True
        return False

    def _let_go_copies(self, original: Generation) -> None:
        """Read the files that were taken for copies of a generation that is not there any more."""
        for generation in self._current.values():
            if generation.copy_of is original:
                generation.copy_of = None
                self._ready[generation] = None

    # the end

    def _finish(self, generation: Generation) -> None:
        """Close a generation that was given whole."""
        generation.finished = True
        self._ready.pop(generation, None)
        self._keep_copies(generation)
        self._handles.close(generation)
        if self._current.get(generation.key) is generation:
            del self._current[generation.key]
        self._end_if_done(generation)

    def _keep_copies(self, original: Generation) -> None:
        """Note that the copies of a generation hold nothing that was not read."""
        for generation in [known for known in self._current.values() if known.copy_of is original]:
            generation.copy_of = None
            if generation not in self._ready and self._open(generation):
                size = generation.stamp[0]
                self._register(generation, b"", size)
                generation.mark = os.pread(generation.descriptor, min(MARK, size), max(size - MARK, 0))

    def _end_if_done(self, generation: Generation) -> None:
        if generation.finished and generation.ref is not None and generation.position >= generation.read:
            self._registered.pop(generation.ref.id, None)
            self._ledger.end(generation.ref.id)

    def _warn(self, path: str, reason: str) -> None:
        """Say once that a file cannot be read; every scan tries again."""
        if path not in self._warned:
            self._warned.add(path)
            log.warning("file cannot be read", path=path.encode("utf-8", "backslashreplace").decode(), reason=reason)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _continues(generation: Generation, known: Generation) -> bool:
    """Tell whether a new file is a known one: renumbered, written anew by an editor, or copied while stopped."""
    if known.path == generation.path:
        likely = generation.inode == known.inode or known.offset >= MARK
    else:
        likely = not known.opened and may_be_copy(generation, known)
    return likely and known.read > 0 and known.held_by(generation.descriptor)
