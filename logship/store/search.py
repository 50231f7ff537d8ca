"""
Search segments and unsealed batches as one.

The catalogue and the unsealed batches are read in one transaction of SQLite, so a document is in exactly one of them
however many batches are sealed meanwhile. A segment that retention deletes after that makes the search start again.
"""

# ruff: noqa: S608  # only our own words become text of the SQL; all values are bound

from __future__ import annotations

import glob
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import orjson

from logship.errors import LedgerError, QueryError
from logship.ledger.ledger import explained
from logship.store import engine
from logship.store.batches import open_ledger, unpack
from logship.store.catalogue import damaged
from logship.store.query import Translated, translate

#: Characters of unsealed documents that are held at once.
_CHUNK = 16 << 20
#: Documents that are read from segments at once.
_AT_ONCE = 100
_REPAIR = "`logship doctor --repair` takes them out of the catalogue, once no agent runs"
#: How often a search begins anew when documents that it found are not there any more.
_AGAIN = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found."""

    id: str
    dataset: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look, beside the query."""

    #: From this moment on.
    since: datetime | None = None
    #: Before this moment.
    until: datetime | None = None
    #: Compose services; empty: all.
    services: tuple[str, ...] = ()


ALL = Scope()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is kept of each document that matches."""

    columns: str
    #: Keep only the first so many by `order`; None: all.
    limit: int | None = None
    order: str = "time"


class Search:
    """Searches one state directory, while an agent may write it; keeps nothing open between calls."""

    def __init__(self, state_dir: Path, *, memory: str = engine.MEMORY, threads: int = 2) -> None:
        self.state_dir = state_dir
        self.memory = memory
        self.threads = threads

    def hits(self, query: str, scope: Scope = ALL, *, limit: int = 50, reverse: bool = False) -> list[Hit]:
        """Return the newest documents that match, newest first; with `reverse` the oldest, oldest first."""
        direction = "ASC" if reverse else "DESC"
        order = f"time {direction}, id {direction}"
        asked, again = limit, 0
        while True:
            wanted = _Wanted("time, id, dataset, seq", asked, order)
            rows = self._run(query, scope, wanted, "SELECT id, dataset, seq FROM found ORDER BY " + order)
            chosen = dict(islice({key: (dataset, seq) for key, dataset, seq in rows}.items(), limit))
            if len(chosen) < limit and len(rows) == asked:
                asked *= 2
                continue
            # Documents may be large: only those that are given are read.
            texts = self._texts(chosen)
            if len(texts) == len(chosen) or again == _AGAIN:
                return [Hit(key, chosen[key][0], _loads(texts[key])) for key in chosen if key in texts]
            again += 1  # retention took one, or it was sealed just now

    def _texts(self, chosen: dict[str, tuple[str, int]]) -> dict[str, str]:
        """Return the documents of ids, of which dataset and batch are known, as far as they are still there."""
        found: dict[str, str] = {}
        sealed: dict[str, tuple[str, int]] = {}
        with closing(open_ledger(self.state_dir)) as ledger:
            for dataset, seq in dict.fromkeys(chosen.values()):
                row = ledger.execute("SELECT body FROM batch WHERE seq = ?", (seq,)).fetchone()
                pairs = zip(*unpack(row[0]), strict=True) if row else ()
                found |= {key: text for key, text in pairs if chosen.get(key) == (dataset, seq)}
            sealed = {key: place for key, place in chosen.items() if key not in found}
            if not sealed:
                return found
            with engine.engine(Path(tempfile.gettempdir()), memory=self.memory, threads=1) as connection:
                ordered = sorted(sealed, key=lambda key: sealed[key])
                for begin in range(0, len(ordered), _AT_ONCE):
                    keys = ordered[begin : begin + _AT_ONCE]
                    paths = {path for key in keys for path in _paths(ledger, *sealed[key])}
                    if not paths:
                        continue
                    seqs = [sealed[key][1] for key in keys]
                    try:
                        found |= connection.execute(
                            "SELECT id, document FROM read_parquet($paths) WHERE seq BETWEEN $first AND $last "
                            "AND list_contains($keys, id)",
                            {
                                "paths": [glob.escape(str(self.state_dir / path)) for path in sorted(paths)],
                                "first": min(seqs),
                                "last": max(seqs),
                                "keys": keys,
                            },
                        ).fetchall()
                    except duckdb.Error as error:
                        _blame(self.state_dir, [str(self.state_dir / path) for path in paths])
                        if not isinstance(error, duckdb.IOException):  # else one of them was deleted just now
                            raise
        return found

    def count(self, query: str, scope: Scope = ALL) -> int:
        """Return how many documents match."""
        ((number,),) = self._run(query, scope, _Wanted("id"), "SELECT count(DISTINCT id) FROM found")
        return int(number)

    def histogram(self, query: str, scope: Scope = ALL, *, seconds: int = 60) -> list[tuple[datetime, int]]:
        """Return how many documents match in each interval that has any, by the interval's start."""
        rows = self._run(
            query,
            scope,
            _Wanted("time, id"),
            f"SELECT epoch_ms(time) // {int(seconds) * 1000} * {int(seconds)} AS start, count(DISTINCT id)"
            " FROM found GROUP BY start ORDER BY start",
        )
        return [(datetime.fromtimestamp(start, UTC), number) for start, number in rows]

    def _run(self, query: str, scope: Scope, wanted: _Wanted, sql: str) -> list[tuple[Any, ...]]:
        with engine.engine(Path(tempfile.gettempdir()), memory=self.memory, threads=self.threads) as connection:
            condition = _restricted(translate(query, engine.tokenizer(connection)), scope)
            gone: set[str] = set()
            threads = self.threads
            while True:
                paths: list[str] = []
                try:
                    with closing(open_ledger(self.state_dir)) as ledger:
                        paths = self._snapshot(connection, ledger, scope, condition, wanted)
                    if lost := gone.intersection(paths):  # a row goes before its file: retention cannot have done this
                        missing = ", ".join(sorted(lost))
                        raise LedgerError(f"segments are in the catalogue and not on the disk: {missing}")
                    _find(connection, paths, condition, wanted)
                    return connection.execute(sql).fetchall()
                except duckdb.OutOfMemoryException as error:
                    if threads == 1:
                        hint = "narrow it with --since and --until, or ask for fewer documents"
                        raise LedgerError(f"the search takes more memory than {self.memory}", hint) from error
                    threads = 1  # half of what it takes
                    connection.execute("SET threads = 1")
                except duckdb.Error as error:
                    gone = {path for path in paths if not Path(path).exists()}
                    if gone:
                        continue
                    _blame(self.state_dir, paths)
                    if isinstance(error, duckdb.InvalidInputException):
                        # a regular expression that only DuckDB finds wrong
                        raise QueryError(f"the query cannot be run: {error}") from None
                    raise LedgerError(f"segments cannot be read: {error}") from error

    def _snapshot(
        self,
        connection: duckdb.DuckDBPyConnection,
        ledger: sqlite3.Connection,
        scope: Scope,
        condition: Translated,
        wanted: _Wanted,
    ) -> list[str]:
        """Put what matches in unsealed batches into the table `fresh`; return the paths of the segments to read."""
        bounds, limits = _bounds(scope)
        engine.create_raw(connection)
        connection.execute(f"CREATE OR REPLACE TABLE fresh AS SELECT {wanted.columns} FROM ({engine.projection()})")
        ledger.execute("BEGIN")
        try:
            paths = ledger.execute(f"SELECT path FROM segment WHERE {bounds} ORDER BY first_time", limits).fetchall()
            held = 0
            for seq, dataset, first, body in ledger.execute(
                f"SELECT seq, dataset, first_time, body FROM batch WHERE segment IS NULL AND {bounds} ORDER BY seq",
                limits,
            ):
                ids, documents = unpack(body)
                engine.insert_raw(connection, seq=seq, dataset=dataset, fallback=first, ids=ids, documents=documents)
                held += sum(map(len, documents))
                if held >= _CHUNK:
                    _sift(connection, condition, wanted)
                    held = 0
            _sift(connection, condition, wanted)
        except sqlite3.Error as error:
            raise explained(f"cannot read the ledger in {self.state_dir}", error) from error
        finally:
            ledger.execute("ROLLBACK")
        return [str(self.state_dir / path) for (path,) in paths]


