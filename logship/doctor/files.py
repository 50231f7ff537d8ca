"""The files that are followed: who rotates them, who writes them, and whether their times are what they seem."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from logship.doctor.finding import Finding
from logship.doctor.state import made
from logship.ledger.ledger import Ledger
from logship.ledger.rotations import RotationStatus, backup_keys, rotation_status
from logship.model import Source
from logship.rotation.backups import backups
from logship.rotation.collapse import granularity
from logship.rotation.managed import limited_by_docker
from logship.rotation.rotator import Policy
from logship.rotation.writers import Writer, writers_of
from logship.sources.copies import original_name
from logship.sources.discovery import Found

Discover = Callable[[], Iterable[Found]]
PolicyOf = Callable[[str, Source], Policy | None]
#: Bytes from which a file that nobody rotates is a problem, not a piece of advice.
_LARGE = 256 << 20
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:[.,]\d+)*(?!\d*\s?(?:Z|UTC|[+-]\d\d:?\d\d))")
_QUARTER = 900
_LOGROTATE = (Path("/etc/logrotate.conf"), Path("/etc/logrotate.d"))


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is written now."""

    path: Path
    source: Source
    status: os.stat_result

    @property
    def key(self) -> tuple[int, int]:
        return (self.status.st_dev, self.status.st_ino)


def rotation(discover: Discover, policy_of: PolicyOf | None, state_dir: Path) -> Iterator[Finding]:
    """Tell who rotates each file, and what grows without limit."""
    known, own = _known(state_dir)
    settled: dict[str, int] = {}
    for file in _live(discover):
        policy = policy_of(str(file.path), file.source) if policy_of else None
        if policy is not None:
            yield _managed(file, policy, known.get(str(file.path.resolve())))
        elif who := _rotator(file, own):
            settled[who] = settled.get(who, 0) + 1
        else:
            size = file.status.st_size
            step = "give the container max-size and max-file" if _container(file) else "set rotation: managed for it"
            what = f"nobody rotates it: it has {size:,} bytes and grows until the disk is full"
            yield Finding("problem" if size >= _LARGE else "advice", str(file.path), what, step)
    for who, count in settled.items():
        yield Finding("ok", f"{count} file{'s' if count > 1 else ''}", f"rotated by {who}")


def sharing(discover: Discover, state_dir: Path) -> Iterator[Finding]:
    """Find files that several processes rotate under each other's hands (Python's RotatingFileHandler)."""
    _, own = _known(state_dir)
    files = {file.key: file for file in _live(discover) if not _container(file)}
    older: dict[tuple[int, int], _File] = {}
    for file in files.values():
        for path in backups(file.path).values():
            status = path.stat()
            if (status.st_dev, status.st_ino) not in own:
                older[status.st_dev, status.st_ino] = _File(path, file.source, status)
    seen, blind = writers_of({*files, *older})
    rotated = {original_name(str(one.path)) for one in older.values()}
    shared = 0
    for key, file in files.items():
        processes = {writer.pid: writer for writer in seen.get(key, ())}
        late = [one for other, one in older.items() if other in seen and original_name(str(one.path)) == str(file.path)]
        if late or (len(processes) > 1 and str(file.path) in rotated):
            shared += 1
            yield Finding("problem", str(file.path), _shared(processes.values(), late), (
                "give each process a LOG_FILE of its own (a volume for each service, one worker), "
                "or leave LOG_FILE empty and read the containers' output"
            ))  # fmt: skip
    if not shared:
        note = f" (of those that can be seen: {blind})" if blind else ""
        yield Finding("ok", f"{len(files)} files", f"none is rotated by several processes at once{note}")


def _shared(processes: Iterable[Writer], late: list[_File]) -> str:
    names = ", ".join(str(writer) for writer in processes)
    if late:
        return (
            f"{', '.join(one.path.name for one in late)} is still written after it was rotated away: several processes "
            f"rotate one file ({names or 'writer not seen'}), and lines are destroyed when the oldest is deleted"
        )
    return f"{names} all write it, and it is rotated by renaming: each would rotate what the others go on writing to"


def zones(discover: Discover) -> Iterator[Finding]:
    """Compare the last stamp without a zone in each file with the time at which it was written."""
    looked = wrong = 0
    for file in _live(discover):
        hours = _ahead(file)
        if hours is None:
            continue
        looked += 1
        if hours:
            wrong += 1
            offset = datetime.now(ZoneInfo(file.source.zone)).utcoffset()
            east = (offset.total_seconds() / 3600 if offset else 0) + hours
            side = "ahead of" if hours > 0 else "behind"
            what = (
                f"its stamps are {abs(hours):g} hours {side} the time of writing: "
                f"they are read as {file.source.zone}, and look like UTC{east:+g}"
            )
            step = "set LOG_TZ in the container" if _container(file) else "set its zone in the configuration, or LOG_TZ"
            yield Finding("problem", str(file.path), what, step)
    if not wrong:
        yield Finding("ok", f"{looked} files", "with stamps that carry no zone fit the time of writing")


