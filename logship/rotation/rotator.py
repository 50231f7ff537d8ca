"""
Decides when a file is rotated, and rotates it.

One rotation: the accounted-for head of the file goes to a backup, the ledger
notes what is about to happen, the backups are renumbered, the head is removed,
the ledger notes the new base. A crash between any two leaves the file itself
to tell how far it came (`settle`). Logical offsets, and with them ids, go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog

from logship.ledger.files import printable
from logship.ledger.ledger import Ledger
from logship.ledger.marks import mark
from logship.ledger.rotations import Backup, Rotations
from logship.model import Source
from logship.rotation import backups as files
from logship.rotation.collapse import collapse, granularity
from logship.rotation.settle import settle
from logship.rotation.writers import writers
from logship.sources.copies import original_name
from logship.sources.generation import MARK, Generation

log = structlog.get_logger()

#: Bytes below which no file is rotated: more than a block of every file system that can do it.
LEAST = 64 * 1024
#: Seconds until what was refused, or failed, is tried again.
_LATER = 30.0
#: Places that are tried for one after which the file begins unlike before.
_CUTS = 64
#: Rotations of one file between two scans; reading waits for them.
_AT_ONCE = 4
#: Files whose policies are remembered.
_MOST = 10_000

Every = Literal["never", "hourly", "daily"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How one file is rotated."""

    #: Bytes at which it is rotated.
    max_size: int
    #: Backups kept.
    backups: int
    every: Every = "never"
    #: Bytes of the file and its backups together; 0: no limit.
    total_size: int = 0
    compress: bool = False
    #: Where the head cannot be removed: copy and empty the file, which can lose what is written in between.
    truncate: bool = False
    #: Writers that cannot be seen are trusted to use O_APPEND.
    assume_append: bool = False


class Refused(Exception):
    """A file is not rotated, and why."""


