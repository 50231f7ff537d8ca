"""The segments as the catalogue knows them: size and SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from logship.store.batches import open_ledger


def damaged(state_dir: Path, paths: Iterable[str]) -> list[str]:
    """Return which segments, of those of the catalogue, do not hold any more what was written to them."""
    with closing(open_ledger(state_dir)) as ledger:
        known = {str(state_dir / path): row for path, *row in ledger.execute("SELECT path, size, sha256 FROM segment")}
    return [path for path in paths if path in known and _differs(Path(path), *known[path])]


def damage(path: Path, size: int, sha256: str) -> str:
    """Say what is wrong with a segment; empty when it holds what was written to it."""
    try:
        with path.open("rb") as file:
            if (found := os.fstat(file.fileno()).st_size) != size:
                return f"has {found:,} bytes instead of {size:,}"
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error.strerror or str(error)
    return "" if digest == sha256 else "holds other bytes than were written to it"


def _differs(path: Path, size: int, sha256: str) -> bool:
    """Tell whether a segment that is there, and may be read, holds other bytes than were written to it."""
    return os.access(path, os.R_OK) and bool(damage(path, size, sha256)) and path.exists()
