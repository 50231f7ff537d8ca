"""The first look: which of thousands of texts may hold a secret, and which rules one text needs; by Hyperscan."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import hyperscan

from logship.errors import PipelineError

#: Bounds that cost more to compile than all the rest; without them the look is a little wider, and as fast.
_WIDE = re.compile(r"\{([01]),\d\d+\}")


def _unbounded(found: re.Match[str]) -> str:
    return "+" if found[1] == "1" else "*"


class Scanner:
    """Finds texts that any of the patterns matches; may name too many, never too few."""

    def __init__(self, patterns: Mapping[str, Iterable[str]], cache: Path | None = None) -> None:
        """
        Compile the patterns, or take what was compiled before from the file `cache`.

        Raises PipelineError for a pattern that Hyperscan does not take.
        """
        rules: dict[str, set[str]] = {}
        for rule, several in patterns.items():
            for expression in several:
                rules.setdefault(expression, set()).add(rule)
        self._rules = [frozenset(names) for names in rules.values()]
        expressions = [_WIDE.sub(_unbounded, expression).encode() for expression in rules]
        self._database = _database(expressions) if cache is None else _kept(expressions, cache)
        # Hyperscan gives up the interpreter lock while it scans, and its scratch space is for one scan at a time.
        self._lock = threading.Lock()

    def find(self, texts: Sequence[str]) -> list[int]:
        """Return the indexes of the texts that match, ascending."""
        data = _joined(texts)
        indexes = self.hits(data)
        if indexes and data.count(0) != len(texts) + 1:  # texts that hold NULs: count without them
            return self.hits(_joined([text.replace("\0", "\1") for text in texts]))
        return indexes

    def hits(self, data: bytes) -> list[int]:
        """Return which of the texts match, ascending; a NUL stands before, between and after them."""
        ends: set[int] = set()

        def found(number: int, start: int, end: int, flags: int, context: object) -> None:  # noqa: ARG001
            ends.add(end)

        with self._lock:
            self._database.scan(data, match_event_handler=found)
        indexes: list[int] = []
        index, counted = -1, 0
        for end in sorted(ends):
            index += data.count(0, counted, end - 1)  # the last byte may be the NUL after the text
            counted = end - 1
            if not indexes or indexes[-1] != index:
                indexes.append(index)
        return indexes

    def rules(self, text: str) -> set[str]:
        """Return the names of the rules that may find something in a text."""
        numbers: set[int] = set()

        def found(number: int, start: int, end: int, flags: int, context: object) -> None:  # noqa: ARG001
            numbers.add(number)

        with self._lock:
            self._database.scan(_joined([text.replace("\0", "\1")]), match_event_handler=found)
        return {name for number in numbers for name in self._rules[number]}


def _joined(texts: Sequence[str]) -> bytes:
    # Every text stands between two NULs: patterns know the beginning of a text by the one before it.
    return ("\0" + "\0".join(texts) + "\0").encode(errors="surrogatepass")


def _database(expressions: Sequence[bytes]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=0)
    except hyperscan.error as error:
        raise PipelineError(f"redaction: a scan pattern cannot be compiled: {error}") from error
    return database


def _kept(expressions: Sequence[bytes], path: Path) -> hyperscan.Database:
    """Load what was compiled from the same patterns, which takes a thousandth of the time; else compile and keep it."""
    key = hashlib.sha256(b"\0".join(expressions)).digest()
    try:
        data = path.read_bytes()
        if data[: len(key)] == key:
            database = hyperscan.loadb(data[len(key) :], mode=hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
            return database
    except (OSError, hyperscan.error):  # not there yet, damaged, or of another kind of processor
        pass
    database = _database(expressions)
    try:
        unfinished = path.with_suffix(".tmp")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key + hyperscan.dumpb(database))
        unfinished.replace(path)
    except OSError:  # compiled again at the next start
        pass
    return database
