"""Suspects: which of thousands of texts may hold a secret, by one Hyperscan pass over all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import hyperscan

from logship.errors import PipelineError


class Scanner:
    """Finds texts that any of the patterns matches; may name too many, never too few."""

    def __init__(self, patterns: Sequence[str]) -> None:
        expressions = [pattern.encode() for pattern in patterns]
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            self._database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=0)
        except hyperscan.error as error:
            raise PipelineError(f"redaction: a scan pattern cannot be compiled: {error}") from error
        # Hyperscan gives up the interpreter lock while it scans, and its scratch space is for one scan at a time.
        self._lock = threading.Lock()

    def find(self, texts: Sequence[str]) -> list[int]:
        """Return the indexes of the texts that match, ascending."""
        # Every text stands between two NULs: patterns know the beginning of a text by the one before it.
        data = ("\0" + "\0".join(texts) + "\0").encode(errors="surrogatepass")
        if data.count(0) != len(texts) + 1:
            data = ("\0" + "\0".join(text.replace("\0", "\1") for text in texts) + "\0").encode(errors="surrogatepass")
        ends: list[int] = []

        def found(number: int, start: int, end: int, flags: int, context: object) -> None:  # noqa: ARG001
            ends.append(end)

        with self._lock:
            self._database.scan(data, match_event_handler=found)
        if not ends:
            return []
        indexes: list[int] = []
        index, counted = -1, 0
        for end in sorted(ends):
            if end > counted:
                # A match may end on the NUL after its text.
                index += data.count(0, counted, end - 1)
                counted = end - 1
            if not indexes or indexes[-1] != index:
                indexes.append(index)
        return indexes
