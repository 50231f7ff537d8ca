"""
Opens a ledger whatever happened to it.

One that is damaged is moved aside, and what can be read of it becomes the new ledger. What cannot be read is named.
If documents are lost that somebody still waited for, every file is read again from its start: the lines get the ids
that they had, so that Elasticsearch takes none of them twice.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import orjson
import structlog

from logship.errors import LedgerDamaged
from logship.ledger.ledger import Ledger, connect, take_lock
from logship.ledger.salvage import Salvaged, salvage
from logship.store.sealed import Sealed, sync_directory

#: Larger ledgers are checked without their documents, which have checksums of their own.
_WHOLE = 256 << 20
_SMALL_TABLES = ("meta", "file", "cursor", "outcome", "rejected", "leaf", "segment", "gap", "compressed", "spent",
                 "unpaired")

Describe = Callable[[Path, list[Path]], list[Sealed]]
log = structlog.get_logger()


def open_whole(directory: Path, describe: Describe, *, archive: bool) -> Ledger:
    """
    Open the ledger for writing, recovering it if it is damaged or older than its segments.

    `describe` reads what segments hold. Raises what Ledger.open raises, but LedgerDamaged only when recovery failed.
    """
    _finish(directory)
    try:
        ledger = Ledger.open(directory)
        _check(ledger)
    except LedgerDamaged as error:
        recover(directory, str(error), archive=archive)
        ledger = Ledger.open(directory)
    try:
        _adopt_segments(ledger, describe)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _check(ledger: Ledger) -> None:
    """Read every page and see that it is well-formed (SQLite, PRAGMA quick_check); raises LedgerDamaged."""
    path = ledger.directory / "ledger.db"
    whole = path.stat().st_size <= _WHOLE
    try:
        for table in ("1",) if whole else _SMALL_TABLES:
            (said,) = ledger.connection.execute(f"PRAGMA quick_check({table})").fetchone()
            if said != "ok":
                raise LedgerDamaged(f"{path} is damaged: {said}")
    except sqlite3.DatabaseError as error:
        ledger.close()
        raise LedgerDamaged(f"{path} is damaged: {error}") from error
    except BaseException:
        ledger.close()
        raise


def recover(directory: Path, reason: str, *, archive: bool) -> None:
    """Move the ledger aside and make a new one of what can be read of it; raises LedgerDamaged when it cannot."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path, temporary = directory / "ledger.db", directory / "ledger.db.tmp"
    aside = f"ledger.db.corrupt-{stamp}"
    lock = take_lock(directory / "lock")
    try:
        for name in (temporary, *_beside(temporary)):
            name.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        with closing(connect(temporary, readonly=False)) as target:
            salvaged = salvage(path, target, archive=archive)
            report = orjson.dumps({"reason": reason, "aside": aside, **salvaged.as_dict()}).decode()
            target.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"recovered {stamp}", report))
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        temporary.rename(directory / "ledger.db.salvaged")
        _finish(directory, aside)
    except (OSError, sqlite3.Error) as error:
        raise LedgerDamaged(f"{reason}; and it cannot be recovered: {error}") from error
    finally:
        os.close(lock)
    _say(salvaged, reason, directory / aside)


def _say(salvaged: Salvaged, reason: str, aside: Path) -> None:
    log.error("the ledger was damaged; it was moved aside, and what can be read of it was kept", reason=reason,
              aside=str(aside), kept=salvaged.kept, unreadable=salvaged.unreadable)  # fmt: skip
    if salvaged.read_again:
        log.error("documents that somebody waited for are lost with it; every file is read again from its start, and "
                  "Elasticsearch knows by the ids what it has; what was lost of files that are gone stays lost",
                  batches=salvaged.lost_batches, at_most_documents=salvaged.lost_documents)  # fmt: skip


def _finish(directory: Path, aside: str = "ledger.db.corrupt") -> None:
    """Put a salvaged ledger in the place of the damaged one; also when a crash came in between."""
    path, salvaged = directory / "ledger.db", directory / "ledger.db.salvaged"
    if not salvaged.exists():
        return
    if path.exists():
        path.rename(directory / aside)
    for beside in _beside(path):
        if beside.exists():
            beside.rename(beside.with_name(beside.name.replace("ledger.db", aside, 1)))
    salvaged.rename(path)
    sync_directory(directory)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm")]


def _adopt_segments(ledger: Ledger, describe: Describe) -> None:
    """Enter segments that are newer than the ledger: it was lost, or comes from a backup."""
    rows = ledger.connection.execute("SELECT path FROM segment").fetchall()
    known = {ledger.directory / path for (path,) in rows}
    newest = newest_batch(ledger.connection)
    found = [
        path
        for path in sorted((ledger.directory / "segments").glob("*/*.parquet"))
        if path not in known and _first_seq(path) > newest
    ]
    if not found:
        return
    sealed = describe(ledger.directory, found)
    with ledger.transaction() as connection:
        connection.executemany(
            "INSERT INTO segment (path, dataset, first_seq, last_seq, count, first_time, last_time, size, sha256) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (one.path, one.dataset, min(one.seqs), max(one.seqs), one.count, one.first_time, one.last_time,
                 one.size, one.sha256)
                for one in sealed
            ],
        )  # fmt: skip
        if sealed:
            continue_after(connection, max(seq for one in sealed for seq in one.seqs))
    kept = {ledger.directory / one.path for one in sealed}
    for path in found:
        if path not in kept:
            path.rename(ledger.directory / f"{path.name}.damaged")
    documents, damaged = sum(one.count for one in sealed), len(found) - len(sealed)
    log.warning("segments are newer than the ledger, which was lost or comes from a backup; they can be searched",
                segments=len(sealed), documents=documents, damaged=damaged)  # fmt: skip


def _first_seq(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def newest_batch(connection: sqlite3.Connection) -> int:
    """Return the largest sequence number that was ever given, as far as the ledger knows."""
    (leaf,) = connection.execute("SELECT coalesce(max(seq), 0) FROM leaf").fetchone()
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
    return max(int(leaf), int(row[0]) if row else 0)


def continue_after(connection: sqlite3.Connection, seq: int) -> None:
    """Give batches larger sequence numbers than this from now on."""
    if connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'batch'", (seq,)).rowcount == 0:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('batch', ?)", (seq,))


def recoveries(directory: Path) -> list[dict[str, object]]:
    """Return what is known of earlier recoveries, oldest first."""
    with Ledger.open(directory, readonly=True) as ledger:
        rows = ledger.connection.execute("SELECT name, value FROM meta WHERE name LIKE 'recovered %' ORDER BY name")
        return [{"at": name.removeprefix("recovered "), **orjson.loads(value)} for name, value in rows]

