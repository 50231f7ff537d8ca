"""The backups of a file: `name.1` is the newest, `name.2` the one before; `.gz` where they are compressed."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from logship.store.sealed import sync_directory

_PIECE = 1 << 20
#: A window of 32 KiB, and gzip's header and checksum (RFC 1952).
_GZIP = 31


def partial(live: Path) -> Path:
    """Return where a backup is while it is written: a name that no pattern for logs finds."""
    return live.with_name(f".{live.name}.logship")


def backups(live: Path) -> dict[int, Path]:
    """Return the numbered files beside a file, by number."""
    pattern = re.compile(re.escape(live.name) + r"\.([1-9]\d*)(?:\.gz)?")
    found: dict[int, Path] = {}
    with os.scandir(live.parent) as entries:
        for entry in entries:
            if match := pattern.fullmatch(entry.name):
                found[int(match[1])] = live.with_name(entry.name)
    return found


def write(source: int, length: int, target: Path, *, compress: bool) -> os.stat_result:
    """Write the first bytes of an open file to a new one, with its owner and mode, until they are on the disk."""
    target.unlink(missing_ok=True)
    model = os.fstat(source)
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        os.fchown(descriptor, model.st_uid, model.st_gid)
        os.fchmod(descriptor, model.st_mode & 0o777)
        if compress:
            _compress(source, length, file)
        else:
            _copy(source, 0, length, descriptor)
        os.fsync(descriptor)
        return os.fstat(descriptor)


def extend(source: int, start: int, target: Path) -> int:
    """Copy what an open file has beyond a place to the end of another, until there is no more; return the new end."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.lseek(descriptor, 0, os.SEEK_END)
        while (end := os.fstat(source).st_size) > start:
            _copy(source, start, end - start, descriptor)
            start = end
    finally:
        os.close(descriptor)
    return start


def shift(live: Path, taken: dict[int, Path]) -> None:
    """Free the first number: each backup up to the first free one gets the next; again after a crash does no harm."""
    free = next(number for number in range(1, len(taken) + 2) if number not in taken)
    for number in range(free - 1, 0, -1):
        suffix = ".gz" if taken[number].name.endswith(".gz") else ""
        taken[number].rename(live.with_name(f"{live.name}.{number + 1}{suffix}"))


def publish(live: Path, *, compress: bool) -> None:
    """Give the backup that was written the first number, durably."""
    partial(live).rename(live.with_name(f"{live.name}.1{'.gz' if compress else ''}"))
    sync_directory(live.parent)


def _copy(source: int, start: int, length: int, target: int) -> None:
    """Copy bytes, without moving them where the file system can share them."""
    end = start + length
    while start < end:
        try:
            done = os.copy_file_range(source, target, end - start, offset_src=start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            done = os.write(target, os.pread(source, min(end - start, _PIECE), start))
        if not done:
            raise OSError(errno.EIO, "the file has become shorter")
        start += done


def _compress(source: int, length: int, file: BinaryIO) -> None:
    packer = isal_zlib.compressobj(1, wbits=_GZIP)
    start = 0
    while start < length:
        data = os.pread(source, min(length - start, _PIECE), start)
        if not data:
            raise OSError(errno.EIO, "the file has become shorter")
        file.write(packer.compress(data))
        start += len(data)
    file.write(packer.flush())
    file.flush()
