"""
Who writes a file, and whether with O_APPEND.

A writer without O_APPEND keeps its own place in the file: after the head was
removed it would go on behind the end, and leave a hole. `/proc/<pid>/fdinfo`
tells the flags (proc(5)), as far as this process may see others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Number of the machine's own process namespace (`PROC_PID_INIT_INO` of linux/proc_ns.h).
_HOST = 0xEFFFFFFC

#: Device and inode.
Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Writer:
    """One process that has a file open for writing."""

    pid: int
    command: str
    append: bool

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class Writers:
    """Those that were seen, and why there may be others."""

    seen: tuple[Writer, ...]
    #: Why not every process could be looked at; empty when all were.
    blind: str


def writers(device: int, inode: int) -> Writers:
    """Look through all processes for descriptors that write a file."""
    found, blind = writers_of({(device, inode)})
    return Writers(tuple(found.get((device, inode), ())), blind)


def writers_of(files: Collection[Key]) -> tuple[dict[Key, list[Writer]], str]:
    """Look through all processes once for those that write any of some files, and tell why there may be others."""
    found: dict[Key, dict[tuple[int, bool], Writer]] = {}
    blind = _namespace()
    for process in _processes():
        try:
            descriptors = os.listdir(f"/proc/{process}/fd")  # noqa: PTH208  # no Path for each of thousands
        except PermissionError:
            blind = blind or "processes of other users cannot be looked at"
            continue
        except OSError:
            continue  # it ended
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{process}/fd/{descriptor}")  # noqa: PTH116  # thousands of them
                key = (status.st_dev, status.st_ino)
                if key in files and (flags := _flags(process, descriptor)) & os.O_ACCMODE != os.O_RDONLY:
                    append = bool(flags & os.O_APPEND)
                    found.setdefault(key, {})[process, append] = Writer(process, _command(process), append)
    return {key: list(seen.values()) for key, seen in found.items()}, blind


def _namespace() -> str:
    try:
        own = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116  # it is no link to resolve
    except OSError:
        return "/proc cannot be read"
    return "" if own == _HOST else "processes of the host and of other containers cannot be seen from this container"


def _processes() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _flags(process: int, descriptor: str) -> int:
    for line in Path(f"/proc/{process}/fdinfo/{descriptor}").read_text().splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8)
    return 0


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return "a process that ended"
