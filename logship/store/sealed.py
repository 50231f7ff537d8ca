"""What the sealing child and its parent share: the description of a segment, the lock, durable directories."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOCK = ".seal.lock"


@dataclass(frozen=True, slots=True)
class Sealed:
    """One segment that has been written and is not yet in the catalogue."""

    #: Relative to the state directory.
    path: str
    dataset: str
    #: The batches whose documents it holds.
    seqs: list[int]
    count: int
    first_time: str
    last_time: str
    size: int
    sha256: str


@contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Hold the lock of everyone who makes or sweeps segment files; yield whether it could be had at once."""
    with (directory / LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def sync_directory(directory: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
