"""
Append documents to a file, one JSON object a line; each exactly once.

Beside `<path>` lies `<path>.state`, JSON: `inode` and `size` of the file just
after the last batch, and that batch's `seq` and `digest` (SHA-256 of its
stored body). It is replaced after the file was fsynced. Bytes beyond `size`
are of an attempt that did not end, and are cut off; a batch that `digest`
names is there already. Full files become `<path>.1`, `<path>.2` ...
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

import orjson

from logship.delivery.bulk import documents
from logship.delivery.sink import SinkUnavailable
from logship.model import Receipt, StoredBatch


class FileSink:
    """Deliver to a file that is rotated by size."""

    def __init__(self, path: Path, *, max_size: int = 100 << 20, backups: int = 5, name: str = "file") -> None:
        self._path = path
        self._state_path = path.with_name(path.name + ".state")
        self._max_size = max_size
        self._backups = backups
        self._name = name

    @property
    def name(self) -> str:
        """Name of the sink's cursor."""
        return self._name

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """Append a batch, and return when it is on the disk."""
        pairs = documents(batch, only)
        digest = hashlib.sha256(batch.body).hexdigest()
        try:
            state = self._state()
            if state.get("seq") == batch.seq and state.get("digest") == digest:
                return Receipt(duplicate=[name for name, _ in pairs])
            self._append(b"".join([document + b"\n" for _, document in pairs]), state, batch.seq, digest)
        except OSError as error:
            raise SinkUnavailable(f"cannot write {self._path}: {error.strerror or error}") from error
        return Receipt(delivered=len(pairs))

    def _append(self, data: bytes, state: dict[str, Any], seq: int, digest: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._open())
            size = self._settled(file.fileno(), state)
            if size and size + len(data) > self._max_size:
                self._rotate()
                file = stack.enter_context(self._open())
                size = 0
                self._remember(file.fileno(), size, state.get("seq"), state.get("digest"))
            file.truncate(size)
            file.seek(size)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            self._remember(file.fileno(), size + len(data), seq, digest)

    def _open(self) -> Any:  # noqa: ANN401  # a FileIO; unbuffered would allow short writes
        return os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640), "r+b")

    def _settled(self, file: int, state: dict[str, Any]) -> int:
        """Return where the last whole batch ends: as remembered, unless another has replaced or cut the file."""
        found = os.fstat(file)
        if found.st_ino == state.get("inode") and found.st_size >= state.get("size", 0):
            return int(state["size"])
        return found.st_size

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._backup(number).replace(self._backup(number + 1))
        if self._backups:
            self._path.replace(self._backup(1))
        else:
            self._path.unlink()

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _state(self) -> dict[str, Any]:
        try:
            state = orjson.loads(self._state_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _remember(self, file: int, size: int, seq: int | None, digest: str | None) -> None:
        state = {"inode": os.fstat(file).st_ino, "size": size, "seq": seq, "digest": digest}
        new = self._state_path.with_name(self._state_path.name + ".new")
        with new.open("wb") as out:
            out.write(orjson.dumps(state))
            out.flush()
            os.fsync(out.fileno())
        new.replace(self._state_path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
