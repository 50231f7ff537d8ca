"""Generations of files, as the ledger knows them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from logship.ledger.marks import LIMIT, mark
from logship.model import FileRef, Source

#: The first stamp that a log's first line is likely to hold: ISO 8601 or nearly, or Common Log Format.
_STAMP = re.compile(
    rb"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)"
    rb"|(\d\d)/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/(\d{4}):(\d\d):(\d\d):(\d\d)"
)
_MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"


@dataclass(frozen=True, slots=True)
class FileRow:
    """A generation and how far it has come."""

    ref: FileRef
    device: int
    inode: int
    #: Logical offset of the file's first byte on disk.
    base: int
    #: Marks (`marks`) of its first bytes and of the last ones before `position`.
    head: bytes
    tail: bytes
    #: Every byte before it is accounted for.
    position: int
    #: Streams accounted for beyond `position`.
    done: dict[str, int]
    #: Just after the last byte read.
    read: int
    state: str


def file_key(host: str, device: int, inode: int, head: bytes) -> str:
    """
    Name a generation by its first line's time and by host, device, inode and first line.

    The same file gets the same name after the ledger was lost; names that
    begin with a time make ids that increase, which Elasticsearch indexes faster.
    """
    first = head.partition(b"\n")[0][:1024]
    digest = hashlib.blake2b(b"%b\0%d\0%d\0%b" % (host.encode(), device, inode, first), digest_size=8)
    return f"{_seconds(first):08x}{digest.hexdigest()}"


def _seconds(line: bytes) -> int:
    found = _STAMP.search(line)
    if not found:
        return 0
    if found[1]:
        parts = [int(found[i]) for i in range(1, 7)]
    else:
        parts = [int(found[9]), _MONTHS.index(found[8]) // 3 + 1, int(found[7]), *(int(found[i]) for i in (10, 11, 12))]
    try:
        return max(int(datetime(*parts, tzinfo=UTC).timestamp()), 0)  # type: ignore[arg-type,misc]  # six numbers
    except ValueError:
        return 0


def insert_file(
    connection: sqlite3.Connection,
    key: str,
    path: Path,
    device: int,
    inode: int,
    head: bytes,
    source: Source,
    base: int,
    position: int,
) -> FileRow:
    """Insert a generation under its key, numbered when an earlier one has the same; what is before it is skipped."""
    spent = connection.execute("SELECT number FROM spent WHERE key = ?", (bytes.fromhex(key),)).fetchone()
    number = spent[0] + 1 if spent else 1
    name = f"{key}.{number}" if spent else key
    while connection.execute("SELECT 1 FROM file WHERE key = ?", (name,)).fetchone():
        number += 1
        name = f"{key}.{number}"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = printable(path)
    marked = mark(head[:LIMIT])
    row = connection.execute(
        "INSERT INTO file (key, path, device, inode, base, service, source, head, tail, position, read, "
        "bytes_skipped, first_seen, last_read) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name, text, signed(device), signed(inode), base, source.service,
            orjson.dumps(dataclasses.asdict(source)).decode(), marked, mark(b""), position, position, position,
            now, now,
        ),
    )  # fmt: skip
    ref = FileRef(row.lastrowid or 0, name, text, source)
    return FileRow(ref, device, inode, base, marked, mark(b""), position, {}, position, "open")


def read_files(connection: sqlite3.Connection, state: str | None) -> list[FileRow]:
    """Return the generations in a state, or all, oldest first."""
    rows = connection.execute(
        "SELECT id, key, path, source, device, inode, base, head, tail, position, done, read, state FROM file "
        "WHERE ? IS NULL OR state = ? ORDER BY id",
        (state, state),
    )
    return [
        FileRow(
            FileRef(id_, key, path, Source(**orjson.loads(source))),
            device & _MASK, inode & _MASK, base, head, tail, position, orjson.loads(done), read, state_,
        )
        for id_, key, path, source, device, inode, base, head, tail, position, done, read, state_ in rows
    ]  # fmt: skip


_MASK = (1 << 64) - 1


def printable(path: Path) -> str:
    """Return a path as text that SQLite and JSON can hold: undecodable bytes are escaped."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode()


def signed(number: int) -> int:
    """Map an unsigned device or inode number to SQLite's signed integers."""
    return number - (1 << 64) if number >= 1 << 63 else number
