"""
How much the state directory may take of the disk.

At its end nothing is read any more, with all files kept open, until there is room; `oldest` makes it where that is
wanted.

What was read is on the disk once in the ledger, and once sealed a second time in segments; space inside the ledger
that its deleted batches left is used again before the file grows.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from logship.ledger.ledger import Ledger

#: Free pages inside the ledger that make room though the disk has none, in bytes.
_INSIDE = 8 << 20
#: The watermark is at most this share of the file system: a small one is not all watermark.
_SHARE = 0.05
#: Where documents are given up to make room, so much of the budget is left in use.
_AIM = 0.9
_NAME = "budget"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Room:
    """What a state directory takes of the disk, and what it may take, in bytes."""

    #: Ledger and segments, without what is free inside the ledger.
    used: int
    #: state.max_size; 0: no limit.
    max_size: int
    #: Free on the disk, and of it what is left to others (state.min_free, at most 5 % of the file system).
    free: int
    min_free: int
    #: Free inside the ledger, which is used first.
    inside: int

    @property
    def reason(self) -> str:
        """Return why there is no room; "" while there is."""
        if self.max_size and self.used >= self.max_size:
            return f"the state directory holds {self.used:,} bytes; state.max_size is {self.max_size:,}"
        if self.free < self.min_free and self.inside < _INSIDE:
            return (
                f"the disk is full but for {self.free:,} bytes; {self.min_free:,} are left to others (state.min_free)"
            )
        return ""


class Budget:
    """Tells whether there is room for more, and says once when it ends and when it is back."""

    def __init__(self, ledger: Ledger, *, max_size: int, min_free: int) -> None:
        self._ledger = ledger
        self._max_size = max_size
        self._min_free = min_free
        #: Why there is no room; "" while there is.
        self.reason = ""
        value = orjson.dumps({"max_size": max_size, "min_free": min_free}).decode()
        with ledger.transaction() as connection:  # for `logship status`, which may be asked without the settings
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_NAME, value))

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
        held = used * page + self._ledger.sealed_bytes()
        return room_of(self._ledger.directory, held, free * page, self._max_size, self._min_free).reason


def room_of(directory: Path, used: int, inside: int, max_size: int, min_free: int) -> Room:
    """Measure the disk of a state directory that holds so many bytes, with `inside` free inside the ledger."""
    disk = os.statvfs(directory)
    least = min(min_free, int(disk.f_blocks * disk.f_frsize * _SHARE))
    return Room(used, max_size, disk.f_bavail * disk.f_frsize, least, inside)


def room_for(connection: sqlite3.Connection, directory: Path) -> Room:
    """Measure as the agent does that wrote the ledger last, with its limits."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_NAME,)).fetchone()
    limits = orjson.loads(row[0]) if row else {"max_size": 0, "min_free": 0}
    (page,), (count,), (free,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "page_count", "freelist_count")
    )
    (sealed,) = connection.execute("SELECT coalesce(sum(size), 0) FROM segment").fetchone()
    return room_of(directory, (count - free) * page + sealed, free * page, limits["max_size"], limits["min_free"])
