"""
The catalogue of segments: when to seal, entering what was sealed, sweeping and retention.

Everything here runs in the process that writes the ledger, and never touches DuckDB.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from logship.store.sealed import Sealed, locked

MAX_BYTES = 16 << 20
MAX_AGE = 3600.0


class Ledger(Protocol):
    """What is needed of the ledger: its transactions, which also keep other threads out."""

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Begin, yield the connection, commit; roll back when the block raises."""


def unsealed(ledger: Ledger) -> tuple[int, int]:
    """Return how many batches wait to be sealed, and their size as they lie."""
    with ledger.transaction() as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM batch WHERE segment IS NULL"
        ).fetchone()
    return int(row[0]), int(row[1])


def due(
    ledger: Ledger,
    *,
    now: float,
    since: float,
    max_bytes: int = MAX_BYTES,
    max_age: float = MAX_AGE,
) -> bool:
    """Tell whether to seal: enough bytes wait, or something has waited since `since` for `max_age` seconds."""
    count, size = unsealed(ledger)
    return count > 0 and (size >= max_bytes or now - since >= max_age)


def register(ledger: Ledger, sealed: list[Sealed]) -> list[int]:
    """Enter segments into the catalogue and mark their batches, in one transaction; return the segments' ids."""
    identifiers = []
    with ledger.transaction() as connection:
        for segment in sealed:
            cursor = connection.execute(
                "INSERT INTO segment (path, dataset, first_seq, last_seq, count, first_time, last_time, size, sha256)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    segment.path,
                    segment.dataset,
                    min(segment.seqs),
                    max(segment.seqs),
                    segment.count,
                    segment.first_time,
                    segment.last_time,
                    segment.size,
                    segment.sha256,
                ),
            )
            identifier = int(cursor.lastrowid or 0)
            marked = connection.executemany(
                "UPDATE batch SET segment = ? WHERE seq = ? AND segment IS NULL",
                [(identifier, seq) for seq in segment.seqs],
            ).rowcount
            if marked != len(segment.seqs):
                raise ValueError(f"{segment.path}: only {marked} of {len(segment.seqs)} batches were waiting")
            identifiers.append(identifier)
    return identifiers


def sweep(state_dir: Path, ledger: Ledger) -> list[Path] | None:
    """Remove files that no catalogue row names; return them, or None while a sealing child still runs."""
    segments = state_dir / "segments"
    if not segments.is_dir():
        return []
    with locked(segments) as free:
        if not free:
            return None
        with ledger.transaction() as connection:
            known = {state_dir / path for (path,) in connection.execute("SELECT path FROM segment")}
        orphans = [path for path in segments.glob("*/*") if path.is_file() and path not in known]
        for path in orphans:
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()
        for spill in segments.glob(".duckdb-*"):
            for path in spill.iterdir():
                path.unlink()
            spill.rmdir()
    return orphans


def _newest(path: Path, last_time: str) -> datetime:
    document = datetime.fromisoformat(last_time)
    try:
        return max(document, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except OSError:  # the file is gone already
        return document


def retain(
    state_dir: Path,
    ledger: Ledger,
    *,
    now: datetime,
    max_age: timedelta | None = None,
    max_bytes: int | None = None,
) -> list[str]:
    """
    Delete the oldest segments beyond an age or a total size; return their paths.

    The age counts from a segment's newest document or from its sealing, whichever is later: old logs that were read
    just now are kept as long as any others.
    A segment that holds a batch some cursor has still to pass stays. The row goes before the file, so a crash in
    between leaves a file for `sweep`, never a row without its file.
    """
    doomed: list[str] = []
    with ledger.transaction() as connection:
        (passed,) = connection.execute("SELECT coalesce(min(seq), 9223372036854775807) FROM cursor").fetchone()
        # A batch that was dropped from the ledger is waited for by nobody.
        awaited = {row[0] for row in connection.execute("SELECT DISTINCT segment FROM batch WHERE seq > ?", (passed,))}
        rows = connection.execute("SELECT id, path, last_time, size FROM segment ORDER BY last_time, id").fetchall()
        total = sum(size for *_, size in rows)
        for identifier, path, last_time, size in rows:
            old = max_age is not None and _newest(state_dir / path, last_time) < now - max_age
            large = max_bytes is not None and total > max_bytes
            if (old or large) and identifier not in awaited:
                connection.execute("DELETE FROM segment WHERE id = ?", (identifier,))
                doomed.append(path)
                total -= size
    for path in doomed:
        (state_dir / path).unlink(missing_ok=True)
        with suppress(OSError):
            (state_dir / path).parent.rmdir()
    return doomed
