"""
Copies that a copy-truncate rotation makes.

The copy holds what was read from the original, and what the original held
beyond that when it was truncated: it is where the generation goes on.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from logship.sources.discovery import COMPRESSED, GZIP, open_regular
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


def original_name(name: str) -> str:
    """Return the name that a file had before rotations numbered it: `app.log` of `app.log.2` or `app.log-20260101`."""
    return re.sub(r"([.-]\d+)+$", "", name) or name


def named_after(path: Path, original: Path) -> bool:
    """Tell whether a file is in the directory of another and its name continues the other's original name."""
    base = original_name(original.name)
    return path.parent == original.parent and path.name.startswith(base) and path.name != base


def may_be_copy(generation: Generation, original: Generation) -> bool:
    """Tell by age and name whether a generation could be a copy of another, which is still there."""
    if generation is original or original.final or original.copy_of is not None:
        return False
    # Of two that were found in the same scan, the copy was written last.
    newer = (generation.born, generation.stamp[1]) >= (original.born, original.stamp[1])
    return newer and named_after(generation.path, original.path)


def is_beginning(copy: int, original: int) -> bool:
    """Tell whether an open file holds nothing but the beginning of another, by its first and last bytes."""
    size = os.fstat(copy).st_size
    return all(
        os.pread(copy, MARK, offset) == os.pread(original, min(MARK, size - offset), offset)
        for offset in (0, max(size - MARK, 0))
    )


def find_copies(generation: Generation, current: Mapping[tuple[int, int], Generation]) -> list[Copy]:
    """Return the open copies of a file that was truncated, the largest first; `current` are all known files."""
    if generation.base > 0 or not (generation.mark or generation.partial or generation.marks):
        return []
    copies: dict[tuple[int, int], Copy] = {}
    for path, descriptor in _candidates(generation, current.values()):
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        other = current.get(key)
        no_copy = key in copies or key == generation.key or (other is not None and other.ref is not None)
        whole = None if no_copy else _holds(descriptor, status.st_size, generation)
        if whole is None:
            os.close(descriptor)
        else:
            copies[key] = Copy(path, descriptor, *key, status.st_size, whole)
    return sorted(copies.values(), key=lambda copy: copy.size, reverse=True)


def _candidates(generation: Generation, current: Iterable[Generation]) -> Iterator[tuple[Path, int]]:
    """Open what could be a copy: files beside it, and files that were found, but not read, and may be deleted."""
    for known in current:
        if known.ref is None and known.descriptor >= 0 and named_after(known.path, generation.path):
            yield known.path, os.dup(known.descriptor)
    for path, _ in beside(generation.path):
        with contextlib.suppress(OSError):
            yield path, open_regular(path)


def beside(original: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Return the files in the directory of another that are named after it, with device and inode."""
    base = original_name(original.name)
    found = []
    with contextlib.suppress(OSError), os.scandir(original.parent) as entries:
        for entry in entries:
            if entry.name.startswith(base) and entry.name != base and not entry.name.endswith((*COMPRESSED, GZIP)):
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    found.append((original.parent / entry.name, (status.st_dev, status.st_ino)))
    return found


def _holds(descriptor: int, size: int, generation: Generation) -> bool | None:
    """Tell whether a file holds all that is known of a generation (True), its beginning (False), or neither (None)."""
    if not generation.knows(descriptor):
        return None
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
