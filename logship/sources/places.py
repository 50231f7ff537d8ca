"""Where a file is that was not found under its name: renamed in its directory, deleted, or out of sight."""

from __future__ import annotations

import os
from pathlib import Path

from logship.sources.discovery import COMPRESSED, GZIP
from logship.sources.generation import Generation


class Places:
    """Directories as they are listed during one scan."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[int, str] | None] = {}

    def locate(self, generation: Generation) -> tuple[Path, os.stat_result] | None:
        """Return where a generation's file is, if it is in the directory where it was."""
        for path in (generation.path, self._renamed(generation)):
            if path is not None and (status := _stat(path)) and (status.st_dev, status.st_ino) == generation.key:
                return path, status
        return None

    def certain(self, generation: Generation) -> bool:
        """Tell whether a file that is not there is gone: its file system is mounted and its directory can be read."""
        directory = generation.path.parent
        if self._listing(directory) is not None:
            return (status := _stat(directory)) is not None and status.st_dev == generation.device
        if _stat(directory) is not None:
            return False
        parents = (status for parent in directory.parents if (status := _stat(parent)))
        return next((status.st_dev == generation.device for status in parents), False)

    def _renamed(self, generation: Generation) -> Path | None:
        name = (self._listing(generation.path.parent) or {}).get(generation.inode)
        return generation.path.parent / name if name is not None else None

    def _listing(self, directory: Path) -> dict[int, str] | None:
        if directory not in self._names:
            try:
                with os.scandir(directory) as entries:
                    # An inode that has come to a compressed file was freed: no file that is followed becomes one.
                    named = ((entry.inode(), entry.name) for entry in entries)
                    self._names[directory] = {
                        inode: name for inode, name in named if not name.endswith((*COMPRESSED, GZIP))
                    }
            except OSError:
                self._names[directory] = None
        return self._names[directory]


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def resolved(path: Path) -> Path:
    """Return a path without symbolic links; as it is where they lead nowhere."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path
