"""
Documents, file positions and the audit leaf, committed together.

One process writes (`lock`); any number of others read the same file while it
is written (SQLite WAL). Nothing else in the state directory is the truth.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import orjson
from isal import igzip

from logship.audit.tree import leaf_entry, leaf_hash
from logship.errors import LedgerDamaged, LedgerError, LedgerLocked, LedgerTooNew
from logship.ledger import tallies
from logship.ledger.files import FileRow, file_key, insert_file, printable, read_files, signed
from logship.ledger.marks import mark
from logship.ledger.owner import refuse_foreign
from logship.ledger.schema import SCHEMA, UPGRADES, VERSION
from logship.model import Batch, Progress, Rejected, Source, StoredBatch

_BATCH = "seq, dataset, count, first_time, last_time, files, body"


class Ledger:
    """The state directory's `ledger.db`, open for writing by one agent or for reading by anyone."""

    def __init__(self, directory: Path, connection: sqlite3.Connection, lock: int | None, host: str) -> None:
        self.directory = directory
        self.connection = connection
        self._lock_file = lock
        self._host = host
        self._guard = threading.RLock()

    @classmethod
    def open(cls, directory: Path, *, readonly: bool = False, host: str = "") -> Self:
        """
        Open the ledger, creating it when it is to be written.

        Raises LedgerLocked when another agent writes it, LedgerTooNew when a
        newer release made it, LedgerError when it is not there or unusable.
        """
        path = directory / "ledger.db"
        lock = None
        try:
            if not readonly:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                refuse_foreign(path)
                lock = take_lock(directory / "lock")
                path.touch(mode=0o600)
            elif not path.exists():
                raise LedgerError(f"no ledger in {directory}", "has the agent run with this --state-dir?")
            connection = connect(path, readonly=readonly)
        except (OSError, sqlite3.Error) as error:
            if lock is not None:
                os.close(lock)
            raise explained(f"cannot use {path}", error) from error
        except LedgerError:
            if lock is not None:
                os.close(lock)
            raise
        return cls(directory, connection, lock, host or os.uname().nodename)

    def close(self) -> None:
        """Close the ledger and let another agent write it."""
        self.connection.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction: all of it, or nothing; raises LedgerError when the disk cannot take it."""
        with self._guard:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException as error:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) or _damaged(error):
                    raise explained(f"cannot write {self.directory / 'ledger.db'}", error) from error
                raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Return what a question finds; raises LedgerError when it cannot be read."""
        with self._guard:
            try:
                return self.connection.execute(sql, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise explained(f"cannot read {self.directory / 'ledger.db'}", error) from error

    # files

    def register(
        self, *, path: Path, device: int, inode: int, head: bytes, source: Source, base: int = 0, position: int = 0
    ) -> FileRow:
        """Begin a generation of a file; its key is made of where it is and how it begins."""
        key = file_key(self._host, device, inode, head)
        with self.transaction() as connection:
            return insert_file(connection, key, path, device, inode, head, source, base, position)

    def moved(self, file_id: int, *, path: Path, device: int, inode: int) -> None:
        """Note where a generation is now."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE file SET path = ?, device = ?, inode = ? WHERE id = ?",
                (printable(path), signed(device), signed(inode), file_id),
            )

    def end(self, file_id: int) -> None:
        """Note that a generation was read to its end and closed."""
        with self.transaction() as connection:
            connection.execute("UPDATE file SET state = 'ended' WHERE id = ?", (file_id,))

    def compressed(self) -> list[tuple[int, bytes, int, bytes]]:
        """Return which generations are in compressed files: file id, mark of the head, size and trailer when read."""
        with self._guard:
            return self.connection.execute("SELECT file, head, size, trailer FROM compressed").fetchall()

    def reopen(self, file_id: int, *, head: bytes | None = None) -> None:
        """Note that a generation is read on; with the mark of its head, in a compressed file."""
        with self.transaction() as connection:
            connection.execute("UPDATE file SET state = 'open' WHERE id = ?", (file_id,))
            if head is not None:
                connection.execute("INSERT OR REPLACE INTO compressed VALUES (?, ?, 0, x'')", (file_id, head))

    def unpacked(self, file_id: int, *, size: int, trailer: bytes) -> None:
        """Note that a compressed file was read to its end, and how its end is recognised."""
        with self.transaction() as connection:
            connection.execute("UPDATE compressed SET size = ?, trailer = ? WHERE file = ?", (size, trailer, file_id))
            connection.execute("UPDATE file SET state = 'ended' WHERE id = ?", (file_id,))

    def files(self, state: str | None = "open") -> list[FileRow]:
        """Return the generations in a state, or all."""
        with self._guard:
            return read_files(self.connection, state)

    def file_of(self, document_id: str) -> int:
        """Return the id of the file that a document came from; 0 when it is not known any more."""
        rows = self.rows("SELECT id FROM file WHERE key = ?", (document_id.rpartition("-")[0],))
        return int(rows[0][0]) if rows else 0  # type: ignore[call-overload]  # the column is INTEGER

    # documents

    def commit(
        self,
        batches: Sequence[Batch],
        progress: Sequence[Progress],
        *,
        redacted: Mapping[str, int] | None = None,
        beside: Callable[[sqlite3.Connection], None] | None = None,
    ) -> list[int]:
        """
        Make documents, positions and one leaf a batch durable, or none of them; return the sequence numbers.

        `redacted` counts the secrets taken out of the documents, by rule; `beside` writes what belongs to them.
        """
        packed = [igzip.compress(batch.body, 1, mtime=0) for batch in batches]
        now = _now()
        numbers = []
        with self.transaction() as connection:
            for batch, body in zip(batches, packed, strict=True):
                numbers.append(_insert_batch(connection, batch, body))
            for step in progress:
                _advance(connection, step, now)
            if redacted:
                tallies.add(connection, "redacted", redacted)
            if beside is not None:
                beside(connection)
        return numbers

    def append(self, connection: sqlite3.Connection, batch: Batch) -> int:
        """Add a batch and its leaf within a transaction that is under way; return its sequence number."""
        return _insert_batch(connection, batch, igzip.compress(batch.body, 1, mtime=0))

    def follow(self, name: str) -> int:
        """Return where a follower's cursor stands; a new one begins at the oldest batch kept."""
        with self.transaction() as connection:
            row = connection.execute("SELECT seq FROM cursor WHERE name = ?", (name,)).fetchone()
            if row is None:
                oldest = connection.execute("SELECT min(seq) FROM batch").fetchone()[0]
                newest = connection.execute("SELECT coalesce(max(seq), 0) FROM leaf").fetchone()[0]
                seq = oldest - 1 if oldest is not None else newest
                connection.execute("INSERT INTO cursor (name, seq, updated) VALUES (?, ?, ?)", (name, seq, _now()))
                return int(seq)
            return int(row[0])

    def after(self, seq: int, *, limit: int = 1) -> list[StoredBatch]:
        """Return the next batches after a sequence number, oldest first."""
        rows = self.rows(f"SELECT {_BATCH} FROM batch WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))  # noqa: S608  # a constant
        return [_stored(row) for row in rows]  # type: ignore[arg-type]  # the columns' types

    def settle(
        self,
        name: str,
        batch: StoredBatch,
        *,
        delivered: Mapping[int, int],
        duplicate: Mapping[int, int],
        rejected: Sequence[Rejected],
        redelivered: int = 0,
    ) -> None:
        """
        Record what became of each document of a batch, and move the cursor past it, in one transaction.

        `redelivered` of the documents were sent again without knowing what became of the first time.
        """
        refused: dict[int, int] = {}
        for item in rejected:
            file = self.file_of(item.id)
            refused[file] = refused.get(file, 0) + 1
        counted = sum(delivered.values()) + sum(duplicate.values()) + len(rejected)
        if counted != batch.count:
            raise LedgerError(f"batch {batch.seq} has {batch.count} documents, but {counted} outcomes")
        now = _now()
        with self.transaction() as connection:
            moved = connection.execute(
                "UPDATE cursor SET seq = ?, updated = ?, last_error = '' WHERE name = ? AND seq < ?",
                (batch.seq, now, name, batch.seq),
            )
            if moved.rowcount != 1:
                raise LedgerError(f"batch {batch.seq} was settled before for {name}")
            tallies.count_outcomes(connection, name, delivered, duplicate, refused)
            if redelivered:
                tallies.add(connection, "redelivered", {name: redelivered})
            connection.executemany(
                "INSERT INTO rejected (cursor, dataset, id, status, reason, document, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(name, batch.dataset, item.id, item.status, item.reason, item.document, now) for item in rejected],
            )

    def failed(self, name: str, error: str) -> None:
        """Note a follower's last error, for the status page."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE cursor SET last_error = ?, last_error_at = ? WHERE name = ?", (error, _now(), name)
            )

    def next_of(self, file_id: int, seq: int, *, without: tuple[str, str]) -> int:
        """Return the first batch from a sequence number on, not of two datasets, with documents of a file; 0: none."""
        rows = self.rows(
            "SELECT seq FROM batch, json_each(batch.files) WHERE seq >= ? AND dataset NOT IN (?, ?) "
            "AND json_each.key = ? ORDER BY seq LIMIT 1",
            (seq, *without, str(file_id)),
        )
        return int(str(rows[0][0])) if rows else 0

    def read_so_far(self, file_id: int) -> tuple[int, int]:
        """Return where the oldest byte of a file is that is in no document yet, and the end of what was read."""
        ((position, read),) = self.rows("SELECT position, read FROM file WHERE id = ?", (file_id,))
        return int(str(position)), int(str(read))

    def waiting(self, name: str) -> int:
        """Return how many documents have no outcome yet at a follower."""
        rows = self.rows(
            "SELECT coalesce(sum(count), 0) FROM batch WHERE seq > (SELECT seq FROM cursor WHERE name = ?)", (name,)
        )
        return int(str(rows[0][0]))

    def pages(self) -> tuple[int, int, int]:
        """Return the size of a page in bytes, how many the ledger uses, and how many are free inside it."""
        (size,), (count,), (free,) = (
            self.rows(f"PRAGMA {name}")[0] for name in ("page_size", "page_count", "freelist_count")
        )
        return int(str(size)), int(str(count)) - int(str(free)), int(str(free))

    def sealed_bytes(self) -> int:
        """Return the size of all segments."""
        return int(str(self.rows("SELECT coalesce(sum(size), 0) FROM segment")[0][0]))

    def prune(self, *, archive: bool) -> int:
        """Delete the batches that every cursor has passed and that are sealed, where sealing is on; return how many."""
        with self.transaction() as connection:
            passed = connection.execute("SELECT min(seq) FROM cursor").fetchone()[0]
            if passed is None and not archive:
                return 0
            sealed = "AND segment IS NOT NULL" if archive else ""
            limit = passed if passed is not None else 1 << 62
            gone = connection.execute(f"DELETE FROM batch WHERE seq <= ? {sealed}", (limit,))  # noqa: S608  # a constant
            return gone.rowcount


def _damaged(error: BaseException) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def explained(what: str, error: BaseException) -> LedgerError:
    """Return the error to raise: a damaged file, or a disk that is full, read-only or failing."""
    if _damaged(error):
        return LedgerDamaged(f"{what}: {error}")
    if isinstance(error, FileExistsError | NotADirectoryError | PermissionError):
        return LedgerError(f"{what}: {error.strerror}", "name a folder that is yours to write: --state-dir")
    return LedgerError(f"{what}: {error}", "nothing is lost: free space or repair the disk; it is tried again")


def take_lock(path: Path) -> int:
    """Take the lock of the one process that writes; raises LedgerLocked when another has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip()
        os.close(lock)
        raise LedgerLocked(f"{path.parent} is written by another agent (process {owner or 'unknown'})") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    return lock


def connect(path: Path, *, readonly: bool, any_format: bool = False) -> sqlite3.Connection:
    """Open a database, and make its tables when it is empty and to be written; `any_format`: an older one too."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise LedgerTooNew(f"{path} has format {version}; this release knows formats up to {VERSION}")
        if not readonly:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
            connection.execute("PRAGMA journal_size_limit = 16777216")
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            for older in range(version or VERSION, VERSION):
                step = f"{UPGRADES[older]} PRAGMA user_version = {older + 1};"
                connection.executescript(f"BEGIN IMMEDIATE; {step} COMMIT;")
        elif version == 0:
            raise LedgerError(f"{path} is empty", "has the agent run with this --state-dir?")
        elif version < VERSION and not any_format:
            raise LedgerError(f"{path} is of an earlier release", "start the agent once: it brings it up to date")
    except BaseException:
        connection.close()
        raise
    return connection


def _insert_batch(connection: sqlite3.Connection, batch: Batch, body: bytes) -> int:
    files = orjson.dumps({str(file): count for file, count in batch.files.items()}).decode()
    seq = connection.execute(
        "INSERT INTO batch (dataset, count, first_time, last_time, files, size, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch.dataset, batch.count, batch.first_time, batch.last_time, files, len(batch.body), body),
    ).lastrowid
    if seq is None:
        raise LedgerError("the ledger gave no sequence number")
    entry = leaf_entry(seq, batch)
    connection.execute(
        "INSERT INTO leaf (number, seq, entry, hash) VALUES ((SELECT coalesce(max(number) + 1, 0) FROM leaf), ?, ?, ?)",
        (seq, entry, leaf_hash(entry)),
    )
    return seq


def _advance(connection: sqlite3.Connection, step: Progress, now: str) -> None:
    row = connection.execute("SELECT dropped FROM file WHERE id = ?", (step.file,)).fetchone()
    dropped: dict[str, int] = orjson.loads(row[0])
    for rule, count in step.dropped.items():
        dropped[rule] = dropped.get(rule, 0) + count
    connection.execute(
        "UPDATE file SET position = ?, done = ?, read = max(read, ?), tail = ?, last_read = ?, lines = lines + ?, "
        "events = events + ?, unparsed = unparsed + ?, bytes_documents = bytes_documents + ?, "
        "bytes_dropped = bytes_dropped + ?, bytes_skipped = bytes_skipped + ?, dropped = ? WHERE id = ?",
        (
            step.position, orjson.dumps(step.done).decode(), step.read, mark(step.tail), now, step.lines, step.events,
            step.unparsed, step.bytes_documents, step.bytes_dropped, step.bytes_skipped,
            orjson.dumps(dropped).decode(), step.file,
        ),
    )  # fmt: skip


def _stored(row: tuple[int, str, int, str, str, str, bytes]) -> StoredBatch:
    seq, dataset, count, first, last, files, body = row
    return StoredBatch(
        seq, dataset, count, first, last, {int(file): n for file, n in orjson.loads(files).items()}, body
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
