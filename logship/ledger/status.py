"""
What was read and what became of it, and whether the two add up.

For each file: bytes read = bytes in documents + dropped + skipped + pending,
and nothing is pending when every byte is accounted for. For each file and
follower: documents = delivered + duplicate + rejected + dropped + pending, where
dropped are those that were given up at the end of the disk budget.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from logship.ledger.budget import Room, room_for
from logship.ledger.first_starts import PassedOver, passed_over
from logship.ledger.ledger import Ledger
from logship.ledger.rotations import RotationStatus, rotation_status
from logship.ledger.tallies import tally

_NEWEST_GAPS = 20
#: The columns of a file that `_status` selects.
_FileRow = tuple[int, str, str, str, int, int, int, int, int, int, int, int, int, str, str, int, int]


@dataclass(frozen=True, slots=True)
class FileStatus:
    """How far one generation of a file has come."""

    path: str
    service: str
    state: str
    #: Logical offset just after the last byte read, and of the oldest byte not accounted for.
    read: int
    position: int
    #: Bytes on disk now; None when the file is gone or may not be seen.
    size: int | None
    lag_bytes: int
    lag_seconds: float
    lines: int
    events: int
    unparsed: int
    bytes_documents: int
    bytes_dropped: int
    bytes_skipped: int
    bytes_pending: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How well the lines of one service are understood, over all its files."""

    service: str
    events: int
    unparsed: int
    #: Events left out, by rule; they are not among `events`.
    dropped: dict[str, int]

    @property
    def share(self) -> float:
        """Return the share of events that no format matched, 0 to 1."""
        return self.unparsed / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """What became of the documents at one follower."""

    name: str
    delivered: int
    duplicate: int
    rejected: int
    #: Given up at the end of the disk budget (state.when_full: drop_oldest).
    dropped: int
    pending: int
    last_error: str
    last_error_at: str
    #: Sent again without knowing what became of the first time: may be there twice, marked logship.redelivered.
    redelivered: int = 0


@dataclass(frozen=True, slots=True)
class GapStatus:
    """Bytes of a file that will never be in a document."""

    path: str
    #: Logical offsets of the first byte and just after the last one; None: not known.
    first: int
    behind: int | None
    cause: str
    documents: int
    at: str


