"""
Copies that a copy-truncate rotation makes.

The copy holds what was read from the original, and what the original held
beyond that when it was truncated: it is where the generation goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from logship.sources.discovery import COMPRESSED, open_regular
from logship.sources.generation import MARK, Generation


@dataclass(frozen=True, slots=True)
class Copy:
    """An open file that holds the beginning of a generation."""

    path: Path
    descriptor: int
    device: int
    inode: int
    size: int
    #: It holds all that was read, so that the generation can go on in it.
    whole: bool


def may_be_copy(generation: Generation, original: Generation) -> bool:
    """Tell by time and name whether a generation could be a copy of another: newer, same directory, longer name."""
    name, other = generation.path.name, original.path.name
    return (
        generation.born > original.born
        and not original.final
        and len(name) > len(other)
        and name.startswith(other)
        and generation.path.parent == original.path.parent
    )


def is_beginning(copy: int, original: int) -> bool:
    """Tell whether an open file holds nothing but the beginning of another, by its first and last bytes."""
    size = os.fstat(copy).st_size
    return all(
        os.pread(copy, MARK, offset) == os.pread(original, min(MARK, size - offset), offset)
        for offset in (0, max(size - MARK, 0))
    )


def find_copies(generation: Generation, skip: Callable[[tuple[int, int]], bool]) -> list[Copy]:
    """Return the open copies beside a file that was truncated, the largest first; `skip` tells what is no copy."""
    if generation.base or not (generation.mark or generation.partial):
        return []
    copies = []
    for path in _names(generation.path):
        try:
            descriptor = open_regular(path)
        except OSError:
            continue
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        whole = None if skip(key) or key == generation.key else _holds(descriptor, status.st_size, generation)
        if whole is None:
            os.close(descriptor)
        else:
            copies.append(Copy(path, descriptor, *key, status.st_size, whole))
    return sorted(copies, key=lambda copy: copy.size, reverse=True)


def _names(path: Path) -> Iterator[Path]:
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(path.name) and entry.name != path.name]
    except OSError:
        return
    yield from (path.parent / name for name in names if not name.endswith(COMPRESSED))


def _holds(descriptor: int, size: int, generation: Generation) -> bool | None:
    """Tell whether a file holds all that is known of a generation (True), its beginning (False), or neither (None)."""
    known = generation.mark + generation.partial
    start = generation.offset - len(generation.mark)
    if size >= start + len(known):
        return True if generation.held_by(descriptor) else None
    head = generation.head[:size]
    if not size or os.pread(descriptor, len(head), 0) != head:
        return None
    if size > start:
        seen = known[: size - start]
        return False if os.pread(descriptor, len(seen), start) == seen else None
    for offset, mark in reversed(generation.trail):
        if offset <= size:
            return False if os.pread(descriptor, len(mark), offset - len(mark)) == mark else None
    return None
