"""
What the ledger knows of rotations that logship makes itself.

`rotating` holds what is about to be done to a file: it is written before the
file is changed and taken away together with the new base, so that after a
crash the file itself tells whether it was done.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from logship.ledger.files import printable, signed
from logship.ledger.ledger import Ledger

_TABLES = """
-- Backups that logship made.
CREATE TABLE IF NOT EXISTS backup (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,       -- of the file that was rotated
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    changed INTEGER NOT NULL, -- modification time, in ns
    seq INTEGER NOT NULL,     -- every document of its bytes is in a batch up to this one
    head INTEGER NOT NULL,    -- 1: a head that was removed, never read; 0: a copy, in which the tailer goes on
    at TEXT NOT NULL
);
-- A head that is being removed.
CREATE TABLE IF NOT EXISTS rotating (
    file INTEGER PRIMARY KEY,
    cut INTEGER NOT NULL,     -- its length
    before BLOB NOT NULL,     -- mark of the file's first bytes before it is removed
    after BLOB NOT NULL,      -- and afterwards; another one
    backup INTEGER NOT NULL
);
-- How it went, for `status` and `doctor`.
CREATE TABLE IF NOT EXISTS rotation (
    path TEXT PRIMARY KEY,
    method TEXT NOT NULL,     -- collapse, truncate, refused
    reason TEXT NOT NULL,     -- why refused, or what may be lost
    count INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    at TEXT NOT NULL          -- of the last one
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Backup:
    """A file that logship made of another."""

    id: int
    path: str
    device: int
    inode: int
    size: int
    changed: int
    seq: int
    head: bool

    @property
    def key(self) -> tuple[int, int]:
        """Return what the file system calls it."""
        return (self.device, self.inode)


@dataclass(frozen=True, slots=True)
class Intent:
    """A head that was to be removed when the ledger was last written."""

    file: int
    cut: int
    before: bytes
    after: bytes
    backup: Backup
    #: The file, as the ledger knows it.
    path: Path
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """How the rotation of one file goes."""

    path: str
    method: str
    reason: str
    count: int
    bytes: int
    at: str


class Rotations:
    """The ledger's tables of rotations; they are made when there is something to write."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._there = _there(ledger.connection)

    def backups(self) -> list[Backup]:
        """Return the backups, oldest first."""
        if not self._there:
            return []
        with self._ledger.transaction() as connection:
            rows = connection.execute(
                "SELECT id, path, device, inode, size, changed, seq, head FROM backup ORDER BY id"
            ).fetchall()
        return [_backup(row) for row in rows]

    def intents(self) -> list[Intent]:
        """Return the removals that are not known to be done."""
        if not self._there:
            return []
        with self._ledger.transaction() as connection:
            rows = connection.execute(
                "SELECT file, cut, before, after, file.path, file.device, file.inode, backup.id, backup.path, "
                "backup.device, backup.inode, backup.size, backup.changed, seq, backup.head FROM rotating "
                "JOIN file ON file.id = rotating.file JOIN backup ON backup.id = rotating.backup"
            ).fetchall()
        return [
            Intent(file, cut, before, after, _backup(rest), Path(path), device & _MASK, inode & _MASK)
            for file, cut, before, after, path, device, inode, *rest in rows
        ]

    def begin(self, path: Path, found: os.stat_result, file: int, cut: int, before: bytes, after: bytes) -> Intent:
        """Enter a backup that was written, and that the file's head is about to be removed."""
        with self._ledger.transaction() as connection:
            backup = self._add(connection, path, found, head=True)
            connection.execute("INSERT INTO rotating VALUES (?, ?, ?, ?, ?)", (file, cut, before, after, backup.id))
            device, inode = connection.execute("SELECT device, inode FROM file WHERE id = ?", (file,)).fetchone()
        return Intent(file, cut, before, after, backup, path, device & _MASK, inode & _MASK)

    def done(self, intent: Intent) -> None:
        """Note that the head is gone: what follows keeps its logical offset."""
        with self._ledger.transaction() as connection:
            connection.execute("UPDATE file SET base = base + ? WHERE id = ?", (intent.cut, intent.file))
            connection.execute("DELETE FROM rotating WHERE file = ?", (intent.file,))
            _count(connection, intent.backup.path, intent.cut)

    def undone(self, intent: Intent, *, keep: bool = False) -> None:
        """Note that the head was not removed; the backup is forgotten, or kept when it holds what the file does not."""
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM rotating WHERE file = ?", (intent.file,))
            if not keep:
                connection.execute("DELETE FROM backup WHERE id = ?", (intent.backup.id,))

    def copied(self, path: Path, found: os.stat_result, size: int) -> Backup:
        """Enter a copy after which the file was emptied."""
        with self._ledger.transaction() as connection:
            backup = self._add(connection, path, found, head=False)
            _count(connection, backup.path, size)
        return backup

    def forget(self, backups: Iterable[Backup]) -> None:
        """Take out backups that are not there any more."""
        with self._ledger.transaction() as connection:
            connection.executemany("DELETE FROM backup WHERE id = ?", [(backup.id,) for backup in backups])

    def note(self, path: Path, method: str, reason: str) -> None:
        """Note how a file is rotated, or why it is not."""
        with self._ledger.transaction() as connection:
            self._make(connection)
            connection.execute(
                "INSERT INTO rotation (path, method, reason, at) VALUES (?, ?, ?, '') "
                "ON CONFLICT (path) DO UPDATE SET method = excluded.method, reason = excluded.reason",
                (printable(path), method, reason),
            )

    def last(self, path: Path, file: int) -> datetime:
        """Return when a file was last rotated; if never, when it was first seen."""
        with self._ledger.transaction() as connection:
            rows = []
            if self._there:
                known = "SELECT at FROM rotation WHERE path = ? AND at <> ''"
                rows = connection.execute(known, (printable(path),)).fetchall()
            rows = rows or connection.execute("SELECT first_seen FROM file WHERE id = ?", (file,)).fetchall()
        return datetime.fromisoformat(rows[0][0])

    def passed(self) -> int:
        """Return the batch up to which every follower has an outcome for every document."""
        with self._ledger.transaction() as connection:
            (seq,) = connection.execute("SELECT min(seq) FROM cursor").fetchone()
        return int(seq) if seq is not None else 1 << 62

    def _add(self, connection: sqlite3.Connection, path: Path, found: os.stat_result, *, head: bool) -> Backup:
        self._make(connection)
        (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM leaf").fetchone()
        place = (printable(path), signed(found.st_dev), signed(found.st_ino))
        values = (*place, found.st_size, found.st_mtime_ns, seq, head)
        row = connection.execute(
            "INSERT INTO backup (path, device, inode, size, changed, seq, head, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, _now()),
        )
        return _backup((row.lastrowid, *values))

    def _make(self, connection: sqlite3.Connection) -> None:
        if not self._there:
            make_tables(connection)
            self._there = True


_MASK = (1 << 64) - 1


def make_tables(connection: sqlite3.Connection) -> None:
    """Create the tables, within a transaction that is under way."""
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)


def rotation_status(connection: sqlite3.Connection) -> list[RotationStatus]:
    """Return how the rotation of each managed file goes; none when nothing is managed."""
    if not _there(connection):
        return []
    rows = connection.execute("SELECT path, method, reason, count, bytes, at FROM rotation ORDER BY path")
    return [RotationStatus(*row) for row in rows]


def backup_keys(connection: sqlite3.Connection) -> set[tuple[int, int]]:
    """Return device and inode of the backups that logship made."""
    if not _there(connection):
        return set()
    return {(device & _MASK, inode & _MASK) for device, inode in connection.execute("SELECT device, inode FROM backup")}


def _there(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rotation'").fetchone() is not None


def _backup(row: Iterable[Any]) -> Backup:
    number, path, device, inode, size, changed, seq, head = row
    return Backup(number, path, device & _MASK, inode & _MASK, size, changed, seq, bool(head))


def _count(connection: sqlite3.Connection, path: str, size: int) -> None:
    connection.execute(
        "UPDATE rotation SET count = count + 1, bytes = bytes + ?, at = ? WHERE path = ?", (size, _now(), path)
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