def search(
    state_dir: Path,
    query: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    services: Sequence[str] = (),
    limit: int = 50,
    reverse: bool = False,
) -> list[Hit]:
    """Return the newest documents of a state directory that match, newest first."""
    return Search(state_dir).hits(query, Scope(since, until, tuple(services)), limit=limit, reverse=reverse)


def count(
    state_dir: Path,
    query: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    services: Sequence[str] = (),
) -> int:
    """Return how many documents of a state directory match."""
    return Search(state_dir).count(query, Scope(since, until, tuple(services)))


def _blame(state_dir: Path, paths: Sequence[str]) -> None:
    """Raise LedgerError if it is damaged segments that a search fails at."""
    if broken := damaged(state_dir, paths):
        raise LedgerError(f"segments are damaged: {', '.join(broken)}", _REPAIR) from None


def _loads(text: str) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    return document if isinstance(document, dict) else {"event": {"original": text}}


def _paths(ledger: sqlite3.Connection, dataset: str, seq: int) -> list[str]:
    """Return which segments may hold a batch."""
    rows = ledger.execute(
        "SELECT path FROM segment WHERE dataset = ? AND ? BETWEEN first_seq AND last_seq", (dataset, seq)
    )
    return [path for (path,) in rows]


def _sift(connection: duckdb.DuckDBPyConnection, condition: Translated, wanted: _Wanted) -> None:
    """Move what matches from `raw` to `fresh`, and empty `raw`."""
    connection.execute(
        f"INSERT INTO fresh SELECT {wanted.columns} FROM ({engine.projection()}) WHERE {condition.sql}",
        condition.parameters,
    )
    engine.create_raw(connection)
    if wanted.limit is not None:
        connection.execute(
            f"CREATE OR REPLACE TABLE fresh AS SELECT * FROM fresh ORDER BY {wanted.order} LIMIT {wanted.limit}"
        )


