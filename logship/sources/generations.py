"""
The generations that are followed: where each goes on, and how it ends.

Copy-truncate is a rename in disguise: the old generation goes on in the copy,
a new one begins in the truncated file. A new file that holds nothing but the
beginning of another is such a copy, until it differs.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import structlog

from logship.ledger.files import FileRow
from logship.ledger.first_starts import FirstStarts
from logship.ledger.gaps import Cause, Gap, Gaps
from logship.ledger.ledger import Ledger
from logship.model import Progress
from logship.sources.copies import Copy, beside, find_copies, is_beginning, may_be_copy, original_name
from logship.sources.discovery import Found
from logship.sources.generation import MARK, Generation
from logship.sources.handles import Handles

log = structlog.get_logger()


class Generations:
    """Generations by what the file system and the ledger call them, and those that have something to read."""

    def __init__(
        self, ledger: Ledger, rows: Iterable[FileRow], gaps: Gaps, starts: FirstStarts, open_files: int | None = None
    ) -> None:
        self._ledger = ledger
        self._gaps = gaps
        self._starts = starts
        self._warned: set[str] = set()
        #: Files that could not be read when it was last tried, and why.
        self.unreadable: dict[str, str] = {}
        #: The generation that is in each file, by device and inode.
        self.current: dict[tuple[int, int], Generation] = {}
        #: Those that the ledger has open, by file id.
        self.registered: dict[int, Generation] = {}
        #: Those that may have something to read, the next first.
        self.ready: OrderedDict[Generation, None] = OrderedDict()
        self.handles = Handles(self.ready.__contains__, open_files)
        #: Number of the present scan.
        self.scans = 0
        self._names: dict[str, list[Generation]] = {}
        self._indexed = 0
        for row in rows:
            generation = Generation.of_row(row)
            if (older := self.current.get(generation.key)) is not None and older.ref is not None:
                ledger.end(older.ref.id)  # it was truncated just before the last process stopped
                del self.registered[older.ref.id]
            self.current[generation.key] = self.registered[row.ref.id] = generation

    def begin(self, generation: Generation, found: Found) -> None:
        """Begin with a new file: at its first byte, or at its end where its entry says so and is at its first start."""
        self.current[generation.key] = generation
        if generation.descriptor < 0 or not self._starts.first(found.entry):
            return
        position = generation.last_end(os.fstat(generation.descriptor).st_size)
        if position:
            mark = os.pread(generation.descriptor, min(MARK, position), max(position - MARK, 0))
            self.register(generation, position=position)
            generation.read, generation.position, generation.mark = position, position, mark
            self._starts.passed(found.entry, position)
            if generation.ref is not None:
                self._ledger.commit([], [Progress(generation.ref.id, position, {}, position, mark)])

    def move(self, generation: Generation, path: Path) -> None:
        """Note where a generation's file is now."""
        if path != generation.path:
            generation.path = path
            if generation.ref is not None:
                self._ledger.moved(generation.ref.id, path=path, device=generation.device, inode=generation.inode)

    def replace(self, generation: Generation, path: Path, device: int, inode: int, descriptor: int) -> None:
        """Let a generation go on in another file that holds the same bytes."""
        if self.current.get(generation.key) is generation:
            del self.current[generation.key]
        generation.path, generation.found, generation.device, generation.inode = path, str(path), device, inode
        generation.misses = 0
        self.handles.adopt(generation, descriptor)
        self.current[generation.key] = generation
        self.ready[generation] = None
        if generation.ref is not None:
            self._ledger.moved(generation.ref.id, path=path, device=device, inode=inode)

    def let_go(self, generation: Generation) -> None:
        """Forget a generation that goes on elsewhere."""
        self.handles.close(generation)
        self.ready.pop(generation, None)
        if self.current.get(generation.key) is generation:
            del self.current[generation.key]
        if generation.ref is not None:
            self.registered.pop(generation.ref.id, None)

    def open(self, generation: Generation, keep: Generation | None = None) -> bool:
        """Open a generation's file; False when it cannot be had now, or holds another generation."""
        if generation.descriptor >= 0:
            return True
        before = generation.opened
        try:
            self.handles.open(generation, keep)
            same = generation.held_by(generation.descriptor)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.fail(str(generation.path), error)
            self.handles.close(generation)
            return False
        self._warned.discard(str(generation.path))
        self.unreadable.pop(str(generation.path), None)
        if not same:
            generation.opened = before
            self.rewrite(generation)
        return same

    def fail(self, path: str, error: OSError) -> None:
        """Note that a file could not be read, and say so once."""
        self.unreadable[path] = error.strerror or str(error)
        self.warn(path, self.unreadable[path])

    def warn(self, path: str, reason: str) -> None:
        """Say once that a file cannot be read; every scan tries again."""
        if path not in self._warned:
            self._warned.add(path)
            log.warning("file cannot be read", path=path.encode("utf-8", "backslashreplace").decode(), reason=reason)

    def register(self, generation: Generation, head: bytes = b"", base: int = 0, position: int = 0) -> None:
        """Make a generation known to the ledger; `head` is needed where its file is not open any more."""
        head = head[:MARK] or os.pread(generation.descriptor, MARK, 0)
        row = self._ledger.register(
            path=generation.path,
            device=generation.device,
            inode=generation.inode,
            head=head,
            source=generation.source,
            base=base,
            position=position,
        )
        generation.ref, generation.head = row.ref, head[:MARK]
        generation.base = base
        self.registered[row.ref.id] = generation

    # truncation and copies

    def look(self, generation: Generation) -> None:
        """Look at a file that became smaller; raises OSError when it cannot be opened."""
        if generation.descriptor < 0:
            self.handles.open(generation)
        self.rewrite(generation)

    def rewrite(self, generation: Generation) -> None:
        """Begin a new generation in a file that was truncated; let the old one go on in its copy, or end it."""
        size = os.fstat(generation.descriptor).st_size if generation.descriptor >= 0 else 0
        if self._cut_unread(generation, size):
            return
        kept = generation.kept(size)
        generation.fate = "truncated" if size < max(generation.offset, generation.most) else "rewritten"
        if generation.fate == "rewritten":
            generation.most = generation.most_before
        fresh = Generation(
            generation.path,
            generation.found,
            generation.device,
            generation.inode,
            generation.source,
            born=self.scans,
            stamp=generation.stamp,
            changed=generation.changed,
            most=size,
        )
        self.current[fresh.key] = fresh
        self._indexed = -1
        if (descriptor := self.handles.release(generation)) >= 0:
            self.handles.adopt(fresh, descriptor)
        self.ready[fresh] = None
        self.ready.pop(generation, None)
        generation.searched = 0
        self._check_inodes(generation)
        for copy in find_copies(generation, self.current):
            self._take(copy, generation)
        if generation.descriptor < 0:
            generation.final = True
            self.ready[generation] = None
            if kept is not None and fresh.descriptor >= 0:
                self._register_read(fresh, kept)
            if size:
                resumed = "is read on" if kept is not None else "holds other bytes: it is read from its beginning"
                _say(f"a file was cut or written anew, and {resumed}", generation)
        else:
            copied = os.fstat(generation.descriptor).st_size
            self._lose(generation, generation.base + copied, generation.base + generation.most, "truncated")
            generation.most = copied
        self._let_go_copies(generation)

    def _cut_unread(self, generation: Generation, size: int) -> bool:
        """Record what a file lost, if it is smaller than it was and still holds all that was read of it."""
        if not generation.offset <= size < generation.most or not generation.still_holds_read():
            return False
        self._lose(generation, generation.base + size, generation.base + generation.most, "truncated")
        generation.most, generation.searched = size, 0
        generation.partial = generation.partial[: size - generation.offset]
        self.ready[generation] = None
        return True

    def _check_inodes(self, generation: Generation) -> None:
        """Find out which files beside one hold what the ledger knows of their inodes, if that was not seen yet."""
        if all(known.opened or known.ref is None for known in self.current.values()):
            return
        for path, key in beside(generation.path):
            known = self.current.get(key)
            if known is not None and known.ref is not None and not known.opened:
                self.move(known, path)
                self.open(known)

    def _take(self, copy: Copy, generation: Generation) -> None:
        """Go on in a copy, or note that it holds nothing that was not read."""
        unread = self.current.get((copy.device, copy.inode))
        if unread is not None:
            self.handles.close(unread)
            self.ready.pop(unread, None)
            unread.copy_of = None
        if copy.whole and generation.descriptor < 0:
            self.replace(generation, copy.path, copy.device, copy.inode, copy.descriptor)
            return
        spent = unread or Generation(copy.path, str(copy.path), copy.device, copy.inode, generation.source)
        spent.born = self.scans
        self.handles.adopt(spent, copy.descriptor)
        self.current[spent.key] = spent
        self._register_read(spent, copy.size)
        self.ready[spent] = None

    def _register_read(self, generation: Generation, size: int) -> None:
        """Register a file whose first bytes, `size` of them, were read in another."""
        generation.partial = b""
        self.register(generation, base=-size)  # so that what it is asked for begins at 0
        generation.mark = os.pread(generation.descriptor, min(MARK, size), max(size - MARK, 0))

    def is_copy(self, generation: Generation) -> bool:
        """Tell whether a new file holds nothing but the beginning of another: then it is not read for now."""
        before, generation.copy_of = generation.copy_of, None
        originals = [other for other in self._namesakes(generation.path) if may_be_copy(generation, other)]
        for original in originals if before is None or before in originals else [before, *originals]:
            if not self.open(original, keep=generation):
                pass
            elif not original.held_by(original.descriptor):
                self.rewrite(original)
            elif is_beginning(generation.descriptor, original.descriptor):
                generation.copy_of = original
                return True
            if self.current.get(generation.key) is not generation or generation.ref is not None:
                return True  # it was taken as the copy of a file that was truncated
            if self._indexed != self.scans:
                return self.is_copy(generation)  # a new generation began meanwhile: it may be of that one
        return False

    def _namesakes(self, path: Path) -> list[Generation]:
        """Return the generations whose original name a path begins with, as they were at the present scan."""
        if self._indexed != self.scans:
            self._indexed = self.scans
            self._names.clear()
            for generation in self.current.values():
                name = str(generation.path.with_name(original_name(generation.path.name)))
                self._names.setdefault(name, []).append(generation)
        text = str(path)
        shortest = len(text) - len(path.name) + 1
        return [known for end in range(shortest, len(text) + 1) for known in self._names.get(text[:end], ())]

    def _let_go_copies(self, original: Generation) -> None:
        """Read the files that were taken for copies of a generation that is not there any more."""
        for generation in self.current.values():
            if generation.copy_of is original:
                generation.copy_of = None
                self.ready[generation] = None

    # the end

    def finish(self, generation: Generation) -> None:
        """Close a generation that was given whole."""
        generation.finished = True
        if not generation.opened and generation.ref is not None:
            self._lose(generation, generation.read, None, generation.fate)
        elif generation.copy_of is None:
            self._lose(generation, generation.read, generation.base + generation.most, generation.fate)
        self.ready.pop(generation, None)
        self._keep_copies(generation)
        self.handles.close(generation)
        if self.current.get(generation.key) is generation:
            del self.current[generation.key]
        self.end_if_done(generation)

    def _lose(self, generation: Generation, first: int, behind: int | None, cause: Cause) -> None:
        """Record that bytes of a generation will never be read; None: as many as it had."""
        if behind is not None and behind <= first:
            return
        if generation.ref is None:
            self.register(generation, head=b"\n" if generation.descriptor < 0 else b"")
        if generation.ref is not None and self._gaps.record([Gap(generation.ref.id, first, behind, cause)]):
            _say("bytes of a file are lost", generation, cause=cause, first=first, behind=behind)

    def _keep_copies(self, original: Generation) -> None:
        """Note that the copies of a generation hold nothing that was not read."""
        for generation in [known for known in self.current.values() if known.copy_of is original]:
            generation.copy_of = None
            if generation not in self.ready and self.open(generation):
                self._register_read(generation, generation.stamp[0])

    def end_if_done(self, generation: Generation) -> None:
        """End a generation that was given whole, when the ledger accounts for all of it."""
        if generation.finished and generation.ref is not None and generation.position >= generation.read:
            self.registered.pop(generation.ref.id, None)
            self._ledger.end(generation.ref.id)


def _say(what: str, generation: Generation, **more: object) -> None:
    log.warning(what, path=str(generation.path).encode("utf-8", "backslashreplace").decode(), **more)
