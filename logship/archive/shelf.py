"""
A directory that keeps copies of sealed segments: a mounted disk, a share, a backup's source.

Beside each segment `<path>` lies `<path>.json` with its checksum, times and
count. It is written last, so a segment without one is a copy that was not
finished, and is copied again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import orjson

from logship.errors import LedgerError, LogshipError
from logship.ledger.ledger import Ledger
from logship.store.sealed import sync_directory

_COLUMNS = "path, dataset, count, first_time, last_time, size, sha256"


@dataclass(frozen=True, slots=True)
class Entry:
    """One archived segment."""

    #: Relative to the archive, as it was to the state directory.
    path: str
    dataset: str
    count: int
    first_time: str
    last_time: str
    size: int
    sha256: str

    def overlaps(self, since: datetime | None, until: datetime | None) -> bool:
        """Return whether any of its documents may be of a time."""
        first, last = datetime.fromisoformat(self.first_time), datetime.fromisoformat(self.last_time)
        return (since is None or last >= since) and (until is None or first < until)


def entries(shelf: Path, since: datetime | None = None, until: datetime | None = None) -> list[Entry]:
    """Return what is kept, oldest first; raises LogshipError when there is no archive or a note is damaged."""
    if not shelf.is_dir():
        raise LogshipError(f"no archive in {shelf}", "`logship archive push --at DIR` makes one")
    found = []
    for note in shelf.glob("segments/*/*.parquet.json"):
        try:
            entry = Entry(**orjson.loads(note.read_bytes()))
        except (ValueError, TypeError) as error:
            raise LogshipError(f"{note} is damaged: {error}", "remove it and push again") from error
        if entry.overlaps(since, until):
            found.append(entry)
    return sorted(found, key=lambda entry: (entry.first_time, entry.path))


def push(state_dir: Path, shelf: Path) -> Iterator[Entry]:
    """Copy every sealed segment that is not kept yet, and yield it; raises LogshipError when a copy differs."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        query = f"SELECT {_COLUMNS} FROM segment ORDER BY id"  # noqa: S608  # a constant
        rows = ledger.connection.execute(query).fetchall()
    for row in rows:
        entry = Entry(*row)
        note = shelf / f"{entry.path}.json"
        if note.exists():
            continue
        source = state_dir / entry.path
        if not source.exists():  # retention was quicker
            continue
        target = shelf / entry.path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _copy(source, target, entry)
        _write(note, orjson.dumps(asdict(entry), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        yield entry


def pull(shelf: Path, into: Path, since: datetime | None = None, until: datetime | None = None) -> Iterator[Entry]:
    """Copy archived segments of a time to a directory, and yield each; raises LogshipError when one is damaged."""
    for entry in entries(shelf, since, until):
        target = into / entry.path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _copy(shelf / entry.path, target, entry)
        yield entry


def expire(shelf: Path, age: timedelta, now: datetime) -> Iterator[Entry]:
    """Delete archived segments whose newest document is older, and yield each."""
    for entry in entries(shelf):
        if datetime.fromisoformat(entry.last_time) < now - age:
            (shelf / f"{entry.path}.json").unlink()
            (shelf / entry.path).unlink(missing_ok=True)
            with suppress(OSError):
                (shelf / entry.path).parent.rmdir()
            yield entry


def verified(shelf: Path, entry: Entry) -> Path:
    """Return a kept segment's file; raises LogshipError when it is not what was archived."""
    path = shelf / entry.path
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise LogshipError(f"{path} is missing from the archive", "bring it back from a copy of the archive") from None
    if digest != entry.sha256:
        raise LogshipError(f"{path} was altered: its SHA-256 is {digest}", "bring it back from a copy of the archive")
    return path


def _copy(source: Path, target: Path, entry: Entry) -> None:
    """Copy a file so that it is whole or absent, and is what the catalogue says."""
    temporary = target.with_name(f".{target.name}.new")
    digest = hashlib.sha256()
    with source.open("rb") as reader, _private(temporary) as out:
        while part := reader.read(1 << 20):
            digest.update(part)
            out.write(part)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != entry.sha256:
        temporary.unlink()
        raise LedgerError(f"{source} is not what was sealed: its SHA-256 is {digest.hexdigest()}", "check the disk")
    temporary.replace(target)
    sync_directory(target.parent)


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with _private(temporary) as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)
