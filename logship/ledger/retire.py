"""
Rows of generations that nobody needs any more are let go, and what they counted is kept in one row.

The newest ones stay: a file that was read is recognised when it appears
compressed. Their keys stay too, so that a file that begins in the same way gets
other ids; a key that begins with a time does so for a month.
"""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import time
from typing import Any

import orjson

from logship.ledger.ledger import Ledger
from logship.model import Source

#: The row that counts for all that were let go.
GONE = 0
KEEP = 1000
_MONTH = 30 * 86_400
_SUMS = ("position", "read", "lines", "events", "unparsed", "bytes_documents", "bytes_dropped", "bytes_skipped")


def retire(ledger: Ledger, *, keep: int = KEEP) -> int:
    """Let go of the oldest rows of ended generations, all but `keep`; return how many. Some more may pile up first."""
    with ledger.transaction() as connection:
        (ended,) = connection.execute("SELECT count(*) FROM file WHERE state = 'ended'").fetchone()
        if ended <= keep + keep // 5:
            return 0
        waiting = {int(row[0]) for row in connection.execute("SELECT DISTINCT key FROM batch, json_each(batch.files)")}
        packed = {row[0] for row in connection.execute("SELECT file FROM compressed")}
        rows = connection.execute(
            "SELECT id, key, path FROM file WHERE state = 'ended' ORDER BY id LIMIT ?", (ended - keep,)
        ).fetchall()
        # A compressed file that is still there would be read again.
        gone = [
            (number, key)
            for number, key, path in rows
            if number not in waiting and not (number in packed and os.path.lexists(path))
        ]
        if gone:
            _fold(connection, [number for number, _ in gone])
            _spend(connection, [key for _, key in gone])
        return len(gone)


def _fold(connection: sqlite3.Connection, numbers: list[int]) -> None:
    """Add counts of rows to those of the row that stands for all, and delete them."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS leaving (id INTEGER PRIMARY KEY)")
    connection.execute("DELETE FROM leaving")
    connection.executemany("INSERT INTO leaving VALUES (?)", [(number,) for number in numbers])
    source = orjson.dumps(dataclasses.asdict(Source("gone"))).decode()
    connection.execute(
        "INSERT OR IGNORE INTO file (id, key, path, device, inode, service, source, head, tail, state, first_seen, "
        "last_read) SELECT ?, '', '(files that are gone)', 0, 0, 'gone', ?, x'', x'', 'gone', first_seen, last_read "
        "FROM file WHERE id = ?",
        (GONE, source, numbers[0]),
    )
    sums = ", ".join(f"sum({name})" for name in _SUMS)
    counts = connection.execute(f"SELECT {sums} FROM file WHERE id IN leaving OR id = ?", (GONE,)).fetchone()  # noqa: S608  # constants
    dropped: dict[str, Any] = {}
    for (rules,) in connection.execute(
        "SELECT dropped FROM file WHERE dropped <> '{}' AND (id IN leaving OR id = ?)", (GONE,)
    ):
        for rule, count in orjson.loads(rules).items():
            dropped[rule] = dropped.get(rule, 0) + count
    sets = ", ".join(f"{name} = ?" for name in _SUMS)
    connection.execute(
        f"UPDATE file SET {sets}, dropped = ? WHERE id = ?",  # noqa: S608  # constants
        (*counts, orjson.dumps(dropped).decode(), GONE),
    )
    connection.execute(
        "INSERT INTO outcome (cursor, file, delivered, duplicate, rejected, dropped) "
        "SELECT cursor, ?, sum(delivered), sum(duplicate), sum(rejected), sum(dropped) FROM outcome "
        "WHERE file IN leaving GROUP BY cursor ON CONFLICT (cursor, file) DO UPDATE SET "
        "delivered = delivered + excluded.delivered, duplicate = duplicate + excluded.duplicate, "
        "rejected = rejected + excluded.rejected, dropped = dropped + excluded.dropped",
        (GONE,),
    )
    for table, column in (("outcome", "file"), ("compressed", "file"), ("file", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN leaving")  # noqa: S608  # constants


def _spend(connection: sqlite3.Connection, keys: list[str]) -> None:
    """Keep keys and how often each was given; forget those of first lines that are older than a month."""
    for key in keys:
        name, _, number = key.partition(".")
        connection.execute(
            "INSERT INTO spent VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET number = max(number, excluded.number)",
            (bytes.fromhex(name), int(number or 1)),
        )
    old = max(int(time.time()) - _MONTH, 1)
    connection.execute(
        "DELETE FROM spent WHERE key >= ? AND key < ?", ((1).to_bytes(4), min(old, 0xFFFFFFFF).to_bytes(4))
    )
