"""
Copies of sealed segments in another place, for longer than the store keeps them.

Beside each segment `<path>` lies `<path>.json` with its checksum, times and
count. It is written last, so a segment without one is a copy that was not
finished, and is copied again. What is wrong with one segment is told, and
the others are seen to.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from logship.archive.place import Place
from logship.errors import ConfigError, LedgerError, LogshipError
from logship.ledger.ledger import Ledger
from logship.store.sealed import sync_directory

_COLUMNS = "path, dataset, count, first_time, last_time, size, sha256"
_NOTE = ".json"
#: Is told what is wrong with one segment.
Told = Callable[[LogshipError], object]


class Damaged(LogshipError):
    """One archived segment cannot be used."""

    hint = "remove it and push again, where the store still has it; or bring it back from a copy of the archive"


#: Before the last second that there is.
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


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

    @property
    def begin(self) -> datetime:
        """The second of the oldest document: finer, what was sealed by an older release may be wrong."""
        return datetime.fromisoformat(self.first_time).replace(microsecond=0)

    @property
    def end(self) -> datetime:
        """The end of the newest document's second."""
        last = datetime.fromisoformat(self.last_time).replace(microsecond=0)
        return min(last, _LAST) + timedelta(seconds=1)

    def overlaps(self, since: datetime | None, until: datetime | None) -> bool:
        """Return whether any of its documents may be of a time."""
        return (since is None or self.end > since) and (until is None or self.begin < until)


def entries(place: Place, bad: Told, since: datetime | None = None, until: datetime | None = None) -> list[Entry]:
    """Return what is kept, oldest first; raises LogshipError when there is no archive."""
    notes = [name for name in place.sizes() if name.endswith(f".parquet{_NOTE}")]
    found = []
    for name, content in zip(notes, place.read(notes), strict=True):
        try:
            entry = _entry(name, content)
            if entry.overlaps(since, until):
                found.append(entry)
        except (ValueError, TypeError, AttributeError) as error:
            bad(Damaged(f"{place}/{name} is damaged: {error}"))
    return sorted(found, key=lambda entry: (entry.begin, entry.path))


def _entry(name: str, content: bytes) -> Entry:
    """Read a note; raises ValueError, TypeError or AttributeError when it is none, or another file's."""
    entry = Entry(**orjson.loads(content))
    if f"{entry.path}{_NOTE}" != name:
        raise ValueError(f"it is the note of {entry.path}")
    return entry


def _note(entry: Entry) -> bytes:
    return orjson.dumps(asdict(entry), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def apart(state_dir: Path, folder: Path | None) -> None:
    """Raise ConfigError when copies would lie among the segments themselves, and be deleted as copies are."""
    if folder is None:
        return
    ours, theirs = state_dir.resolve(), folder.resolve()
    inside = any(one.is_relative_to(ours) for one in (theirs, (folder / "segments").resolve()))
    if inside or ours.is_relative_to(theirs):
        raise ConfigError(
            f"{folder} and the state directory {state_dir} lie in one another: copies would be mixed with segments",
            "name a directory beside the state directory, best on another disk",
        )


def unsealed(state_dir: Path) -> int:
    """Return how many documents are in no segment yet; raises LedgerError."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        query = "SELECT coalesce(sum(count), 0) FROM batch WHERE segment IS NULL"
        (count,) = ledger.connection.execute(query).fetchone()
    return int(count)


def push(state_dir: Path, place: Place, bad: Told, *, newer: datetime | None = None) -> Iterator[Entry]:
    """
    Copy every sealed segment that is not kept whole yet, and yield it.

    `newer`: only those with documents from then on. Raises ConfigError when the place lies in the state directory.
    """
    apart(state_dir, place.path(""))
    with Ledger.open(state_dir, readonly=True) as ledger:
        query = f"SELECT {_COLUMNS} FROM segment ORDER BY id"  # noqa: S608  # a constant
        rows = ledger.connection.execute(query).fetchall()
    place.make()
    there = place.sizes()
    for row in rows:
        entry = Entry(*row)
        if not entry.overlaps(newer, None):
            continue
        try:
            done = not _kept(place, entry, there) and _copied(state_dir, place, entry)
        except (Damaged, LedgerError) as error:
            bad(error)
        else:
            if done:
                yield entry


def _kept(place: Place, entry: Entry, there: dict[str, int]) -> bool:
    """Return whether a segment and its note are there whole, by their sizes; raises Damaged when it is another one."""
    name = f"{entry.path}{_NOTE}"
    if name not in there:
        return False
    whole = there.get(entry.path) == entry.size
    if whole and there[name] == len(_note(entry)):
        return True
    try:
        (content,) = place.read([name])
        known = _entry(name, content)
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return False
    if known.sha256 != entry.sha256:
        said = f"{place}/{entry.path} is another segment of that name, and was left alone"
        raise Damaged(said, "give each state directory an archive of its own: another directory or prefix")
    return whole


def _copied(state_dir: Path, place: Place, entry: Entry) -> bool:
    """Copy a segment; return False when retention was quicker. Raises LedgerError when it is not what was sealed."""
    source = state_dir / entry.path
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != entry.sha256:
            raise LedgerError(f"{source} is not what was sealed: its SHA-256 is {digest}", "check the disk")
        place.put(entry.path, source)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LedgerError(f"cannot read {source}: {error.strerror}", "check the disk") from error
    place.put(f"{entry.path}{_NOTE}", _note(entry))
    return True


def pull(
    place: Place, into: Path, bad: Told, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Entry]:
    """Copy archived segments of a time to a directory, and yield each."""
    for entry in entries(place, bad, since, until):
        try:
            _fetch(place, entry, into / entry.path)
        except Damaged as error:
            bad(error)
        else:
            yield entry


def expire(place: Place, bad: Told, before: datetime) -> Iterator[Entry]:
    """Delete archived segments whose newest document is older, and yield each."""
    for entry in entries(place, bad):
        if not entry.overlaps(before, None):
            place.delete(f"{entry.path}{_NOTE}")
            place.delete(entry.path)
            yield entry


@contextmanager
def verified(place: Place, entry: Entry) -> Iterator[Path]:
    """Give a kept segment's file, for a while; raises Damaged when it is not what was archived."""
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
    """Read a segment; raises Damaged at its end when it is not what was archived."""
    digest = hashlib.sha256()
    try:
        for part in place.chunks(entry.path):
            digest.update(part)
            yield part
    except FileNotFoundError:
        raise Damaged(f"{place}/{entry.path} is missing from the archive") from None
    if digest.hexdigest() != entry.sha256:
        raise Damaged(f"{place}/{entry.path} was altered: its SHA-256 is {digest.hexdigest()}")


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)