@dataclass(frozen=True, slots=True)
class Status:
    """The agent's books."""

    files: list[FileStatus]
    sinks: list[SinkStatus]
    #: Whether every file and every follower adds up.
    closes: bool
    #: What does not, in words.
    problems: list[str]
    #: Bytes of the state directory.
    size_bytes: int
    #: Documents committed, in all.
    documents: int
    #: Batches kept in the ledger, and leaves of the audit log.
    batches: int
    leaves: int
    #: Gaps in all, the bytes in those whose length is known, and the newest ones.
    gaps: int = 0
    bytes_lost: int = 0
    newest_gaps: list[GapStatus] = field(default_factory=list)
    #: Secrets and personal data taken out of documents, by rule.
    redacted: dict[str, int] = field(default_factory=dict)
    #: How the rotation of the files that logship rotates goes.
    rotation: list[RotationStatus] = field(default_factory=list)
    #: Whether the state directory has room for more.
    room: Room | None = None
    #: What entries with `start: end` passed over at their first start; of plain files, bytes_skipped has it too.
    passed_over: list[PassedOver] = field(default_factory=list)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"))

    @property
    def services(self) -> list[ServiceStatus]:
        """Return events, unparsed ones and dropped ones by service."""
        counts: dict[str, Counter[str]] = {}
        dropped: dict[str, Counter[str]] = {}
        for file in self.files:
            counts.setdefault(file.service, Counter()).update(events=file.events, unparsed=file.unparsed)
            dropped.setdefault(file.service, Counter()).update(file.dropped)
        return [
            ServiceStatus(name, counts[name]["events"], counts[name]["unparsed"], dict(dropped[name]))
            for name in sorted(counts)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the status as plain data, for JSON."""
        services = [{**dataclasses.asdict(one), "unparsed_share": round(one.share, 6)} for one in self.services]
        room = {**dataclasses.asdict(self.room), "reason": self.room.reason} if self.room else None
        return {**dataclasses.asdict(self), "services": services, "room": room}


def status(state_dir: Path, *, now: datetime | None = None) -> Status:
    """Read the books; raises LedgerError when there are none."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        connection = ledger.connection
        connection.execute("BEGIN")  # one snapshot for all of it
        return _status(connection, state_dir, now or datetime.now(UTC))


def _status(connection: sqlite3.Connection, state_dir: Path, now: datetime) -> Status:
    problems: list[str] = []
    columns = (
        "id, path, service, state, base, read, position, lines, events, unparsed, "
        "bytes_documents, bytes_dropped, bytes_skipped, dropped, last_read, device, inode"
    )
    documents: dict[int, int] = {}
    files = []
    for row in connection.execute(f"SELECT {columns} FROM file ORDER BY id"):  # noqa: S608  # a constant
        documents[row[0]] = row[8]
        files.append(_file(row, now, problems))
    sinks = [
        _sink(connection, name, seq, error, error_at, documents, problems)
        for name, seq, error, error_at in connection.execute(
            "SELECT name, seq, last_error, last_error_at FROM cursor ORDER BY name"
        )
    ]
    batches = connection.execute("SELECT count(*) FROM batch").fetchone()[0]
    leaves, newest = connection.execute("SELECT count(*), coalesce(max(number) + 1, 0) FROM leaf").fetchone()
    if leaves != newest:
        problems.append(f"the audit log has {leaves} leaves, but is numbered up to {newest}")
    size = sum(entry.stat().st_size for entry in state_dir.rglob("*") if entry.is_file())
    gaps, lost = connection.execute("SELECT count(*), coalesce(sum(behind - first), 0) FROM gap").fetchone()
    newest_gaps = [
        GapStatus(*row)
        for row in connection.execute(
            "SELECT path, first, behind, cause, documents, at FROM gap ORDER BY number DESC LIMIT ?", (_NEWEST_GAPS,)
        )
    ]
    total = sum(documents.values())
    redacted = tally(connection, "redacted")
    return Status(
        files, sinks, not problems, problems, size, total, batches, leaves, gaps, lost, newest_gaps, redacted,
        rotation_status(connection), room_for(connection, state_dir), passed_over(connection),
    )  # fmt: skip


def _file(row: _FileRow, now: datetime, problems: list[str]) -> FileStatus:
    (_, path, service, state, base, read, position, lines, events, unparsed, made, dropped, skipped, rules, last_read,
     device, inode) = row  # fmt: skip
    pending = read - made - dropped - skipped
    if pending < 0 or pending > read - position or (position == read and pending):
        problems.append(
            f"{path}: read {read} bytes, but {made} in documents, {dropped} dropped, {skipped} skipped, "
            f"with every byte before {position} said to be accounted for"
        )
    size: int | None = None
    try:
        found = Path(path).stat()
        if (found.st_dev, found.st_ino) == (device & ((1 << 64) - 1), inode & ((1 << 64) - 1)):
            size = found.st_size
    except OSError:
        size = None  # rotated away, removed, or not to be seen by this user: the lag cannot be told
    lag = max((size or 0) + base - position, 0) if size is not None else 0
    seconds = (now - datetime.fromisoformat(last_read)).total_seconds() if lag else 0.0
    return FileStatus(
        path, service, state, read, position, size, lag, max(round(seconds, 1), 0.0), lines, events, unparsed,
        made, dropped, skipped, pending, orjson.loads(rules),
    )  # fmt: skip


def _sink(
    connection: sqlite3.Connection,
    name: str,
    seq: int,
    error: str,
    at: str,
    documents: dict[int, int],
    problems: list[str],
) -> SinkStatus:
    pending: dict[int, int] = {}
    for (files,) in connection.execute("SELECT files FROM batch WHERE seq > ?", (seq,)):
        for file, count in orjson.loads(files).items():
            pending[int(file)] = pending.get(int(file), 0) + count
    total = [0, 0, 0, 0]
    for file, *counts in connection.execute(
        "SELECT file, delivered, duplicate, rejected, dropped FROM outcome WHERE cursor = ?", (name,)
    ):
        total = [a + b for a, b in zip(total, counts, strict=True)]
        # A follower that was added later begins with the batches still kept: it owes no more than the file has.
        if sum(counts) + pending.get(file, 0) > documents.get(file, 0):
            problems.append(f"{name}: file {file} has {documents.get(file, 0)} documents, but more outcomes")
    started = connection.execute(
        "SELECT coalesce(sum(count), 0) FROM batch WHERE seq > ?", (seq,)
    ).fetchone()[0]
    if started != sum(pending.values()):
        problems.append(f"{name}: {started} documents are pending, but {sum(pending.values())} by file")
    delivered, duplicate, rejected, dropped = total
    again = tally(connection, "redelivered").get(name, 0)
    return SinkStatus(name, delivered, duplicate, rejected, dropped, sum(pending.values()), error, at, again)


__all__ = ["FileStatus", "ServiceStatus", "SinkStatus", "Status", "status"]
