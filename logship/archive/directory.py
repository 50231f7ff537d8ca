"""An archive in a directory: a mounted disk, a share, a backup's source."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from logship.errors import LogshipError
from logship.store.sealed import sync_directory


class Directory:
    """Files below a directory, readable by their owner only."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        """Return the path."""
        return str(self._root)

    def make(self) -> None:
        """Make the directory; raises LogshipError."""
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LogshipError(f"cannot make {self._root}: {error.strerror}", "name another directory") from error

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all that is there, by name; raises LogshipError when there is no archive."""
        if not self._root.is_dir():
            raise LogshipError(f"no archive in {self._root}", "`logship archive push --at DIR` makes one")
        found = self._root.glob("segments/*/[!.]*")
        return {path.relative_to(self._root).as_posix(): path.stat().st_size for path in found}

    def read(self, names: list[str]) -> Iterator[bytes]:
        """Return small files whole, in the order of their names; raises FileNotFoundError."""
        return ((self._root / name).read_bytes() for name in names)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return a file in parts; raises FileNotFoundError."""
        with (self._root / name).open("rb") as file:
            while part := file.read(1 << 20):
                yield part

    def put(self, name: str, content: Path | bytes) -> None:
        """Store a file durably, and whole or not at all; raises LogshipError."""
        target = self._root / name
        temporary = target.with_name(f".{target.name}.new")
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                if isinstance(content, bytes):
                    out.write(content)
                else:
                    with content.open("rb") as reader:
                        shutil.copyfileobj(reader, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(target)
            sync_directory(target.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise LogshipError(f"cannot write {target}: {error.strerror}", "check its owner and free space") from error

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        path = self._root / name
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def path(self, name: str) -> Path | None:
        """Return where a file lies."""
        return self._root / name
