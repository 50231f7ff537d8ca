"""How many secrets were taken out of documents, by rule."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson


def redacted_so_far(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many secrets were taken out since the ledger began, by rule."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'redacted'").fetchone()
    counts: dict[str, int] = orjson.loads(row[0]) if row else {}
    return counts


def count_redacted(connection: sqlite3.Connection, redacted: Mapping[str, int]) -> None:
    """Add to the counts within a transaction that is under way."""
    counts = redacted_so_far(connection)
    for rule, count in redacted.items():
        counts[rule] = counts.get(rule, 0) + count
    value = orjson.dumps(counts, option=orjson.OPT_SORT_KEYS).decode()
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('redacted', ?)", (value,))
