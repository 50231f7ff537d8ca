"""
Copies of sealed segments in another place, for longer than the store keeps them.

Beside each segment `<path>` lies `<path>.json` with its checksum, times and
count. It is written last, so a segment without one is a copy that was not
finished, and is copied again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from logship.archive.place import Place
from logship.errors import LedgerError, LogshipError
from logship.ledger.ledger import Ledger
from logship.store.sealed import sync_directory

_COLUMNS = "path, dataset, count, first_time, last_time, size, sha256"
_NOTE = ".json"


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


def entries(place: Place, since: datetime | None = None, until: datetime | None = None) -> list[Entry]:
    """Return what is kept, oldest first; raises LogshipError when there is no archive or a note is damaged."""
    notes = [name for name in place.names() if name.endswith(f".parquet{_NOTE}")]
    found = []
    for name, content in zip(notes, place.read(notes), strict=True):
        try:
            entry = Entry(**orjson.loads(content))
            if f"{entry.path}{_NOTE}" != name:
                raise ValueError(f"it is the note of {entry.path}")
            if entry.overlaps(since, until):
                found.append(entry)
        except (ValueError, TypeError, AttributeError) as error:
            raise LogshipError(f"{place}/{name} is damaged: {error}", "remove it and push again") from error
    return sorted(found, key=lambda entry: (entry.first_time, entry.path))


def push(state_dir: Path, place: Place) -> Iterator[Entry]:
    """Copy every sealed segment that is not kept yet, and yield it; raises LedgerError when one is damaged."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        query = f"SELECT {_COLUMNS} FROM segment ORDER BY id"  # noqa: S608  # a constant
        rows = ledger.connection.execute(query).fetchall()
    place.make()
    there = set(place.names())
    for row in rows:
        entry = Entry(*row)
        if f"{entry.path}{_NOTE}" in there:
            continue
        source = state_dir / entry.path
        try:
            with source.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != entry.sha256:
                raise LedgerError(f"{source} is not what was sealed: its SHA-256 is {digest}", "check the disk")
            place.put(entry.path, source)
        except FileNotFoundError:  # retention was quicker
            continue
        note = orjson.dumps(asdict(entry), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        place.put(f"{entry.path}{_NOTE}", note)
        yield entry


def pull(place: Place, into: Path, since: datetime | None = None, until: datetime | None = None) -> Iterator[Entry]:
    """Copy archived segments of a time to a directory, and yield each; raises LogshipError when one is damaged."""
    for entry in entries(place, since, until):
        _fetch(place, entry, into / entry.path)
        yield entry


def expire(place: Place, age: timedelta, now: datetime) -> Iterator[Entry]:
    """Delete archived segments whose newest document is older, and yield each."""
    for entry in entries(place):
        if datetime.fromisoformat(entry.last_time) < now - age:
            place.delete(f"{entry.path}{_NOTE}")
            place.delete(entry.path)
            yield entry


@contextmanager
def verified(place: Place, entry: Entry) -> Iterator[Path]:
    """Give a kept segment's file, for a while; raises LogshipError when it is not what was archived."""
    path = place.path(entry.path)
    if path is not None:
        for _ in _checked(place, entry):
            pass
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="logship-") as folder:
        path = Path(folder) / "segment.parquet"
        _fetch(place, entry, path)
        yield path


def _fetch(place: Place, entry: Entry, target: Path) -> None:
    """Copy a segment from its place so that it is whole, and what was archived, or absent."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_name(f".{target.name}.new")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            for part in _checked(place, entry):
                out.write(part)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(target.parent)


def _checked(place: Place, entry: Entry) -> Iterator[bytes]:
    """Read a segment; raises LogshipError at its end when it is not what was archived."""
    digest, hint = hashlib.sha256(), "bring it back from a copy of the archive"
    try:
        for part in place.chunks(entry.path):
            digest.update(part)
            yield part
    except FileNotFoundError:
        raise LogshipError(f"{place}/{entry.path} is missing from the archive", hint) from None
    if digest.hexdigest() != entry.sha256:
        raise LogshipError(f"{place}/{entry.path} was altered: its SHA-256 is {digest.hexdigest()}", hint)


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)
