"""Counts that are no document's own: secrets taken out, by rule; documents that may be there twice, by follower."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Literal

import orjson

Tally = Literal["redacted", "redelivered"]


def tally(connection: sqlite3.Connection, name: Tally) -> dict[str, int]:
    """Return the counts since the ledger began."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    counts: dict[str, int] = orjson.loads(row[0]) if row else {}
    return counts


def add(connection: sqlite3.Connection, name: Tally, counted: Mapping[str, int]) -> None:
    """Add to the counts within a transaction that is under way."""
    counts = tally(connection, name)
    for key, count in counted.items():
        counts[key] = counts.get(key, 0) + count
    value = orjson.dumps(counts, option=orjson.OPT_SORT_KEYS).decode()
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def count_outcomes(
    connection: sqlite3.Connection,
    name: str,
    delivered: Mapping[int, int],
    duplicate: Mapping[int, int],
    refused: Mapping[int, int],
) -> None:
    """Add to a follower's outcomes, by file."""
    for file in {*delivered, *duplicate, *refused}:
        connection.execute(
            "INSERT INTO outcome (cursor, file, delivered, duplicate, rejected) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (cursor, file) DO UPDATE SET "
            "delivered = delivered + excluded.delivered, duplicate = duplicate + excluded.duplicate, "
            "rejected = rejected + excluded.rejected",
            (name, file, delivered.get(file, 0), duplicate.get(file, 0), refused.get(file, 0)),
        )
