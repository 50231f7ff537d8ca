"""
Events of which one of two copies was read so far (pipeline/twins.py): by key, how often stdout had it more.

What changes is kept in memory until the documents' own transaction writes it. Keys begin with the time of the event,
so that writing them touches few pages, and the oldest can be let go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import orjson

from logship.ledger.ledger import Ledger

#: Keys kept at most: some 20 MB of the ledger.
_MOST = 500_000
#: New keys after which the oldest are let go.
_OFTEN = 20_000


class Unpaired:
    """What one copy is ahead of the other."""

    def __init__(self, ledger: Ledger, *, most: int = _MOST, often: int = _OFTEN) -> None:
        self._ledger = ledger
        self._most = most
        self._often = often
        self._added = 0
        #: What is known since the last commit, and of it what the table has.
        self._near: dict[str, int] = {}
        self._stored: dict[str, int] = {}

    def look(self, keys: Iterable[str]) -> dict[str, int]:
        """Return how far stdout is ahead (LOG_FILE, below 0), at least by these keys; what is changed in it is kept."""
        near = self._near
        missing = [key for key in keys if key not in near]
        if missing:
            near.update(dict.fromkeys(missing, 0))
            # CROSS JOIN: in this order, so that each key is looked up.
            sql = "SELECT mine.key, ahead FROM json_each(?) CROSS JOIN unpaired AS mine ON mine.key = value"
            for key, ahead in self._ledger.rows(sql, (orjson.dumps(missing).decode(),)):
                near[str(key)] = self._stored[str(key)] = int(str(ahead))
        return near

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what changed, within a transaction that is under way; of what is paired, nothing is kept."""
        stored = self._stored
        paired = [(key,) for key in stored if not self._near[key]]
        rows = sorted((key, ahead) for key, ahead in self._near.items() if ahead and ahead != stored.get(key))
        if paired:
            connection.executemany("DELETE FROM unpaired WHERE key = ?", paired)
        if rows:
            connection.executemany("INSERT OR REPLACE INTO unpaired VALUES (?, ?)", rows)
        self._added += len(rows)
        if self._added >= self._often:
            newest = "SELECT key FROM unpaired ORDER BY key DESC LIMIT 1 OFFSET ?"
            connection.execute(f"DELETE FROM unpaired WHERE key <= ({newest})", (self._most,))  # noqa: S608  # constants
            self._added = 0

    def written(self) -> None:
        """Forget what the table has now."""
        self._near.clear()
        self._stored.clear()
