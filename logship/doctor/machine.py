"""Limits of the machine that the agent runs into: open files, inotify, the clock."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from logship.doctor.finding import Finding
from logship.doctor.state import made
from logship.ledger.ledger import Ledger
from logship.sources.handles import default_limit
from logship.sources.inotify import Inotify

#: The kernel's clock is not disciplined by anybody (adjtimex(2)).
_TIME_ERROR = 5
_AHEAD = 300.0


def agent(state_dir: Path) -> int | None:
    """Return the process id of the agent that writes a state directory now, or None."""
    try:
        lock = os.open(state_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(lock, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(lock)
    return None


def open_files(state_dir: Path) -> Iterator[Finding]:
    """Compare the files that are followed with those that the agent may hold open."""
    limit = default_limit()
    if (running := agent(state_dir)) and (found := _limit_of(running)):
        limit = found // 2
    followed = _followed(state_dir)
    if len(followed) > limit:
        what = (
            f"{len(followed)} files are followed and {limit} may be held open: "
            "of the others, what is deleted between two looks is lost"
        )
        yield Finding("problem", "ulimit -n", what, f"raise it to {4 * len(followed)}, with LimitNOFILE= or ulimits:")
    else:
        yield Finding("ok", "ulimit -n", f"{limit} files may be held open, {len(followed)} are followed")


def _limit_of(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/limits").read_text()
    except OSError:
        return 0
    found = re.search(r"^Max open files\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _followed(state_dir: Path) -> list[Path]:
    if not made(state_dir):
        return []
    with Ledger.open(state_dir, readonly=True) as ledger:
        return [Path(row.ref.path) for row in ledger.files()]


def inotify(state_dir: Path) -> Iterator[Finding]:
    """Try to have an inotify instance, and compare the files that are followed with what may be watched."""
    if agent(state_dir):
        yield Finding("ok", "inotify", "the agent runs and holds its watches")
        return
    followed = len(_followed(state_dir))
    most = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    try:
        Inotify().close()
    except OSError as error:
        what = f"nothing can be watched ({error.strerror}): every file is looked at every time, at more cost"
        step = "raise fs.inotify.max_user_instances with sysctl, or stop what holds them"
        yield Finding("advice", "inotify", what, step)
        return
    if followed * 2 > most:
        what = f"{most} files and directories may be watched, {followed} files are followed: the others cost more"
        yield Finding("advice", "inotify", what, f"raise fs.inotify.max_user_watches to {4 * followed} with sysctl")
    else:
        yield Finding("ok", "inotify", f"{most} files and directories may be watched, {followed} files are followed")


def clock(state_dir: Path) -> Iterator[Finding]:
    """Ask the kernel whether somebody keeps its clock, and the files whether they are from the future."""
    now = time.time()
    future = [path for path in _followed(state_dir) if path.exists() and path.stat().st_mtime > now + _AHEAD]
    for path in future:
        ahead = path.stat().st_mtime - now
        what = f"was written {ahead:.0f} s from now: this clock was set back, or the writer's is wrong"
        yield Finding("problem", str(path), what, "synchronise the clocks (chrony, systemd-timesyncd)")
    # struct timex of adjtimex(2) has 208 bytes on 64-bit machines; modes = 0 only asks.
    if ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256)) == _TIME_ERROR:
        what = "nobody keeps this machine's clock (no NTP): times of different machines cannot be compared"
        yield Finding("advice", "clock", what, "run chrony or systemd-timesyncd on the host")
    elif not future:
        yield Finding("ok", "clock", "is synchronised")
