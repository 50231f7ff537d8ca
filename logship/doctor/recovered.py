"""Ledgers that were damaged and moved aside: what was kept, what was lost, and whether the copy is still needed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from logship.doctor.finding import Finding, Repair
from logship.doctor.state import made
from logship.ledger.recovery import recoveries

_MIB = 1 << 20


def recovered(state_dir: Path) -> Iterator[Finding]:
    """Tell what earlier recoveries did, and offer to remove the damaged copies."""
    if not made(state_dir):
        return
    for one in recoveries(state_dir):
        yield _told(one)
    for path in sorted(state_dir.glob("ledger.db.corrupt*")):
        size = path.stat().st_size / _MIB
        question = f"Remove {path.name} ({size:.1f} MiB)? It cannot be looked at again then."
        step = "keep it as long as somebody may want to look for what was lost"
        yield Finding("advice", str(path), "is a damaged ledger that was moved aside", step, _removal(path, question))


def _told(one: dict[str, Any]) -> Finding:
    kept = ", ".join(f"{count} {table}" for table, count in one["kept"].items() if count)
    what = f"at {one['at']} the ledger was damaged ({one['reason']}); kept: {kept or 'nothing'}"
    if one["read_again"]:
        what += (
            f"; {one['lost_batches']} batches were lost that somebody waited for (at least {one['lost_documents']} "
            "documents), and all files were read again"
        )
    return Finding("advice", "ledger", what, "documents of files that were gone by then are lost, if there were any")


def _removal(path: Path, question: str) -> Repair:
    return Repair(question, partial(_remove, path))


def _remove(path: Path) -> str:
    path.unlink()
    return f"{path} is removed"
