"""
Gaps: bytes of files that will never be in a document, because they were destroyed or dropped before.

A gap is a row of the ledger's table `gap`, and a document of the dataset
`logship.gap` that goes the way of all others: committed, sealed, delivered,
counted for the file that it is about.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from logship.ledger.ledger import Ledger
from logship.model import Batch

DATASET = "logship.gap"

#: `deleted`: the file went away; `truncated`: it was cut; `rewritten`: other bytes are in its place; `damaged`: they
#: cannot be unpacked or read; `dropped`: they were read, and dropped because the disk budget was used up.
Cause = Literal["deleted", "truncated", "rewritten", "damaged", "dropped"]

_REASONS = {
    "deleted": "the file was deleted before they were read",
    "truncated": "the file was truncated before they were read",
    "rewritten": "other bytes were written in their place before they were read",
    "damaged": "they cannot be read or unpacked",
    "dropped": "the disk budget was used up and the oldest documents were dropped",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of one generation of a file that will never be in a document."""

    #: Row in the ledger's `file` table.
    file: int
    #: Logical offset of the first byte lost.
    first: int
    #: Logical offset just after the last byte lost; None: nobody knows how much there was, perhaps nothing.
    behind: int | None
    cause: Cause
    #: Documents that had been made of the bytes and were dropped, and what else is to be said of it.
    documents: int = 0
    remark: str = ""


class Gaps:
    """Records gaps, each once; `constants` are the ECS fields of every document, nested."""

    def __init__(self, ledger: Ledger, constants: Mapping[str, Any] | None = None, namespace: str = "default") -> None:
        self._ledger = ledger
        self._constants = constants or {}
        self._namespace = namespace

    def record(self, gaps: Iterable[Gap]) -> int:
        """Make gaps durable, row and document in one transaction; return how many were not known before."""
        with self._ledger.transaction() as connection:
            return self.enter(connection, gaps)

    def enter(self, connection: sqlite3.Connection, gaps: Iterable[Gap]) -> int:
        """Do what `record` does within a transaction that is under way."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        rows: list[bytes] = []
        files: dict[int, int] = {}
        for gap in gaps:
            file = connection.execute(
                "SELECT key, path, source, device, inode FROM file WHERE id = ?", (gap.file,)
            ).fetchone()
            new = file and connection.execute(
                "INSERT OR IGNORE INTO gap (file, path, first, behind, cause, documents, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (gap.file, file[1], gap.first, gap.behind, gap.cause, gap.documents, moment),
            )
            if new and new.rowcount:
                rows += self._document(gap, moment, *file)
                files[gap.file] = files.get(gap.file, 0) + 1
        if rows:
            count = len(rows) // 2
            self._ledger.append(connection, Batch(DATASET, b"".join(rows), count, moment, moment, files))
            connection.executemany(
                "UPDATE file SET events = events + ? WHERE id = ?", [(made, file) for file, made in files.items()]
            )
        return len(rows) // 2

    def _document(
        self, gap: Gap, moment: str, key: str, path: str, source: str, device: int, inode: int
    ) -> list[bytes]:
        origin = orjson.loads(source)
        lost = None if gap.behind is None else gap.behind - gap.first
        details: dict[str, str | int | None]
        details = {"cause": gap.cause, "first": gap.first, "behind": gap.behind, "bytes": lost}
        if gap.documents:
            details["documents"] = gap.documents
        document = copy.deepcopy(dict(self._constants)) | origin["fields"]
        document |= {
            "@timestamp": moment,
            "message": _sentence(gap, path, lost),
            "service": {"name": origin["service"]},
            "data_stream": {"type": "logs", "dataset": DATASET, "namespace": self._namespace},
            "event": {
                "kind": "event" if lost is None else "alert",
                "module": "logship",
                "dataset": DATASET,
                "action": f"log-{gap.cause}",
                "type": ["error"],
                "outcome": "unknown" if lost is None else "failure",
                "reason": _reason(gap),
            },
            "log": {
                "level": "warning",
                "offset": gap.first,
                "file": {"path": path, "inode": str(inode), "device_id": str(device)},
            },
            "logship": {"gap": {name: value for name, value in details.items() if value is not None}},
        }
        # Not the id of the document that begins there: it may have been delivered somewhere.
        return [orjson.dumps({"create": {"_id": f"{key}-gap{gap.first}"}}) + b"\n", orjson.dumps(document) + b"\n"]


def _sentence(gap: Gap, path: str, lost: int | None) -> str:
    if lost is None:
        return f"bytes from {gap.first:,} on, if there were any, are lost of {path}: {_reason(gap)}"
    return f"bytes {gap.first:,} to {gap.behind:,} ({lost:,}) are lost of {path}: {_reason(gap)}"


def _reason(gap: Gap) -> str:
    return f"{_REASONS[gap.cause]}; {gap.remark}" if gap.remark else _REASONS[gap.cause]