def _known(state_dir: Path) -> tuple[dict[str, RotationStatus], set[tuple[int, int]]]:
    """Return how rotations go, by path, and the backups that logship made."""
    if not made(state_dir):
        return {}, set()
    with Ledger.open(state_dir, readonly=True) as ledger:
        return {one.path: one for one in rotation_status(ledger.connection)}, backup_keys(ledger.connection)


def _live(discover: Discover) -> Iterator[_File]:
    """Find the files that are written now: not those that a rotation numbered."""
    for found in discover():
        if original_name(found.path.name) == found.path.name:
            try:
                yield _File(found.path, found.source, found.path.stat())
            except OSError:
                continue


def _container(file: _File) -> bool:
    return "container" in file.source.fields


def _managed(file: _File, policy: Policy, known: RotationStatus | None) -> Finding:
    if known is not None and known.method == "refused":
        what = f"is to be rotated by logship, and was left alone: {known.reason}"
        return Finding("problem", str(file.path), what, "it is tried again every 30 seconds once that is mended")
    if known is not None and known.method == "truncate":
        what = f"{known.count} times rotated: {known.reason}"
        return Finding("advice", str(file.path), what, "move it to ext4 or xfs")
    try:
        granularity(file.path.parent)
    except OSError as error:
        if policy.truncate:
            what = f"can only be copied and emptied there ({error.strerror}), which loses what is written in between"
            return Finding("advice", str(file.path), what, "move it to ext4 or xfs")
        what = f"is to be rotated by logship, but its file system cannot remove the head of a file: {error.strerror}"
        return Finding("problem", str(file.path), what, "move it to ext4 or xfs, or set rotation.allow_truncate")
    seen, _ = writers_of({file.key})
    careless = [str(writer) for writer in seen.get(file.key, ()) if not writer.append]
    if careless:
        what = f"is to be rotated by logship, but {', '.join(careless)} writes it without O_APPEND"
        return Finding("problem", str(file.path), what, "open it for appending there, or let that program rotate it")
    times = f", {known.count} times so far" if known is not None else ""
    return Finding("ok", str(file.path), f"rotated by logship in place at {policy.max_size:,} bytes{times}")


def _rotator(file: _File, own: set[tuple[int, int]]) -> str:
    if _container(file):
        return "Docker (max-size)" if limited_by_docker(file.path) else ""
    if _logrotate(file.path):
        return "logrotate"
    others = [path for path in backups(file.path).values() if (path.stat().st_dev, path.stat().st_ino) not in own]
    return "the program that writes it" if others else ""


def _logrotate(path: Path) -> bool:
    """Tell whether logrotate's configuration names a file."""
    texts = []
    for place in _LOGROTATE:
        for config in sorted(place.iterdir()) if place.is_dir() else [place]:
            try:
                texts.append(config.read_text(errors="replace"))
            except OSError:
                continue
    words = (word.strip('"{') for text in texts for word in text.split() if word.startswith(("/", '"/')))
    return any(fnmatch(str(path), word) for word in words if word)


def _ahead(file: _File) -> float | None:
    """Return by how many hours a file's last stamp is ahead of its time; None when it has none without a zone."""
    with file.path.open("rb") as opened:
        opened.seek(max(file.status.st_size - 65536, 0))
        lines = opened.read().splitlines()[-200:]
    for line in reversed(lines):
        text, written = line.decode(errors="replace"), file.status.st_mtime
        if file.source.envelope == "docker":
            try:
                record = orjson.loads(line)
                text, written = str(record["log"]), datetime.fromisoformat(record["time"][:26] + "+00:00").timestamp()
            except (ValueError, KeyError, TypeError):
                continue
        if match := _STAMP.match(text.lstrip("[")):
            try:
                stamp = datetime.fromisoformat(match[1]).replace(tzinfo=ZoneInfo(file.source.zone))
            except ValueError:
                continue
            off = stamp.astimezone(UTC).timestamp() - written
            quarters = round(off / _QUARTER)
            fits = abs(off - quarters * _QUARTER) < 120 and 2 <= abs(quarters) <= 56
            return quarters / 4 if fits else 0.0
    return None
