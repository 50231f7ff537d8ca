"""
How much the state directory may take of the disk.

At its end nothing is read any more, with all files kept open, until there is room; `oldest` makes it where that is
wanted.

What was read is on the disk once in the ledger, and once sealed a second time in segments; space inside the ledger
that its deleted batches left is used again before the file grows.
"""

from __future__ import annotations

import os

import structlog

from logship.ledger.ledger import Ledger

#: Free pages inside the ledger that make room though the disk has none, in bytes.
_INSIDE = 8 << 20
#: The watermark is at most this share of the file system: a small one is not all watermark.
_SHARE = 0.05
#: Where documents are given up to make room, so much of the budget is left in use.
_AIM = 0.9

log = structlog.get_logger()


class Budget:
    """Tells whether there is room for more, and says once when it ends and when it is back."""

    def __init__(self, ledger: Ledger, *, max_size: int, min_free: int) -> None:
        self._ledger = ledger
        self._max_size = max_size
        self._min_free = min_free
        #: Why there is no room; "" while there is.
        self.reason = ""

    def room(self) -> bool:
        """Measure (some 30 microseconds), and tell whether more may be read."""
        before, self.reason = self.reason, self._measure()
        if self.reason and not before:
            log.error("nothing more is read until there is room", reason=self.reason)
        elif before and not self.reason:
            log.warning("there is room again, and reading goes on")
        return not self.reason

    def lacking(self) -> int:
        """Return how many bytes must leave the ledger so that there is room for a while; 0 while there is room."""
        if not self.room():
            page, used, free = self._ledger.pages()
            over = used * page + self._ledger.sealed_bytes() - int(self._max_size * _AIM) if self._max_size else 0
            return max(over, 2 * _INSIDE - free * page, 1)
        return 0

    def _measure(self) -> str:
        page, used, free = self._ledger.pages()
        if self._max_size:
            size = used * page + self._ledger.sealed_bytes()
            if size >= self._max_size:
                return f"the state directory holds {size:,} bytes; state.max_size is {self._max_size:,}"
        disk = os.statvfs(self._ledger.directory)
        least = min(self._min_free, int(disk.f_blocks * disk.f_frsize * _SHARE))
        left = disk.f_bavail * disk.f_frsize
        if left < least and free * page < _INSIDE:
            return f"the disk is full but for {left:,} bytes; {least:,} are left to others (state.min_free)"
        return ""

