"""
Marks of content: what a file's bytes are recognised by, without holding them.

A file may hold secrets, so the ledger keeps a length (2 bytes, big-endian) and
a BLAKE2b digest (16 bytes) of its first bytes and of those before a position.
"""

from __future__ import annotations

import hashlib

#: At most as many bytes are marked.
LIMIT = 1024


def mark(data: bytes) -> bytes:
    """Return the mark of at most LIMIT bytes."""
    return len(data).to_bytes(2) + hashlib.blake2b(data, digest_size=16).digest()


def length(marked: bytes) -> int:
    """Return how many bytes a mark stands for."""
    return int.from_bytes(marked[:2])


def fits(marked: bytes, data: bytes) -> bool:
    """Tell whether bytes are those that a mark was made of."""
    return mark(data) == marked
