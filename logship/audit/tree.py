"""
The Merkle tree over the batches, RFC 6962 section 2.1.

A leaf's entry names the batch and the SHA-256 of its exact bytes, so that the
tree can be checked while only the entries are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from logship.model import Batch


def leaf_entry(seq: int, batch: Batch) -> bytes:
    """Return the bytes that the leaf of a batch commits to: JSON with sorted keys."""
    return orjson.dumps(
        {
            "count": batch.count,
            "dataset": batch.dataset,
            "first_time": batch.first_time,
            "last_time": batch.last_time,
            "seq": seq,
            "sha256": hashlib.sha256(batch.body).hexdigest(),
        }
    )


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of leaf hashes: 32 bytes; of none, the hash of the empty string."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root_hash(leaves[:split]) + root_hash(leaves[split:])).digest()
