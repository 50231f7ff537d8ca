"""What an archive expects of the place that it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Place(Protocol):
    """A place for files under names like `segments/2025-11-20/dify.api-1.parquet`; `str()` tells people where it is."""

    def make(self) -> None:
        """Make the place ready to be written; raises LogshipError."""

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all that is there, by name; raises LogshipError when there is nothing to be asked."""

    def read(self, names: list[str]) -> Iterator[bytes]:
        """Return small files whole, in the order of their names; raises FileNotFoundError or LogshipError."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return a file in parts; raises FileNotFoundError or LogshipError."""

    def put(self, name: str, content: Path | bytes) -> None:
        """Store a file durably, and whole or not at all; raises LogshipError."""

    def delete(self, name: str) -> None:
        """Remove a file, if it is there; raises LogshipError."""

    def path(self, name: str) -> Path | None:
        """Return where a file lies on this machine; None where it does not."""
