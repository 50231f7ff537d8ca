"""
Follows files through every form of rotation.

`scan` finds out which generation of which file is where; `read` takes bytes.
A renamed file keeps its generation. A truncated or rewritten one begins a new
generation, and the old one goes on in the copy that was made, if one was. A
generation ends when its file is gone, read to its end and quiet.
"""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from logship.ledger.first_starts import FirstStarts
from logship.ledger.gaps import Gaps
from logship.ledger.ledger import Ledger
from logship.model import Chunk, Progress
from logship.sources.archives import Archives
from logship.sources.copies import may_be_copy
from logship.sources.discovery import GZIP, Found
from logship.sources.generation import MARK, Generation, Rewritten
from logship.sources.generations import Generations
from logship.sources.places import Places, resolved
from logship.sources.watcher import Watcher

if TYPE_CHECKING:
    from logship.rotation.rotator import Rotator

MIB = 1 << 20
#: Seconds without a change after which a file that was moved out of sight is closed; it stays known.
_OUT_OF_SIGHT = 3600.0
#: Seconds without a change after which a file is left to rest.
_AWAKE = 10.0
#: Seconds between two looks at all files, while the watcher would tell of what changes.
_ALL = 15.0
#: A look at all files that took longer than so many seconds of CPU time is not repeated at every event.
_LONG = 0.01


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
        watcher: Watcher | None = None,
        directories: Callable[[], Iterable[Path]] = tuple,
        gaps: Gaps | None = None,
        starts: FirstStarts | None = None,
        rotator: Rotator | None = None,
    ) -> None:
        self._discover = discover
        self._rotator = rotator
        self._heads = rotator.heads if rotator else {}
        self._watcher = watcher
        self._directories = directories
        self._changed = False
        self._all_at = -math.inf
        self._not_before = -math.inf
        self._chunk = chunk
        self._line_limit = line_limit
        self._quiet = quiet
        rows = ledger.files()
        gaps, self._starts = gaps or Gaps(ledger), starts or FirstStarts(ledger)
        unpacked = {number for number, *_ in ledger.compressed()}
        plain, zipped = ([row for row in rows if (row.ref.id in unpacked) is which] for which in (False, True))
        self._files = Generations(ledger, plain, gaps, self._starts, open_files)
        self._archives = Archives(ledger, gaps, self._files, zipped, self._starts)
        self._zipped: list[tuple[Found, os.stat_result]] = []
        #: Streams accounted for beyond `position` when the last process stopped, by file id.
        self.resume: dict[int, dict[str, int]] = {row.ref.id: row.done for row in rows}

    def close(self) -> None:
        """Close every file."""
        self._files.handles.close_all()
        self._archives.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lag(self) -> dict[str, int]:
        """Return how many bytes there are to read, by path."""
        unread: dict[str, int] = {}
        for generation in self._files.current.values():
            if generation.copy_of is None:
                path = str(generation.path)
                unread[path] = unread.get(path, 0) + generation.unread
        return unread

    def tail(self, file_id: int, position: int) -> bytes:
        """Return the bytes just before a position of a file, for its Progress."""
        generation = self._files.registered.get(file_id)
        return generation.tail(position) if generation is not None else b""

    def unreadable(self) -> dict[str, str]:
        """Return why files that are there could not be read, or not whole, when it was last tried, by path."""
        return self._files.unreadable | self._archives.incomplete()

    def unfinished(self) -> list[str]:
        """Return the paths of files whose last line has no end yet, and was not read."""
        return [str(known.path) for known in self._files.current.values() if known.partial and known.copy_of is None]

    def rotated(self, file_id: int) -> bool:
        """Tell whether a file is not any more where it was found, and was read to its end."""
        known = self._files.registered.get(file_id)
        if known is None or known.ref is None or known.partial or known.unread:
            return False
        return known.final or str(known.path) != known.ref.path

    @property
    def ready(self) -> bool:
        """Tell whether `read` may have more to give before the next scan."""
        return bool(self._files.ready or self._archives.ready)

    def given(self, file_id: int) -> bool:
        """Tell whether all of a file was given, and it is not there any more."""
        known = self._files.registered.get(file_id)
        return known is None or known.finished

    def has_more(self, file_id: int) -> bool:
        """Tell whether a file has something that was seen and is still to be read."""
        known = self._files.registered.get(file_id)
        return known in self._files.ready if known is not None else self._archives.has_more(file_id)

    @property
    def leaving(self) -> bool:
        """Tell whether files that nobody can find any more have something to read."""
        return any(known.final and known.descriptor >= 0 for known in self._files.ready)

    def scan(self, now: float) -> None:
        """
        Find out which files there are, and what became of those that were there.

        With a watcher, resting files and directories in which nothing came or went are looked at now and then only.
        """
        self._files.scans += 1
        if self._rotator:
            self._rotator.begin(self._files.registered)
        watcher = self._watcher
        if watcher is None or self._must_look_at_all(watcher, now) or not self._scan_awake(watcher, now):
            self._scan_all(now)
        if self._rotator:
            self._rotator.step(self._files.registered.values(), now)

    def _must_look_at_all(self, watcher: Watcher, now: float) -> bool:
        changed, woken = watcher.heard()
        for key in woken & self._files.current.keys():
            self._files.current[key].resting = False
        self._changed = self._changed or changed or bool(self._files.unreadable)
        return now >= self._all_at or (self._changed and now >= self._not_before)

    def _scan_awake(self, watcher: Watcher, now: float) -> bool:
        """Look at the files that do not rest; False when one is not where it was, or new, and all must be looked at."""
        awake = [known for known in self._files.current.values() if not known.resting]
        absent = [known for known in awake if known.misses or known.dormant]
        for generation in awake:
            if generation.misses or generation.dormant or self._files.current.get(generation.key) is not generation:
                continue
            resting = self._may_rest(generation, now) and watcher.rest(generation.key, _exactly(generation))
            try:
                status = os.stat(generation.path)  # noqa: PTH116  # the hot line of a busy agent
            except OSError:
                return False
            same = (status.st_size, status.st_mtime_ns) == generation.stamp
            if (status.st_dev, status.st_ino) != generation.key or not (same or generation.ref):
                return False
            if resting and same:
                generation.resting = True
            else:
                self._attempt(self._measure, generation, status, now)
        places = Places()
        for generation in absent:
            if self._files.current.get(generation.key) is generation:
                self._attempt(self._miss, generation, places, now)
        return True

    def _may_rest(self, generation: Generation, now: float) -> bool:
        quiet = now - generation.changed >= _AWAKE and generation not in self._files.ready
        return quiet and generation.opened and generation.copy_of is None

    def _scan_all(self, now: float) -> None:
        begin = time.process_time()
        self._see_all(now)
        # What came to a directory before it was watched did not ring.
        self._changed = self._watcher is not None and self._watcher.watch(self._directories())
        cost = time.process_time() - begin
        self._all_at = now + _ALL
        self._not_before = now + (min(cost * 50, 2.0) if cost > _LONG else 0.0)

    def _see_all(self, now: float) -> None:
        seen, places = self._seen(), Places()
        absent = []
        for key in list(self._files.current):
            # Another may have come to its place: when one file is found to be cut, others are looked at.
            if (generation := self._files.current.get(key)) is None:
                continue
            if key in seen:
                self._attempt(self._see, generation, *seen.pop(key), now)
            else:
                absent.append(generation)
        lost = [known for known in absent if seen and not places.locate(known)]
        for found, status in seen.values():
            if (status.st_dev, status.st_ino) not in self._files.current:  # not taken meanwhile as somebody's copy
                self._attempt(self._meet, found, status, lost, now)
        for generation in absent:
            if self._files.current.get(generation.key) is generation:
                self._attempt(self._miss, generation, places, now)
        self._archives.scan(self._zipped, now)
        self._starts.finish()

    def read(self, budget: int = 4 * MIB) -> list[Chunk]:
        """Return at most one chunk of each file that has something to read; the next call goes on with the others."""
        chunks: list[Chunk] = []
        for _ in range(len(self._files.ready)):
            if budget <= 0 or not self._files.ready:
                break
            generation, _nothing = self._files.ready.popitem(last=False)
            chunk = self._read(generation)
            if chunk is not None:
                self._files.ready[generation] = None
                budget -= len(chunk.data)
                chunks.append(chunk)
        return chunks + self._archives.read(budget, self._chunk, self._line_limit)

    def stopping(self) -> None:
        """Give up waiting for deleted files: what is left of them, unfinished lines too, comes with the next read."""
        self._all_at = -math.inf
        for generation in self._files.current.values():
            if generation.descriptor >= 0 and not os.fstat(generation.descriptor).st_nlink:
                generation.final = True
                self._files.ready[generation] = None

    def committed(self, progress: Iterable[Progress]) -> None:
        """Note what is in the ledger; generations that were given whole and are accounted for end."""
        progress = list(progress)
        self._archives.committed(progress)
        for step in progress:
            generation = self._files.registered.get(step.file)
            if generation is not None:
                generation.position = step.position
                self._files.end_if_done(generation)

    # what a scan finds

    def _attempt(self, step: Callable[..., None], subject: Generation | Found, *arguments: object) -> None:
        """Take a step; a file that fails in it is tried again by the next scan."""
        try:
            step(subject, *arguments)
        except OSError as error:
            self._files.fail(str(subject.path), error)

    def _seen(self) -> dict[tuple[int, int], tuple[Found, os.stat_result]]:
        """Return the regular files there are, each once, whatever number of names it has."""
        seen: dict[tuple[int, int], tuple[Found, os.stat_result]] = {}
        self._zipped.clear()
        for found in self._discover():
            try:
                status = os.stat(found.path)  # noqa: PTH116  # the hot line of an idle agent
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            if self._heads and self._heads.get(key) == (status.st_size, status.st_mtime_ns):
                continue  # a backup that logship made of what was read
            if not stat.S_ISREG(status.st_mode):
                self._files.warn(str(found.path), "not a regular file")
            elif found.path.name.endswith(GZIP):
                self._zipped.append((found, status))
            elif key not in seen or ((known := self._files.current.get(key)) and known.found == str(found.path)):
                seen[key] = (found, status)
        return seen

    def _see(self, generation: Generation, found: Found, status: os.stat_result, now: float) -> None:
        """Note a known file under its present name and size."""
        if generation.found != str(found.path):
            generation.found = str(found.path)
            self._files.move(generation, resolved(found.path))
        if generation.ref is None:
            generation.source = found.source
        self._measure(generation, status, now)

    def _measure(self, generation: Generation, status: os.stat_result, now: float) -> None:
        generation.misses, generation.dormant = 0, False
        stamp = (status.st_size, status.st_mtime_ns)
        if stamp != generation.stamp:
            generation.stamp, generation.changed, generation.resting = stamp, now, False
            self._files.ready[generation] = None
        if not generation.opened and not self._files.open(generation):
            if self._files.current.get(generation.key) is generation:
                generation.grown(status.st_size)
            return
        if status.st_size < max(generation.offset, generation.most):
            if self._files.current.get(generation.key) is generation:
                self._files.look(generation)
        else:
            generation.grown(status.st_size)

    def _meet(self, found: Found, status: os.stat_result, lost: list[Generation], now: float) -> None:
        """Begin with a file that is new, unless a known one that is not there any more goes on in it."""
        path = resolved(found.path)
        generation = Generation(
            path, str(found.path), status.st_dev, status.st_ino, found.source, born=self._files.scans
        )
        opened = self._files.open(generation)
        for other in lost if opened else []:
            if self._files.current.get(other.key) is other and _continues(generation, other):
                descriptor = self._files.handles.release(generation)
                self._files.replace(other, path, *generation.key, descriptor)
                self._measure(other, status, now)
                return
        self._files.begin(generation, found)
        self._measure(generation, status, now)

    def _miss(self, generation: Generation, places: Places, now: float) -> None:
        """Decide what became of a file that was not found: renamed, out of sight, or gone."""
        if place := places.locate(generation):
            self._files.move(generation, place[0])
            self._measure(generation, place[1], now)
            return
        misses = generation.misses
        if generation.descriptor >= 0:
            status = os.fstat(generation.descriptor)
            self._measure(generation, status, now)
            generation.misses = misses or 1  # it could not be opened again
            if status.st_nlink:
                if now - generation.changed > _OUT_OF_SIGHT and generation not in self._files.ready:
                    self._files.handles.close(generation)
                    generation.dormant = True
                return
        elif generation.dormant or not places.certain(generation):
            return
        generation.misses = misses + 1
        read_to_end = generation not in self._files.ready or generation.descriptor < 0
        if generation.misses >= 2 and read_to_end and now - generation.changed >= self._quiet:
            generation.final = True
            self._files.ready[generation] = None

    # reading

    def _read(self, generation: Generation) -> Chunk | None:
        try:
            if generation.descriptor >= 0 or generation.final or self._files.open(generation):
                return self._next_chunk(generation)
        except Rewritten:
            self._files.rewrite(generation)
            return None
        except OSError as error:
            self._files.fail(str(generation.path), error)
            self._files.handles.close(generation)
        generation.stamp = (0, 0)  # so that the next scan tries again
        return None

    def _next_chunk(self, generation: Generation) -> Chunk | None:
        piece = generation.next_piece(self._chunk, self._line_limit)
        if generation.ref is None and generation.descriptor >= 0 and (piece or generation.partial):
            if self._files.is_copy(generation):
                piece = None
            elif piece is not None:
                self._files.register(generation)
        elif generation.ref is None and piece is not None:
            self._files.register(generation, head=piece.data)
        if piece is None or generation.ref is None:
            if generation.more:
                self._files.ready[generation] = None
            elif generation.final:
                self._files.finish(generation)
            return None
        chunk = Chunk(generation.ref, generation.read, piece.data, piece.span, piece.original_length)
        generation.advance(piece)
        return chunk


def _exactly(generation: Generation) -> str:
    """Return a path of a generation's file, and of no other that may have come to its place."""
    return f"/proc/self/fd/{generation.descriptor}" if generation.descriptor >= 0 else str(generation.path)


def _continues(generation: Generation, known: Generation) -> bool:
    """Tell whether a new file is a known one: renumbered, written anew by an editor, or copied while stopped."""
    if known.path == generation.path:
        likely = generation.inode == known.inode or known.offset >= MARK
    else:
        likely = not known.opened and may_be_copy(generation, known)
    return likely and known.read > 0 and known.held_by(generation.descriptor)
