"""The state directory: can it be read, do its books close, is there room for it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from logship.doctor.finding import Finding, Repair
from logship.errors import LedgerError, LedgerTooNew
from logship.ledger.ledger import Ledger
from logship.ledger.status import status
from logship.store.catalogue import damage

_GIB = 1 << 30
#: Bytes that a file may be behind without a word, and for how many seconds.
_BEHIND_BYTES = 1 << 20
_BEHIND_SECONDS = 60.0


def made(state_dir: Path) -> bool:
    """Tell whether an agent has ever run with this state directory."""
    return (state_dir / "ledger.db").exists()


def ledger(state_dir: Path) -> Iterator[Finding]:
    """Read every page of the ledger (SQLite's `PRAGMA quick_check`)."""
    path = str(state_dir / "ledger.db")
    if not made(state_dir):
        yield Finding("ok", path, "not made yet: no agent has run with this state directory")
        return
    try:
        with Ledger.open(state_dir, readonly=True) as opened:
            complaints = [str(row[0]) for row in opened.connection.execute("PRAGMA quick_check(5)")]
    except LedgerTooNew as error:
        yield Finding("problem", path, str(error), error.hint)
        return
    except (LedgerError, sqlite3.DatabaseError) as error:
        complaints = [str(error)]
    if complaints == ["ok"]:
        yield Finding("ok", path, "every page can be read and is well-formed")
    else:
        yield Finding("problem", path, f"is damaged: {'; '.join(complaints)}", "stop the agent and copy the directory")


def accounting(state_dir: Path) -> Iterator[Finding]:
    """Compare what was read with what became of it, and tell which files and sinks are far behind."""
    if not made(state_dir):
        return
    books = status(state_dir)
    for problem in books.problems:
        yield Finding("problem", "books", problem, "run `logship status --json` and report its output")
    for file in books.files:
        if file.lag_bytes >= _BEHIND_BYTES and file.lag_seconds >= _BEHIND_SECONDS:
            yield Finding(
                "problem",
                file.path,
                f"{file.lag_bytes:,} bytes are unread, and nothing was read for {file.lag_seconds:.0f} s",
                "is the agent running? `logship tail`; its log names files that it cannot read",
            )
    for sink in books.sinks:
        if sink.last_error and sink.pending:
            what = f"{sink.pending} documents wait; last error at {sink.last_error_at}: {sink.last_error}"
            yield Finding("problem", f"sink {sink.name}", what, "they are sent again by themselves when it answers")
        if sink.rejected:
            what = f"{sink.rejected} documents were refused"
            yield Finding("advice", f"sink {sink.name}", what, "`logship rejected list` tells why")
        if sink.dropped:
            what = f"{sink.dropped} documents were dropped at the end of the disk budget"
            step = "`logship status` names the gaps; give state_dir a larger disk, or state.max_size more"
            yield Finding("advice", f"sink {sink.name}", what, step)
    if books.closes:
        yield Finding("ok", "books", f"read = delivered + dropped + pending holds for {books.documents} documents")


def segments(state_dir: Path) -> Iterator[Finding]:
    """Look at each segment of the catalogue: does it hold what was written to it (SHA-256)."""
    if not made(state_dir):
        return
    with Ledger.open(state_dir, readonly=True) as opened:
        rows = opened.connection.execute("SELECT path, size, sha256, count FROM segment ORDER BY id").fetchall()
    bad = 0
    for path, size, sha256, count in rows:
        if reason := damage(state_dir / path, size, sha256):
            bad += 1
            what = f"{reason}; {count} documents were in it"
            step = "restore it from a backup of the state directory, or let --repair take it out of the catalogue"
            question = f"Take {path} out of the catalogue? What the ledger still has of it is sealed again."
            repair = Repair(question, partial(_forget, state_dir, path))
            yield Finding("problem", str(state_dir / path), what, step, repair)
    if not bad:
        yield Finding("ok", str(state_dir / "segments"), f"{len(rows)} segments, all as they were written")


def _forget(state_dir: Path, path: str) -> str:
    with Ledger.open(state_dir) as opened, opened.transaction() as connection:
        again = connection.execute(
            "UPDATE batch SET segment = NULL WHERE segment = (SELECT id FROM segment WHERE path = ?)", (path,)
        ).rowcount
        connection.execute("DELETE FROM segment WHERE path = ?", (path,))
    if (state_dir / path).exists():
        (state_dir / path).rename(state_dir / f"{path}.damaged")
    return f"{path} is out of the catalogue; {again} batches of it are sealed again"


def disk_space(state_dir: Path, budget: int) -> Iterator[Finding]:
    """Compare the free space with what the archive may still grow to; `budget` in bytes, 0: no limit is set."""
    place = next(parent for parent in (state_dir, *state_dir.absolute().parents) if parent.exists())
    usage = shutil.disk_usage(place)
    used = sum(path.stat().st_size for path in state_dir.rglob("*") if path.is_file()) if state_dir.exists() else 0
    free = f"{usage.free / _GIB:.1f} GiB are free"
    if usage.free < max(usage.total // 20, 1 << 28):
        step = "free space, or set a smaller store.retention_size"
        yield Finding("problem", str(place), f"{free} of {usage.total / _GIB:.1f}: too few for an outage", step)
    elif budget and usage.free < (missing := max(budget - used, 0)):
        what = f"{free}, but the archive may grow by another {missing / _GIB:.1f} GiB (store.retention_size)"
        yield Finding("advice", str(place), what, "set a store.retention_size that fits")
    else:
        yield Finding("ok", str(place), f"{free}; the state directory has {used / _GIB:.2f} GiB")
