"""
What `logship setup` remembers in Kibana of what it wrote, to tell what an operator has changed since.

Kibana migrates what it is given, so that contents cannot be compared; but it
says of every object when it was written last. Our tag's description holds the
time of our own last write, a digest of what was sent, and which objects were
kept because somebody else had changed them:

    Made by logship setup, 2026-11-27T10:00:00.000Z, 3f2a9c0d1e4b, kept logship-overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_FORM = re.compile(r"Made by logship setup, (\S+Z), ([0-9a-f]{12})(?:, kept (\S+))?")


@dataclass(frozen=True, slots=True)
class Record:
    """Our last write."""

    #: Of the objects that were ours then, the newest `updated_at`; empty: nothing is known.
    at: str = ""
    #: Of all that was sent.
    digest: str = ""
    #: Ids of what somebody else had changed.
    kept: frozenset[str] = frozenset()

    @classmethod
    def read(cls, tag: dict[str, Any] | None) -> Record:
        """Return what a tag remembers."""
        found = _FORM.fullmatch(tag["attributes"].get("description", "")) if tag else None
        return cls(found[1], found[2], frozenset((found[3] or "").split(",")) - {""}) if found else cls()

    def untouched(self, found: dict[str, Any]) -> bool:
        """Return whether an object is as we left it."""
        return found["id"] not in self.kept and str(found.get("updated_at", "")) <= self.at

    def __str__(self) -> str:
        """Return the tag's description."""
        kept = f", kept {','.join(sorted(self.kept))}" if self.kept else ""
        return f"Made by logship setup, {self.at}, {self.digest}{kept}"
