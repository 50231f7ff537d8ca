"""
Documents that a sink refused: listed, shown, sent again, given up.

The agent alone writes the ledger. While it runs, a wish to replay or discard is
left as a file in `requests/`, which the agent carries out at its next step.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from logship.errors import LedgerLocked, LogshipError
from logship.ledger.ledger import Ledger

Action = Literal["replay", "discard"]
_COLUMNS = "number, cursor, dataset, id, status, reason, document, at, replay"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A refused document and why."""

    number: int
    sink: str
    dataset: str
    id: str
    status: int
    reason: str
    document: bytes
    at: str
    replay: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, the document decoded."""
        return asdict(self) | {"document": orjson.loads(self.document)}


def _rejected(row: tuple[int, str, str, str, int, str, bytes, str, int]) -> RejectedRow:
    number, sink, dataset, id_, status, reason, document, at, replay = row
    return RejectedRow(number, sink, dataset, id_, status, reason, document, at, bool(replay))


def list_rejected(state_dir: Path, limit: int = 50) -> list[RejectedRow]:
    """Return the refused documents, newest first."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        rows = ledger.connection.execute(
            f"SELECT {_COLUMNS} FROM rejected ORDER BY number DESC LIMIT ?", (limit,)  # noqa: S608  # a constant
        ).fetchall()
    return [_rejected(row) for row in rows]


def get(state_dir: Path, number: int) -> RejectedRow:
    """Return one refused document; raises LogshipError when there is none of that number."""
    with Ledger.open(state_dir, readonly=True) as ledger:
        row = ledger.connection.execute(
            f"SELECT {_COLUMNS} FROM rejected WHERE number = ?", (number,)  # noqa: S608  # a constant
        ).fetchone()
    if row is None:
        raise LogshipError(f"no rejected document has the number {number}", "`logship rejected list` shows the numbers")
    return _rejected(row)


def ask(state_dir: Path, action: Action, numbers: Sequence[int]) -> bool:
    """Replay or discard documents (all, without numbers); return False when a running agent was asked to do it."""
    try:
        with Ledger.open(state_dir) as ledger:
            carry_out(ledger, action, numbers)
            return True
    except LedgerLocked:
        folder = state_dir / "requests"
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary = folder / f".{uuid.uuid4().hex}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps({"action": action, "numbers": list(numbers)}))
        temporary.rename(folder / f"{temporary.name[1:]}.json")
        return False


def replay(state_dir: Path, numbers: Sequence[int] = ()) -> bool:
    """Mark documents to be sent again; see `ask`."""
    return ask(state_dir, "replay", numbers)


def discard(state_dir: Path, numbers: Sequence[int] = ()) -> bool:
    """Give documents up: they stay counted as rejected; see `ask`."""
    return ask(state_dir, "discard", numbers)


def requests(ledger: Ledger) -> int:
    """Carry out what was asked of the running agent; return how many wishes there were."""
    folder = ledger.directory / "requests"
    if not folder.is_dir():
        return 0
    found = sorted(folder.glob("*.json"))
    for path in found:
        try:
            wish = orjson.loads(path.read_bytes())
            carry_out(ledger, wish["action"], [int(number) for number in wish["numbers"]])
        except (ValueError, KeyError, TypeError) as error:
            path.rename(path.with_suffix(".broken"))
            raise LogshipError(f"{path} is not a request: {error}") from error
        path.unlink()
    return len(found)


def carry_out(ledger: Ledger, action: Action, numbers: Sequence[int]) -> None:
    """Mark or delete rejected documents."""
    statement = {"replay": "UPDATE rejected SET replay = 1", "discard": "DELETE FROM rejected"}[action]
    with ledger.transaction() as connection:
        if not numbers:
            connection.execute(statement)
        for number in numbers:
            connection.execute(f"{statement} WHERE number = ?", (number,))


def to_replay(ledger: Ledger, name: str, limit: int = 500) -> list[RejectedRow]:
    """Return documents of one data stream that a follower is to send again."""
    with ledger.transaction() as connection:
        first = connection.execute(
            "SELECT dataset FROM rejected WHERE cursor = ? AND replay = 1 ORDER BY number LIMIT 1", (name,)
        ).fetchone()
        if first is None:
            return []
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM rejected WHERE cursor = ? AND replay = 1 AND dataset = ? ORDER BY number LIMIT ?",  # noqa: S608
            (name, first[0], limit),
        ).fetchall()
    return [_rejected(row) for row in rows]


def replayed(
    ledger: Ledger, row: RejectedRow, outcome: Literal["delivered", "duplicate", "rejected"], reason: str = ""
) -> None:
    """Record what became of a document that was sent again."""
    file = ledger.file_of(row.id)
    with ledger.transaction() as connection:
        if outcome == "rejected":
            connection.execute("UPDATE rejected SET replay = 0, reason = ? WHERE number = ?", (reason, row.number))
            return
        connection.execute("DELETE FROM rejected WHERE number = ?", (row.number,))
        column = {"delivered": "delivered", "duplicate": "duplicate"}[outcome]
        connection.execute(
            f"UPDATE outcome SET rejected = rejected - 1, {column} = {column} + 1 WHERE cursor = ? AND file = ?",  # noqa: S608
            (row.sink, file),
        )
