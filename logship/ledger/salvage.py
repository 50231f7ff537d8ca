"""Reads a damaged ledger as far as it can be read: from the start, around what is broken, and from the end."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from logship.delivery.bulk import documents
from logship.errors import LedgerError
from logship.ledger.marks import mark
from logship.ledger.rotations import make_tables
from logship.model import Source, StoredBatch

#: Table and its key; in this order, for what a batch refers to comes before it.
_TABLES = (
    ("meta", "name"),
    ("segment", "id"),
    ("cursor", "name"),
    ("file", "id"),
    ("spent", "key"),
    ("outcome", "cursor, file"),
    ("gap", "number"),
    ("compressed", "file"),
    ("rejected", "number"),
    ("leaf", "number"),
    ("batch", "seq"),
    ("unpaired", "key"),
)
#: The same of the tables of managed rotation, which not every ledger has.
_ROTATIONS = (("backup", "id"), ("rotating", "file"), ("rotation", "path"))
_EPOCH = "1970-01-01T00:00:00.000Z"
#: Farthest jump over rows that cannot be read.
_FAR = 1 << 24
#: A ledger of more bytes than this is none.
_LARGEST = 1 << 44


@dataclass(slots=True)
class Salvaged:
    """What could be read of a ledger, and what could not."""

    #: Rows by table.
    kept: dict[str, int] = field(default_factory=dict)
    #: Tables that could not be read to the end, and why.
    unreadable: dict[str, str] = field(default_factory=dict)
    #: Batches that some follower had not passed, or that were in no segment, and that are lost.
    lost_batches: int = 0
    #: Documents of them, as far as the audit log tells.
    lost_documents: int = 0
    #: The files that are followed are read again from their starts.
    read_again: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def salvage(path: Path, target: sqlite3.Connection, *, archive: bool) -> Salvaged:
    """Copy what can be read into an empty ledger; if documents are lost that somebody waited for, read files again."""
    found = Salvaged()
    with _whole_file(path), closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as source:
        target.execute("BEGIN")
        rotations = _ROTATIONS if _managed(source) else ()
        if rotations:
            make_tables(target)
        for table, key in (*_TABLES, *rotations):
            _copy(source, target, table, key, found)
        newest = _newest(source, target)
    target.execute("DELETE FROM sqlite_sequence WHERE name = 'batch'")
    target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('batch', ?)", (newest,))
    _number_leaves(target)
    _miss(target, found, newest, archive=archive)
    pending = _pending(target)
    _keep_places(target, pending)
    if found.read_again:
        _read_again(target, pending)
    target.execute("UPDATE batch SET segment = NULL WHERE segment NOT IN (SELECT id FROM segment)")
    target.execute("COMMIT")
    return found


def _managed(source: sqlite3.Connection) -> bool:
    """Tell whether there are tables of managed rotation, or may be: the list of tables cannot be read."""
    try:
        return source.execute("SELECT 1 FROM sqlite_master WHERE name = 'rotation'").fetchone() is not None
    except sqlite3.Error:
        return True


@contextmanager
def _whole_file(path: Path) -> Iterator[None]:
    """Let a ledger that was cut off have the size that it says it has: SQLite reads nothing of it otherwise."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(32)
    page, pages = int.from_bytes(head[16:18]), int.from_bytes(head[28:32])  # SQLite's file format, 1.3
    stated = (page if page != 1 else 65536) * pages
    if head.startswith(b"SQLite format 3\0") and size < stated < _LARGEST:
        os.truncate(path, stated)  # a hole, which reads as zeros
        try:
            yield
        finally:
            os.truncate(path, size)
    else:
        yield


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str, key: str, found: Salvaged) -> None:
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    with suppress(sqlite3.Error):  # an earlier release had fewer of them, or not this table
        theirs = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
        columns = [name for name in columns if name in theirs]
    if not columns:
        found.kept[table] = 0
        return
    statement = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # names of our own
    kept = 0
    for row in _rows(source, table, columns, key, found):
        if table == "batch" and not _whole(dict(zip(columns, row, strict=True))):
            found.unreadable.setdefault(table, "documents do not fit their checksum")
            continue
        try:
            kept += target.execute(statement, row).rowcount
        except sqlite3.IntegrityError as error:  # a value that the table does not take was no row of it
            found.unreadable.setdefault(table, str(error))
    found.kept[table] = kept


