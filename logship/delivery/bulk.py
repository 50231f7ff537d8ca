"""
The body of a stored batch: gzip of an Elasticsearch bulk request.

Two lines for each document, `{"create":{"_id":"<id>"}}` and the document
(Elasticsearch guide, "Bulk API"). Couriers send it as it lies; it is taken
apart only when some of its documents need an outcome of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from isal import igzip, isal_zlib

from logship.errors import LedgerDamaged
from logship.model import StoredBatch

#: An id and its document, without newline.
Document = tuple[str, bytes]


def documents(batch: StoredBatch, only: frozenset[str] | None = None) -> list[Document]:
    """Take a batch apart, in order; raises LedgerDamaged when its body is."""
    try:
        lines = isal_zlib.decompress(batch.body, 31).split(b"\n")
        pairs = [
            (orjson.loads(action)["create"]["_id"], document)
            for action, document in zip(lines[0:-1:2], lines[1::2], strict=True)
        ]
    except (OSError, EOFError, ValueError, KeyError, TypeError, isal_zlib.error) as error:  # type: ignore[misc]  # the stub says it is an instance
        raise LedgerDamaged(f"batch {batch.seq} in the ledger is damaged: {error}") from error
    if len(pairs) != batch.count:
        raise LedgerDamaged(f"batch {batch.seq} in the ledger holds {len(pairs)} documents instead of {batch.count}")
    return pairs if only is None else [pair for pair in pairs if pair[0] in only]


def pack(pairs: Iterable[Document]) -> bytes:
    """Make a body of documents again."""
    lines = [b'{"create":{"_id":%b}}\n%b\n' % (orjson.dumps(name), document) for name, document in pairs]
    return igzip.compress(b"".join(lines), 1, mtime=0)


def unpacked_size(body: bytes) -> int:
    """Return the size of a body before compression, from the trailer of the gzip member (RFC 1952, ISIZE)."""
    return int.from_bytes(body[-4:], "little")


def marked(pairs: Iterable[Document]) -> list[Document]:
    """Say in each document that it is sent again and nobody knows what became of the first time."""
    done = []
    for name, document in pairs:
        try:
            body = orjson.loads(document)
            body.setdefault("logship", {})["redelivered"] = True
            done.append((name, orjson.dumps(body)))
        except (ValueError, AttributeError, TypeError):
            done.append((name, document))  # the server will say what is wrong with it
    return done
