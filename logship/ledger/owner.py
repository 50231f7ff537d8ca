"""Whose a ledger must be."""

from __future__ import annotations

import os
from pathlib import Path

from logship.errors import LedgerError


def refuse_foreign(path: Path) -> None:
    """Raise LedgerError when a ledger is a link, or another user's: it could be changed under the agent's hands."""
    if path.is_symlink():
        raise LedgerError(f"{path} is a symbolic link", "move the ledger to its place, or set state_dir to where it is")
    if path.exists() and path.stat().st_uid != os.geteuid():
        raise LedgerError(
            f"{path} belongs to another user (number {path.stat().st_uid})",
            "run as that user, or chown the state directory",
        )
