"""
Gives up the oldest documents that some sink has not taken, when the disk budget is used up (state.when_full).

A batch that is given up leaves the ledger. Each follower that had not passed it counts its documents as dropped, and a
gap names the bytes of each file that they were made of. What is under way to a sink stays, and so does what the agent
says of itself: reports and gaps are few, and tell of what is lost.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import structlog

from logship.delivery.bulk import documents
from logship.ledger.budget import Budget
from logship.ledger.gaps import DATASET as GAPS
from logship.ledger.gaps import Gap, Gaps
from logship.ledger.ledger import Ledger
from logship.model import StoredBatch
from logship.report import DATASET as REPORTS

#: Batches and bytes, as they lie, that one transaction gives up at most.
_MOST = 64
_MOST_BYTES = 16 << 20
_OWN = (GAPS, REPORTS)

log = structlog.get_logger()


@dataclass(slots=True)
class _Run:
    """Batches that follow each other, and whom they leave without an outcome."""

    seqs: list[int] = field(default_factory=list)
    size: int = 0
    #: Sequence number of the batch that comes after them, 0: none.
    behind: int = 0
    #: Documents by follower and file.
    dropped: dict[str, Counter[int]] = field(default_factory=dict)


class DropOldest:
    """
    Makes room when a budget has none; call `step` every few seconds.

    `under_way` says how many batches each follower may be sending: these stay. `sealed_only`: give up only what is in a
    segment, where it can still be searched.
    """

    def __init__(
        self,
        ledger: Ledger,
        gaps: Gaps,
        budget: Budget,
        *,
        under_way: Mapping[str, int],
        sealed_only: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._gaps = gaps
        self._budget = budget
        self._under_way = under_way
        self._sealed_only = sealed_only

    def step(self) -> int:
        """Give up as much as the budget lacks; return how many documents that were."""
        lacking = self._budget.lacking()
        total = 0
        while lacking > 0:
            freed, count = self._drop(lacking)
            if not freed:
                break
            lacking -= freed
            total += count
        if total:
            log.warning("the oldest documents were dropped to make room; gaps name their bytes", documents=total)
        return total

    def _drop(self, lacking: int) -> tuple[int, int]:
        """Give up one run of batches; return its bytes as they lay, and its documents."""
        sealed = self._sealed_only()
        with self._ledger.transaction() as connection:
            run = self._oldest(connection, lacking, sealed=sealed)
        # Where the documents began is read while others may write.
        batches = [batch for seq in run.seqs for batch in self._ledger.after(seq - 1)]
        gaps = self._ranges(run, batches, sealed=sealed)
        with self._ledger.transaction() as connection:
            if not run.seqs or run != self._oldest(connection, lacking, sealed=sealed):
                return 0, 0  # a follower has come so far meanwhile
            self._gaps.enter(connection, gaps)
            connection.executemany(
                "INSERT INTO outcome (cursor, file, dropped) VALUES (?, ?, ?) ON CONFLICT (cursor, file) DO UPDATE SET "
                "dropped = dropped + excluded.dropped",
                [(name, file, count) for name, files in run.dropped.items() for file, count in files.items()],
            )
            connection.executemany("DELETE FROM batch WHERE seq = ?", [(seq,) for seq in run.seqs])
        return run.size, sum(batch.count for batch in batches)

    def _oldest(self, connection: sqlite3.Connection, lacking: int, *, sealed: bool) -> _Run:
        cursors: dict[str, int] = dict(connection.execute("SELECT name, seq FROM cursor"))
        run = _Run()
        if not cursors:
            return run
        kept: set[int] = set()
        for name, seq in cursors.items():
            first = connection.execute(
                "SELECT seq FROM batch WHERE seq > ? ORDER BY seq LIMIT ?", (seq, self._under_way.get(name, 0))
            )
            kept.update(number for (number,) in first)
        rows = connection.execute(
            "SELECT seq, dataset, files, length(body), segment FROM batch WHERE seq > ? ORDER BY seq",
            (min(cursors.values()),),
        )
        for seq, dataset, files, size, segment in rows:
            if dataset in _OWN:
                continue
            behind = [name for name, passed in cursors.items() if passed < seq]
            free = seq not in kept and not (sealed and segment is None)
            if run.seqs and (not free or run.size >= min(lacking, _MOST_BYTES) or len(run.seqs) >= _MOST):
                run.behind = seq
                break
            if free:
                run.seqs.append(seq)
                run.size += size
                for name in behind:
                    counts = {int(file): count for file, count in orjson.loads(files).items()}
                    run.dropped.setdefault(name, Counter()).update(counts)
        rows.close()
        return run

    def _ranges(self, run: _Run, batches: Sequence[StoredBatch], *, sealed: bool) -> list[Gap]:
        offsets: dict[int, list[int]] = {}
        for batch in batches:
            for file, found in self._offsets(batch).items():
                offsets.setdefault(file, []).extend(found)
        remark = f"not delivered to {', '.join(sorted(run.dropped))}"
        if sealed:
            remark += ", but kept in the segments of this machine"
        return [
            Gap(file, min(found), self._end(file, max(found), run.behind), "dropped", len(found), remark)
            for file, found in sorted(offsets.items())
        ]

    def _offsets(self, batch: StoredBatch) -> dict[int, list[int]]:
        """Return where the documents of a batch begin in their files, which is what their ids say."""
        found: dict[int, list[int]] = {}
        files: dict[str, int] = {}
        for name, _ in documents(batch):
            key, _, place = name.rpartition("-")
            if key not in files:
                files[key] = next(iter(batch.files)) if len(batch.files) == 1 else self._ledger.file_of(name)
            found.setdefault(files[key], []).append(int(place))
        return found

    def _end(self, file: int, last: int, behind: int) -> int:
        """Return where a file's dropped documents end: where the next one begins, or all that was read ends."""
        if behind and (seq := self._ledger.next_of(file, behind, without=_OWN)):
            (batch,) = self._ledger.after(seq - 1)
            if later := [place for place in self._offsets(batch).get(file, []) if place > last]:
                return min(later)
        position, read = self._ledger.read_so_far(file)
        return position if position > last else max(read, last + 1)
