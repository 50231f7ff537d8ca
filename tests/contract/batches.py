"""Batches for tests: made of documents, directly or through a ledger."""

from pathlib import Path

import orjson

from logship.delivery.bulk import pack
from logship.model import Batch, Source, StoredBatch

TIME = "2026-01-02T03:04:05.678Z"


def document(number: int = 0, **fields) -> dict:
    """Make a document as the pipelines make it."""
    return {"@timestamp": TIME, "message": f"line {number}", "log": {"level": "info"}} | fields


def stored(*documents, seq: int = 1, key: str = "k", dataset: str = "dify.api") -> StoredBatch:
    """Make a batch as the ledger gives it back; ids are `<key>-<place>`, from file 1."""
    pairs = [
        (f"{key}-{place}", one if isinstance(one, bytes) else orjson.dumps(one)) for place, one in enumerate(documents)
    ]
    return StoredBatch(seq, dataset, len(pairs), TIME, TIME, {1: len(pairs)}, pack(pairs))


def register(ledger, name: str = "api.log"):
    """Add a file to a ledger and return its FileRef."""
    place = len(ledger.files(None)) + 1
    row = ledger.register(path=Path("/logs") / name, device=1, inode=place, head=b"first line\n", source=Source("api"))
    return row.ref


def commit(ledger, *files, documents: int = 2, start: int = 0) -> int:
    """Commit one batch with some documents of each file, and return its sequence number."""
    lines = [
        b'{"create":{"_id":"%b-%d"}}\n%b\n' % (file.key.encode(), start + place, orjson.dumps(document(start + place)))
        for file in files
        for place in range(documents)
    ]
    counts = {file.id: documents for file in files}
    (seq,) = ledger.commit([Batch("dify.api", b"".join(lines), len(lines), TIME, TIME, counts)], [])
    return seq


def outcomes(ledger, name: str) -> dict[int, tuple[int, int, int]]:
    """Return delivered, duplicate and rejected by file, as the ledger counts them."""
    rows = ledger.connection.execute(
        "SELECT file, delivered, duplicate, rejected FROM outcome WHERE cursor = ?", (name,)
    )
    return {file: (delivered, duplicate, rejected) for file, delivered, duplicate, rejected in rows}