def _find(connection: duckdb.DuckDBPyConnection, paths: list[str], condition: Translated, wanted: _Wanted) -> None:
    """Make the table `found` of what matches in the segments and in `fresh`."""
    tail = "" if wanted.limit is None else f" ORDER BY {wanted.order} LIMIT {wanted.limit}"
    sealed = f"SELECT {wanted.columns} FROM read_parquet($paths) WHERE {condition.sql} UNION ALL " if paths else ""
    connection.execute(
        f"CREATE OR REPLACE TABLE found AS {sealed}SELECT * FROM fresh{tail}",
        condition.parameters | {"paths": [glob.escape(path) for path in paths]} if paths else None,
    )


def _restricted(query: Translated, scope: Scope) -> Translated:
    parts, parameters = [query.sql], dict(query.parameters)
    for name, operator, moment in (("since", ">=", scope.since), ("until", "<", scope.until)):
        if moment is not None:
            parts.append(f"time {operator} ${name}::TIMESTAMPTZ")
            parameters[name] = moment.astimezone(UTC).isoformat()
    if scope.services:
        parts.append("list_contains($services, service)")
        parameters["services"] = list(scope.services)
    return Translated(" AND ".join(parts), parameters)


def _bounds(scope: Scope) -> tuple[str, list[str]]:
    """Return the condition on first and last times, to the second: their texts differ in precision."""
    parts, limits = ["true"], []
    if scope.since is not None:
        parts.append("substr(last_time, 1, 19) >= ?")
        limits.append(_second(scope.since))
    if scope.until is not None:
        parts.append("substr(first_time, 1, 19) <= ?")
        limits.append(_second(scope.until))
    return " AND ".join(parts), limits


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
