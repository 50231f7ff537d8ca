"""
Entries of `files` that begin at the end: which of them had their first start, and what was passed over then.

What is there at an entry's first start begins at its end; whatever appears later is read whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import structlog

from logship.ledger.ledger import Ledger

_NAME = "start_end"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What an entry passed over at its first start."""

    #: The entry's path.
    path: str
    files: int
    #: Bytes on disk.
    bytes: int
    at: str


class FirstStarts:
    """Says which entries are at their first start, and notes what they pass over."""

    def __init__(self, ledger: Ledger, entries: Iterable[str] = ()) -> None:
        self._ledger = ledger
        done = {one.path for one in passed_over(ledger.connection)}
        #: Files and bytes passed over, by entry.
        self._first = {entry: [0, 0] for entry in entries if entry not in done}
        if self._first and _lost(ledger.connection):
            log.warning("files are read from their beginning: the ledger was damaged, and it is not known any more "
                        "whether they were begun", entries=sorted(self._first))  # fmt: skip
            self.finish()

    def first(self, entry: str) -> bool:
        """Tell whether an entry's first look at its files is under way."""
        return entry in self._first

    def passed(self, entry: str, size: int) -> None:
        """Note that bytes of a file are passed over."""
        self._first[entry][0] += 1
        self._first[entry][1] += size

    def finish(self) -> None:
        """Note that the first look is over: what appears from now on is read whole."""
        if not self._first:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        with self._ledger.transaction() as connection:
            known = passed_over(connection)
            new = [PassedOver(entry, files, size, now) for entry, (files, size) in self._first.items()]
            value = orjson.dumps([*known, *new]).decode()
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_NAME, value))
        for one in new:
            log.info("files that are there begin at their end (start: end)", path=one.path, files=one.files,
                     bytes_passed_over=one.bytes)  # fmt: skip
        self._first.clear()


def passed_over(connection: sqlite3.Connection) -> list[PassedOver]:
    """Return what was passed over, by entry, oldest first."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_NAME,)).fetchone()
    return [PassedOver(**one) for one in orjson.loads(row[0])] if row else []


def _lost(connection: sqlite3.Connection) -> bool:
    """Tell whether the ledger was recovered without what this module keeps in it."""
    rows = connection.execute("SELECT value FROM meta WHERE name LIKE 'recovered %'")
    return any("meta" in orjson.loads(value)["unreadable"] for (value,) in rows)
