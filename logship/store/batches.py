"""Reading the ledger's batches from a process that is not its writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
from isal import igzip

from logship.errors import LedgerError
from logship.ledger.ledger import connect, explained


def open_ledger(state_dir: Path) -> sqlite3.Connection:
    """Open the ledger for reading, while another process may write it. Raises LedgerError when it cannot."""
    path = state_dir / "ledger.db"
    if not path.exists():
        raise LedgerError(f"no ledger in {state_dir}", "has the agent run with this --state-dir?")
    try:
        return connect(path, readonly=True, any_format=True)  # what is read here is in every format
    except sqlite3.Error as error:
        raise explained(f"cannot read {path}", error) from error


def unpack(body: bytes) -> tuple[list[str], list[str]]:
    """Return the ids and the documents' exact text of a batch: gzip of action line, document, and so on."""
    text: bytes = igzip.decompress(body)  # type: ignore[no-untyped-call]  # isal has no types
    lines = text.split(b"\n")
    actions, documents = lines[0:-1:2], lines[1::2]
    ids = [next(iter(orjson.loads(action).values()))["_id"] for action in actions]
    return ids, [document.decode("utf-8", "replace") for document in documents]
