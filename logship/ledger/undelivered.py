"""Which documents a follower has not delivered: those that wait, and those that were refused."""

from __future__ import annotations

from pathlib import Path

import orjson

from logship.delivery.bulk import documents
from logship.ledger.ledger import Ledger


def undelivered(state_dir: Path, follower: str, ids: set[str]) -> tuple[set[str], set[str]]:
    """Return which of some documents wait for a follower, and which it refused."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        cursor = ledger.rows("SELECT seq FROM cursor WHERE name = ?", (follower,))
        waiting: set[str] = set()
        seq = int(str(cursor[0][0])) if cursor else None
        while seq is not None and (batches := ledger.after(seq, limit=8)):
            for batch in batches:
                waiting |= ids.intersection(name for name, _ in documents(batch))
            seq = batches[-1].seq
        sql = "SELECT id FROM rejected WHERE cursor = ? AND id IN (SELECT value FROM json_each(?))"
        refused = ledger.rows(sql, (follower, orjson.dumps(sorted(ids)).decode()))
    return waiting, {str(row[0]) for row in refused}
