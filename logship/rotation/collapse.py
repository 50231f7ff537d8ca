"""
Removing the head of a file in place.

fallocate(2), FALLOC_FL_COLLAPSE_RANGE: ext4 and xfs have it, tmpfs and
overlayfs answer EOPNOTSUPP. Offset and length must be multiples of the file
system's block, and the range must not reach the end of the file.
"""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from pathlib import Path

_COLLAPSE_RANGE = 0x08
_MOST = 1 << 20


def collapse(descriptor: int, length: int) -> None:
    """Remove the first bytes of a file that is open for writing; raises OSError, and then nothing was removed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(descriptor, _COLLAPSE_RANGE, ctypes.c_int64(0), ctypes.c_int64(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def granularity(directory: Path) -> int:
    """
    Return of what number of bytes the removed head must be a multiple, found by doing it with a file in the directory.

    Raises OSError: EOPNOTSUPP where the file system cannot do it.
    """
    block = max(os.statvfs(directory).f_bsize, 512)
    while True:
        with tempfile.TemporaryFile(dir=directory, prefix=".logship-") as file:
            file.write(bytes(block) + b"\1" * block)
            file.flush()
            try:
                collapse(file.fileno(), block)
            except OSError as error:
                if error.errno != errno.EINVAL or block >= _MOST:
                    raise
                block *= 2  # the unit of allocation is larger than the block
                continue
            if os.pread(file.fileno(), 2 * block, 0) != b"\1" * block:
                raise OSError(errno.EOPNOTSUPP, "removed something else than was asked", str(directory))
            return block
