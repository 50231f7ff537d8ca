"""
The files that are held open, as many as the process may have.

A file that is held open can be read to its end after it was deleted. When
there are too many, those that still exist and have nothing to read are closed,
and opened again by their identity when they change.
"""

from __future__ import annotations

import errno
import os
import resource
from collections import OrderedDict
from collections.abc import Callable

from logship.sources.discovery import open_regular
from logship.sources.generation import Generation

_MOST = 32768


class Handles:
    """Open descriptors of generations, least recently used first."""

    def __init__(self, busy: Callable[[Generation], bool], limit: int | None = None) -> None:
        self._busy = busy
        self._limit = limit or default_limit()
        self._held: OrderedDict[Generation, None] = OrderedDict()

    def open(self, generation: Generation, keep: Generation | None = None) -> None:
        """
        Open a generation's file, unless it is open; `keep` stays open too.

        Raises OSError, FileNotFoundError also when another file is at its path.
        """
        if generation.descriptor >= 0:
            self._held.move_to_end(generation)
            return
        if len(self._held) >= self._limit:
            self._close_one(keep)
        try:
            descriptor = open_regular(generation.path)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._close_one(keep):
                raise
            descriptor = open_regular(generation.path)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != generation.key:
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "another file is there now", str(generation.path))
        self.adopt(generation, descriptor)

    def adopt(self, generation: Generation, descriptor: int) -> None:
        """Hold an open descriptor for a generation."""
        self.close(generation)
        generation.descriptor = descriptor
        generation.opened = True
        self._held[generation] = None

    def release(self, generation: Generation) -> int:
        """Give up a generation's descriptor without closing it; -1 when it has none."""
        descriptor, generation.descriptor = generation.descriptor, -1
        self._held.pop(generation, None)
        return descriptor

    def close(self, generation: Generation) -> None:
        """Close a generation's file."""
        descriptor = self.release(generation)
        if descriptor >= 0:
            os.close(descriptor)

    def close_all(self) -> None:
        """Close every file."""
        for generation in list(self._held):
            self.close(generation)

    def _close_one(self, keep: Generation | None) -> bool:
        """Close the file that was not used for longest, if possible one with nothing to read; never a deleted one."""
        closable = [held for held in self._held if held.misses == 0 and held is not keep]
        for generation in [held for held in closable if not self._busy(held)] or closable:
            self.close(generation)
            return True
        return False


def default_limit() -> int:
    """Return half of what the process may open: the rest is for the ledger, the sinks and the libraries."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(min(soft // 2, _MOST), 8)
