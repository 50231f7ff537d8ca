"""
What a crash left of a rotation: the file tells whether its head is gone.

The intent was noted when the backup was whole. If the file still begins as
before, nothing of it was removed, and the backup is taken back; if it begins
as it was to begin afterwards, the head is gone and only the note is missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import structlog

from logship.ledger import marks
from logship.ledger.rotations import Backup, Intent, Rotations
from logship.rotation import backups as files
from logship.sources.discovery import open_regular

log = structlog.get_logger()

#: unseen: the file is not there now (its disk may come back); other: it holds something else by now.
Outcome = Literal["collapsed", "undone", "other", "unseen"]


def settle(journal: Rotations, intent: Intent) -> Outcome:
    """Bring the ledger to what the file says; changes nothing when the file cannot be seen."""
    try:
        descriptor = open_regular(intent.path)
    except OSError:
        return "unseen"
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (intent.device, intent.inode):
            return "unseen"
        start = os.pread(descriptor, marks.LIMIT, 0)
    finally:
        os.close(descriptor)
    if marks.fits(intent.after, start):
        journal.done(intent)
        log.info("a rotation that was interrupted is complete", path=str(intent.path), bytes=intent.cut)
        return "collapsed"
    if not marks.fits(intent.before, start):
        journal.undone(intent, keep=True)  # somebody emptied or rewrote the file: the backup may be all that is left
        return "other"
    live = Path(intent.backup.path)
    try:
        for name in (files.partial(live), *files.backups(live).values()):
            if _is(name, intent.backup):
                name.unlink()
    except OSError as error:
        log.warning("an interrupted rotation cannot be taken back now", path=str(live), reason=error.strerror)
        return "unseen"
    journal.undone(intent)
    return "undone"


def _is(path: Path, backup: Backup) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == backup.key
