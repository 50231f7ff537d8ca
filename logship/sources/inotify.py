"""
Linux's inotify, as far as the watcher needs it (inotify(7)): C library calls, no thread.

The library for file events starts a thread for each directory and cannot watch for a single event.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Iterator
from pathlib import Path

MODIFY, ATTRIB = 0x2, 0x4
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
#: The queue was full: events are lost. The watch is gone.
OVERFLOW, IGNORED = 0x4000, 0x8000
#: Only a directory. One event, then the watch is gone.
ONLYDIR, ONESHOT = 0x01000000, 0x80000000
_HEAD = struct.Struct("iIII")
_BUFFER = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """An inotify instance; raises OSError when the system gives no more of them, or no more watches."""

    def __init__(self) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(self._descriptor, select.EPOLLIN | select.EPOLLET)  # once for each event, read or not
        self._epoll.register(self._stop, select.EPOLLIN)

    def add(self, path: str | Path, mask: int) -> int:
        """Watch what is at a path, and return the watch's number; a file that is watched already keeps its number."""
        return _checked(_libc.inotify_add_watch(self._descriptor, os.fsencode(path), ctypes.c_uint32(mask)))

    def remove(self, watch: int) -> None:
        """Stop watching; a watch that is gone already does no harm."""
        _libc.inotify_rm_watch(self._descriptor, watch)

    def wait(self) -> bool:
        """Wait until there are events that were not waited for yet; False when it was stopped."""
        return all(ready != self._stop for ready, _ in self._epoll.poll())

    def read(self) -> Iterator[tuple[int, int]]:
        """Yield watch and mask of each event since the last call; never waits."""
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER)
            except BlockingIOError:
                return
            place = 0
            while place < len(data):
                watch, mask, _, length = _HEAD.unpack_from(data, place)
                yield watch, mask
                place += _HEAD.size + length

    def stop(self) -> None:
        """Let `wait` return at once, now and later."""
        os.eventfd_write(self._stop, 1)

    def close(self) -> None:
        """Close it; nobody may wait any more."""
        self._epoll.close()
        os.close(self._descriptor)
        os.close(self._stop)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
