"""
The agent's report of itself: documents like any other, in the stream `logs-logship.agent-…`.

Each report is a line of a stream that exists only in the ledger, so that its
documents have ids, are counted, delivered and covered by a leaf as all others.
Counts are those since the report before, also over a restart.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from logship import __version__
from logship.ledger.files import FileRow, file_key, insert_file
from logship.ledger.ledger import Ledger
from logship.ledger.status import SinkStatus, Status, status
from logship.model import COPY, Batch, Progress, Source

Json = dict[str, Any]

DATASET = "logship.agent"
#: Where the stream is said to be; no file has such a path.
_PATH = Path("logship:report")
_KEPT = "report"
#: Reports that are remembered, to tell how late a sink is.
_REMEMBERED = 2000


class Reporter:
    """Commits a report every so many seconds."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        every: float,
        namespace: str,
        constants: Mapping[str, Any],
        now: datetime | None = None,
    ) -> None:
        self._ledger = ledger
        self._every = every
        self._constants = {
            **constants,
            "agent": {"type": "logship", "version": __version__},
            "data_stream": {"type": "logs", "dataset": DATASET, "namespace": namespace},
            "service": {"name": "logship"},
        }
        self._last = now or datetime.now(UTC)
        #: The newest batch at moments past, the oldest first.
        self._newest: deque[tuple[datetime, int]] = deque([(self._last, _newest(ledger))], _REMEMBERED)
        self._row: FileRow | None = None
        self._position = 0

    def step(self, now: datetime | None = None) -> bool:
        """Report if it is time to; returns whether it was."""
        now = now or datetime.now(UTC)
        if 0 <= (now - self._last).total_seconds() < self._every:  # below 0: the clock was set back
            return False
        self._last = now
        found = status(self._ledger.directory, now=now)
        totals = _totals(found)
        before = self._before()
        deltas = {name: {key: count - before.get(name, {}).get(key, 0) for key, count in counts.items()}
                  for name, counts in totals.items()}  # fmt: skip
        documents = [self._agent(found, deltas[""])]
        documents += [self._sink(sink, deltas[sink.name], now) for sink in found.sinks]
        self._commit(documents, now)
        with self._ledger.transaction() as connection:
            value = orjson.dumps(totals).decode()
            connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_KEPT, value))
        self._newest.append((now, _newest(self._ledger)))
        return True

    def _agent(self, found: Status, counts: Json) -> Json:
        lag = sum(file.lag_bytes for file in found.files)
        counts = {**counts, "books_close": found.closes, "lag_bytes": lag, "state_bytes": found.size_bytes}
        words = f"{counts['events']} events of {counts['lines']} lines, {counts['unparsed']} not understood"
        return {"message": words, "logship": counts}

    def _sink(self, sink: SinkStatus, counts: Json, now: datetime) -> Json:
        behind = self._behind(sink, now)
        counts = {**counts, "sink": sink.name, "pending": sink.pending, "lag_seconds": behind}
        words = (
            f"{sink.name}: {counts['delivered']} delivered, {counts['duplicate']} duplicate, "
            f"{counts['rejected']} rejected, {counts['dropped']} dropped, {sink.pending} pending, {behind} s behind"
        )
        return {"message": words, "logship": counts}

    def _behind(self, sink: SinkStatus, now: datetime) -> int:
        """Return the seconds, at least, that the oldest document waits for this sink; 0 when none does."""
        if not sink.pending:
            return 0
        row = self._ledger.connection.execute("SELECT seq FROM cursor WHERE name = ?", (sink.name,)).fetchone()
        waits_since = next((moment for moment, newest in self._newest if newest > row[0]), now)
        return max(int((now - waits_since).total_seconds()), 0)

    def _before(self) -> dict[str, dict[str, int]]:
        row = self._ledger.connection.execute("SELECT value FROM meta WHERE name = ?", (_KEPT,)).fetchone()
        found: dict[str, dict[str, int]] = orjson.loads(row[0]) if row else {}
        return found

    def _commit(self, documents: list[Json], now: datetime) -> None:
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"kind": "metric", "action": "agent-report", "dataset": DATASET}
        if self._row is None:
            self._row = _register(self._ledger, self._constants["host"]["name"], now)
        body, begin = b"", self._position
        for document in documents:
            action = {"create": {"_id": f"{self._row.ref.key}-{self._position}"}}
            line = orjson.dumps({"@timestamp": stamp, **document, "event": event, **self._constants}) + b"\n"
            body += orjson.dumps(action) + b"\n" + line
            self._position += len(line)
        number, size = self._row.ref.id, self._position - begin
        batch = Batch(DATASET, body, len(documents), stamp, stamp, {number: len(documents)})
        progress = Progress(number, self._position, {}, self._position, b"", len(documents), len(documents), size)
        self._ledger.commit([batch], [progress])


def _register(ledger: Ledger, host: str, now: datetime) -> FileRow:
    """Begin a stream, closed to the tailer from the first."""
    head = f"{now.isoformat()} {os.getpid()}".encode()
    with ledger.transaction() as connection:
        key = file_key(host, 0, 0, head)
        row = insert_file(connection, key, _PATH, 0, 0, head, Source("logship"), 0, 0)
        connection.execute("UPDATE file SET state = 'ended' WHERE id = ?", (row.ref.id,))
    return row


def _newest(ledger: Ledger) -> int:
    return int(ledger.connection.execute("SELECT coalesce(max(seq), 0) FROM leaf").fetchone()[0])


def _totals(found: Status) -> dict[str, dict[str, int]]:
    """Return the counts so far: the agent's own under "", each sink's under its name."""
    files = [file for file in found.files if file.path != str(_PATH)]
    agent = {
        "lines": sum(file.lines for file in files),
        "events": sum(file.events for file in files),
        "unparsed": sum(file.unparsed for file in files),
        "dropped": sum(sum(file.dropped.values()) - file.dropped.get(COPY, 0) for file in files),
        "copies": sum(file.dropped.get(COPY, 0) for file in files),
        "read_bytes": sum(file.read for file in files),
        "redacted": sum(found.redacted.values()),
        "gaps": found.gaps,
        "lost_bytes": found.bytes_lost,
    }
    sinks = {
        sink.name: {
            "delivered": sink.delivered,
            "duplicate": sink.duplicate,
            "rejected": sink.rejected,
            "dropped": sink.dropped,
        }
        for sink in found.sinks
    }
    return {"": agent} | sinks