class Rotator:
    """Rotates files between two scans, in the thread that reads them."""

    def __init__(
        self,
        ledger: Ledger,
        policy_of: Callable[[str, Source], Policy | None] | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone(),
    ) -> None:
        self._journal = Rotations(ledger)
        self._policy_of = policy_of
        self._clock = clock
        self._policies: dict[str, Policy | None] = {}
        self._blocks: dict[int, int] = {}
        self._noted: dict[Path, tuple[str, str]] = {}
        self._later: dict[int, float] = {}
        self._last: dict[Path, datetime] = {}
        self._tidied: set[Path] = set()
        self._made: dict[tuple[int, int], Backup] = {one.key: one for one in self._journal.backups()}
        #: Files whose last rotation was interrupted.
        self._unsettled = {intent.file for intent in self._journal.intents()}
        #: Size and modification time of the heads that were handed to backups, by device and inode: never read again.
        self.heads: dict[tuple[int, int], tuple[int, int]] = {
            one.key: (one.size, one.changed) for one in self._made.values() if one.head
        }
        self.begin({})

    def begin(self, registered: Mapping[int, Generation]) -> None:
        """Finish what a crash interrupted, as soon as the file can be seen."""
        if not self._unsettled:
            return
        self._unsettled = set()
        for intent in self._journal.intents():
            outcome = settle(self._journal, intent)
            if outcome == "collapsed" and intent.file in registered:
                registered[intent.file].shed(intent.cut)
            elif outcome == "undone":
                self._forget(intent.backup)
            elif outcome == "unseen":
                self._unsettled.add(intent.file)

    def _forget(self, backup: Backup) -> None:
        self._made.pop(backup.key, None)
        self.heads.pop(backup.key, None)

    def step(self, generations: Iterable[Generation], now: float) -> None:
        """Rotate the files that are due."""
        if self._policy_of is None:
            return
        for generation in list(generations):
            if generation.stamp[0] <= MARK or generation.base < 0 or self._later.get(self._id(generation), now) > now:
                continue
            policy = self._policy(generation)
            if policy is not None and generation.path not in self._tidied:
                self._tidy(generation.path, policy)
            for _ in range(_AT_ONCE if policy else 0):
                if policy is None or not (room := self._due(generation, policy)):
                    break
                self._attempt(generation, policy, room, now)

    def _tidy(self, path: Path, policy: Policy) -> None:
        """Once for each file: remove what an agent that was killed left beside it."""
        self._tidied.add(path)
        if any(backup.path == str(path) for backup in self._made.values()):
            with contextlib.suppress(OSError):
                files.partial(path).unlink(missing_ok=True)
                self._prune(path, policy)

    def _id(self, generation: Generation) -> int:
        return generation.ref.id if generation.ref is not None else 0

    def _policy(self, generation: Generation) -> Policy | None:
        """Return how a file is rotated; None when it is not, or is somebody's backup."""
        found = generation.found
        if self._policy_of is not None and found not in self._policies:
            if len(self._policies) >= _MOST:
                self._policies.clear()
                self._tidied.clear()
            numbered = original_name(generation.path.name) != generation.path.name
            self._policies[found] = None if numbered else self._policy_of(found, generation.source)
        return self._policies[found]

    def _due(self, generation: Generation, policy: Policy) -> int:
        """Return how many bytes are to be handed on; what follows is enough for the file to be recognised by."""
        if generation.ref is None or generation.misses or generation.final or generation.copy_of is not None:
            return 0
        if generation.ref.id in self._unsettled or generation.stamp[0] <= MARK:
            return 0
        room = generation.position - generation.base - MARK
        if room >= policy.max_size:
            return policy.max_size
        if policy.every != "never" and room > 0:
            path = generation.path
            if path not in self._last:
                self._last[path] = self._journal.last(path, generation.ref.id)
            now = self._clock()
            if _period(self._last[path].astimezone(now.tzinfo), policy.every) < _period(now, policy.every):
                return room
        return 0

    def _attempt(self, generation: Generation, policy: Policy, room: int, now: float) -> None:
        """Rotate a file; a refusal or a failure is noted, and it is tried again later."""
        path = generation.path
        try:
            self._rotate(generation, policy, room)
            self._last[path] = self._clock()
            return
        except Refused as refusal:
            reason = str(refusal)
        except OSError as error:
            reason = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
            with contextlib.suppress(OSError):
                files.partial(path).unlink(missing_ok=True)
            self._unsettled = {intent.file for intent in self._journal.intents()}  # the file tells how far it came
        self._later[self._id(generation)] = now + _LATER
        self._note(path, "refused", reason)

    def _note(self, path: Path, method: str, reason: str) -> None:
        if self._noted.get(path) != (method, reason):
            self._noted[path] = (method, reason)
            self._journal.note(path, method, reason)
            if method == "refused":
                log.warning("file is not rotated", path=str(path), reason=reason)
            elif reason:
                log.warning("file is rotated by copying and emptying it", path=str(path), reason=reason)

    def _rotate(self, generation: Generation, policy: Policy, room: int) -> None:
        path = generation.path
        there = Path(generation.found).stat()
        if (there.st_dev, there.st_ino) != generation.key:
            return  # somebody gave it another name after the scan
        self._allow(generation, policy)
        taken = self._taken(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != generation.key:
                return
            block = self._block(path.parent, status.st_dev)
            if block:
                if room // block:
                    self._hand_over(generation, policy, descriptor, room, block, taken)
            elif policy.truncate:
                self._copy_and_empty(generation, descriptor, status.st_size, taken)
            else:
                raise Refused(
                    "its file system cannot remove the head of a file (ext4 and xfs can); "
                    "rotation.allow_truncate would copy and empty it, and can lose lines written in between"
                )
        finally:
            os.close(descriptor)
        self._prune(path, policy)

    def _allow(self, generation: Generation, policy: Policy) -> None:
        """Raise Refused when rotating would hurt a writer."""
        if printable(generation.path) != str(generation.path):
            raise Refused("its name is not UTF-8")
        if not policy.backups:
            raise Refused("no backups are to be kept (backup_count is 0): a file is never rotated then")
        found = writers(generation.device, generation.inode)
        careless = [str(writer) for writer in found.seen if not writer.append]
        if careless:
            raise Refused(
                f"{', '.join(careless)} writes it without O_APPEND, and would leave a hole of NUL bytes behind "
                "every rotation; open it for appending there, or let that program rotate it"
            )
        if found.blind and not found.seen and not policy.assume_append:
            raise Refused(
                f"its writers cannot be seen ({found.blind}); set rotation.assume_append "
                "if all of them open it with O_APPEND, as plugin_daemon, Docker and Python's handlers do"
            )

    def _taken(self, path: Path) -> dict[int, Path]:
        """Return the backups there are; raises Refused when one was made by somebody else."""
        taken = files.backups(path)
        for backup in taken.values():
            if self._mine(backup, path) is None:
                raise Refused(f"{backup.name} was not made by logship: if nothing else rotates the file, move it away")
        return taken

    def _mine(self, backup: Path, path: Path) -> Backup | None:
        """Return what is known of a backup of a file, if logship made it."""
        status = backup.stat()
        made = self._made.get((status.st_dev, status.st_ino))
        if made is None or made.path != str(path):
            return None
        whole = (status.st_size, status.st_mtime_ns) == (made.size, made.changed)
        return made if whole or not made.head else None

    def _block(self, directory: Path, device: int) -> int:
        """Return of what the removed head must be a multiple; 0 where it cannot be removed."""
        if device not in self._blocks:
            try:
                self._blocks[device] = granularity(directory)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                    raise
                self._blocks[device] = 0
        return self._blocks[device]

    def _hand_over(
        self,
        generation: Generation,
        policy: Policy,
        descriptor: int,
        room: int,
        block: int,
        taken: dict[int, Path],
    ) -> None:
        path = generation.path
        cut, before, after = _distinct(descriptor, room, block)
        self._note(path, "collapse", "")
        partial = files.partial(path)
        written = files.write(descriptor, cut, partial, compress=policy.compress)
        intent = self._journal.begin(path, written, self._id(generation), cut, before, after)
        self._made[intent.backup.key] = intent.backup
        self.heads[intent.backup.key] = (written.st_size, written.st_mtime_ns)
        files.shift(path, taken)
        files.publish(path, compress=policy.compress)
        collapse(descriptor, cut)
        os.fsync(descriptor)
        self._journal.done(intent)
        generation.shed(cut)
        log.info("file rotated", path=str(path), bytes=cut)

    def _copy_and_empty(self, generation: Generation, descriptor: int, size: int, taken: dict[int, Path]) -> None:
        path = generation.path
        self._note(
            path, "truncate",
            "its file system cannot remove the head of a file: it is copied and emptied, and lines that are written "
            "in the moment between are lost",
        )  # fmt: skip
        partial = files.partial(path)
        written = files.write(descriptor, size, partial, compress=False)
        backup = self._journal.copied(path, written, size)
        self._made[backup.key] = backup
        files.shift(path, taken)
        files.publish(path, compress=False)
        files.extend(descriptor, size, path.with_name(f"{path.name}.1"))
        os.ftruncate(descriptor, 0)
        generation.stamp = (0, 0)  # the next scan finds the copy
        log.info("file rotated by copying", path=str(path), bytes=size)

    def _prune(self, path: Path, policy: Policy) -> None:
        """Remove the oldest backups beyond the limits, as far as every sink has their lines."""
        taken = files.backups(path)
        total = path.stat().st_size + sum(backup.stat().st_size for backup in taken.values())
        passed = self._journal.passed()
        left = {number: self._mine(backup, path) for number, backup in taken.items()}
        for number in sorted(taken, reverse=True):
            if number <= policy.backups and (not policy.total_size or total <= policy.total_size):
                break
            backup = left[number]
            if backup is None or backup.seq > passed:
                break
            total -= taken[number].stat().st_size
            taken[number].unlink()
            del left[number]
        gone = [one for one in self._made.values() if one.path == str(path) and one not in left.values()]
        if gone:
            self._journal.forget(gone)
        for backup in gone:
            self._forget(backup)


def _distinct(descriptor: int, room: int, block: int) -> tuple[int, bytes, bytes]:
    """
    Return how much to remove, so that the file begins unlike before, and marks of both beginnings.

    After a crash nothing else tells whether the head is gone.
    """
    start = os.pread(descriptor, MARK, 0)
    most = room // block * block
    for cut in range(most, max(most - _CUTS * block, 0), -block):
        next_start = os.pread(descriptor, MARK, cut)
        if len(next_start) == MARK and next_start != start:
            return cut, mark(start), mark(next_start)
    raise Refused("it holds nothing but equal lines: after a crash nobody could tell whether it was rotated")


def _period(moment: datetime, every: Every) -> tuple[int, ...]:
    day = (moment.year, moment.month, moment.day)
    return (*day, moment.hour) if every == "hourly" else day
