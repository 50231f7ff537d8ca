"""
What a follower may have taken although the ledger has no outcome of it: noted at a stop, asked for at the next start.

Without a note the last run was killed, and whatever it may have been sending is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from logship.ledger.ledger import Ledger

#: More batches than are under way at a time.
_MOST = 16


def note(ledger: Ledger, follower: str, batches: Iterable[int]) -> None:
    """Note, for the next start, which batches a follower may have taken."""
    with ledger.transaction() as connection:
        value = orjson.dumps(sorted(batches)).decode()
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_name(follower), value))


def take(ledger: Ledger, follower: str, in_flight: int) -> list[int]:
    """Return the batches without an outcome that a follower may have taken, `in_flight` at a time; the note is gone."""
    # The run that sent them may have been set to send more at a time.
    waiting = [batch.seq for batch in ledger.after(ledger.follow(follower), limit=max(in_flight, _MOST))]
    with ledger.transaction() as connection:
        row = connection.execute("SELECT value FROM meta WHERE name = ?", (_name(follower),)).fetchone()
        connection.execute("DELETE FROM meta WHERE name = ?", (_name(follower),))
    if row is None:
        return waiting
    noted = set(orjson.loads(row[0]))
    return [seq for seq in waiting if seq in noted]


def _name(follower: str) -> str:
    return f"doubtful {follower}"