def _rows(
    source: sqlite3.Connection, table: str, columns: list[str], key: str, found: Salvaged
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows from the start; after an error jump, the farther the longer it goes on; at last from the end."""
    select = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608  # names of our own
    numbered = key in ("id", "number", "seq", "file")
    place, jump, last = -1, 0, None
    while jump <= _FAR:
        try:
            bounds = f" WHERE {key} > {place + jump}" if numbered else ""
            for row in source.execute(f"{select}{bounds} ORDER BY {key}"):
                yield row
                last = row
                if numbered:
                    place, jump = max(int(row[columns.index(key)]), place), 0
            return
        except (sqlite3.Error, ValueError, TypeError) as error:
            found.unreadable.setdefault(table, str(error))
            if not numbered:
                break
            jump = jump * 2 or 1
    try:
        descending = ", ".join(f"{name} DESC" for name in key.split(", "))
        for row in source.execute(f"{select} ORDER BY {descending}"):
            if row == last:
                return
            yield row
    except sqlite3.Error:
        return  # both ends are read


def _whole(row: dict[str, Any]) -> bool:
    """Tell whether a batch's documents are those that were written."""
    try:
        files = {int(file): count for file, count in orjson.loads(row["files"]).items()}
        documents(StoredBatch(row["seq"], row["dataset"], row["count"], "", "", files, row["body"]))
    except (LedgerError, ValueError, TypeError, AttributeError):
        return False
    return True


def _newest(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Return the largest sequence number that any table tells of."""
    told = [0]
    for question in ("SELECT max(seq) FROM leaf", "SELECT max(seq) FROM batch", "SELECT max(seq) FROM cursor",
                     "SELECT max(last_seq) FROM segment"):  # fmt: skip
        told += [row[0] or 0 for row in target.execute(question)]
    with suppress(sqlite3.Error):
        told += [row[0] for row in source.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'")]
    return max(number for number in told if isinstance(number, int) and number < 1 << 62)


def _pending(target: sqlite3.Connection) -> Counter[int]:
    """Count the documents that some follower has not passed, by file."""
    (passed,) = target.execute("SELECT coalesce(min(seq), 0) FROM cursor").fetchone()
    pending: Counter[int] = Counter()
    for (files,) in target.execute("SELECT files FROM batch WHERE seq > ?", (passed,)):
        pending.update({int(file): count for file, count in orjson.loads(files).items()})
    return pending


def _keep_places(target: sqlite3.Connection, pending: Counter[int]) -> None:
    """Stand in for files whose rows are lost, so that no other file gets their numbers."""
    known = {row[0] for row in target.execute("SELECT id FROM file")}
    named = pending.keys() | {row[0] for row in target.execute("SELECT file FROM outcome")}
    source = orjson.dumps(asdict(Source("unknown"))).decode()
    target.executemany(
        "INSERT INTO file (id, key, path, device, inode, service, source, head, tail, state, first_seen, last_read, "
        "events) VALUES (?, ?, '(not known any more)', 0, 0, 'unknown', ?, x'', x'', 'ended', ?, ?, ?)",
        [(file, f"lost.{file}", source, _EPOCH, _EPOCH, 1 << 48) for file in sorted(named - known - {0})],
    )


def _read_again(target: sqlite3.Connection, pending: Counter[int]) -> None:
    """Set the files that are followed back to their starts; what waits for delivery is counted as made already."""
    target.execute("DELETE FROM unpaired")  # both copies are read again
    for file, base in target.execute("SELECT id, base FROM file WHERE state = 'open'").fetchall():
        start = max(base, 0)
        target.execute(
            "UPDATE file SET position = ?, read = ?, bytes_skipped = ?, events = ?, tail = ?, done = '{}', "
            "dropped = '{}', lines = 0, unparsed = 0, bytes_documents = 0, bytes_dropped = 0 WHERE id = ?",
            (start, start, start, pending[file], mark(b""), file),
        )
        target.execute("DELETE FROM outcome WHERE file = ?", (file,))


def _number_leaves(target: sqlite3.Connection) -> None:
    """Leave out leaves after a gap: what follows it proves nothing, and numbers go on from there."""
    gap = target.execute(
        "SELECT min(number) FROM leaf WHERE number > 0 AND number - 1 NOT IN (SELECT number FROM leaf)"
    ).fetchone()[0]
    first = target.execute("SELECT min(number) FROM leaf").fetchone()[0]
    if first:
        gap = 0
    if gap is not None:
        target.execute("DELETE FROM leaf WHERE number >= ?", (gap,))


def _miss(target: sqlite3.Connection, found: Salvaged, newest: int, *, archive: bool) -> None:
    """Find out which batches are missing that a follower had not passed, or that no segment holds."""
    (passed,) = target.execute("SELECT min(seq) FROM cursor").fetchone()
    (sealed,) = target.execute("SELECT coalesce(max(last_seq), 0) FROM segment").fetchone()
    done = [passed] if passed is not None and "cursor" not in found.unreadable else []
    if archive:
        done.append(sealed)
    after = min(done) if done else 0
    (there,) = target.execute("SELECT count(*) FROM batch WHERE seq > ?", (after,)).fetchone()
    found.lost_batches = max(newest - after - there, 0)
    entries = target.execute(
        "SELECT entry FROM leaf WHERE seq > ? AND seq NOT IN (SELECT seq FROM batch)", (after,)
    ).fetchall()
    found.lost_documents = sum(orjson.loads(entry).get("count", 0) for (entry,) in entries)
    # Without the numbers of the batches nobody knows what there was.
    found.read_again = found.lost_batches > 0 or not newest
