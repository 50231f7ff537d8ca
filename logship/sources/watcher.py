"""
A bell that rings when a file appears in a directory, is renamed or goes, or when a resting file changes.

It only saves looking: `Tailer.scan` finds everything out by itself, if later, and an event that is lost or invented
does no harm. Writes to a busy file do not ring, for looking at it costs less; a file that was quiet for some time is
left to rest, and its next change rings once.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import structlog

from logship.sources import inotify
from logship.sources.inotify import Inotify

_DIRECTORY = (
    inotify.CREATE | inotify.MOVED_FROM | inotify.MOVED_TO | inotify.DELETE | inotify.ATTRIB
    | inotify.MOVE_SELF | inotify.ONLYDIR
)  # fmt: skip
_FILE = inotify.MODIFY | inotify.ATTRIB | inotify.MOVE_SELF | inotify.DELETE_SELF | inotify.ONESHOT
#: File systems that others change without our kernel knowing.
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse", "virtiofs", "ceph", "afs", "gfs", "glusterfs", "lustre", "vboxsf")

Key = tuple[int, int]
log = structlog.get_logger()


class Watcher:
    """Sets an event when something changes in a watched directory or a resting file; used by one thread."""

    def __init__(self, bell: threading.Event) -> None:
        self._bell = bell
        self._inotify: Inotify | None = None
        self._thread: threading.Thread | None = None
        self._watches: dict[Path, int] = {}
        self._directories: dict[int, Path] = {}
        self._files: dict[int, Key] = {}
        self._remote: set[int] = set()
        self._full = False
        #: The bell does not ring for everything: look often.
        self.polling = False

    def watch(self, directories: Iterable[Path]) -> bool:
        """
        Watch exactly these directories from now on, and return whether any of them is new.

        Where that is impossible, say so once and set `polling`.
        """
        if self.polling:
            return False
        wanted = set(directories)
        for directory in self._watches.keys() - wanted:
            self._forget(self._watches[directory])
        missing = sorted(wanted - self._watches.keys())
        try:
            if missing:
                self._remote = _remote_devices()
            if self._inotify is None and missing:
                self._inotify = Inotify()
                self._thread = threading.Thread(target=self._listen, args=(self._inotify,), daemon=True)
                self._thread.start()
        except (OSError, RuntimeError) as error:  # no more instances, files or threads
            self._poll(str(error))
            return False
        source = self._inotify
        return source is not None and len([one for one in missing if self._add(source, one)]) > 0

    def rest(self, key: Key, path: str) -> bool:
        """Ring at the next change of a file, and return True; False when it must be looked at instead."""
        if self._inotify is None or self._full or key[0] in self._remote:
            return False
        try:
            self._files[self._inotify.add(path, _FILE)] = key
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._full = True
                log.warning("no more files can be watched; raise fs.inotify.max_user_watches", watched=len(self._files))
            return False
        return True

    def heard(self) -> tuple[bool, set[Key]]:
        """Return whether files may have come or gone since the last call, and the resting files that changed."""
        changed, woken = self.polling or self._inotify is None, set()
        for watch, mask in self._inotify.read() if self._inotify is not None else ():
            if (key := self._files.pop(watch, None)) is not None:
                woken.add(key)
            elif watch in self._directories:
                changed = True
                if mask & (inotify.MOVE_SELF | inotify.IGNORED):  # another directory may be in its place
                    self._forget(watch)
            elif mask & inotify.OVERFLOW:
                changed = True
        return changed, woken

    def close(self) -> None:
        """Stop watching."""
        if self._inotify is not None and self._thread is not None:
            self._inotify.stop()
            self._thread.join()
            self._inotify.close()
        self._inotify = self._thread = None
        self._watches.clear()
        self._directories.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, source: Inotify, directory: Path) -> bool:
        try:
            if directory.stat().st_dev in self._remote:
                self._poll(f"{directory} is on a network file system")
                return False
            watch = source.add(directory, _DIRECTORY)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self._poll(str(error))
            return False
        self._watches[directory], self._directories[watch] = watch, directory
        return True

    def _forget(self, watch: int) -> None:
        directory = self._directories.pop(watch)
        if self._watches.get(directory) == watch:
            del self._watches[directory]
        if self._inotify is not None:
            self._inotify.remove(watch)

    def _listen(self, source: Inotify) -> None:
        while source.wait():
            self._bell.set()

    def _poll(self, reason: str) -> None:
        if not self.polling:
            self.polling = True
            log.warning("directories cannot all be watched; changes are found by looking", reason=reason)


def _remote_devices() -> set[int]:
    """Return the devices of mounted network file systems (proc(5), mountinfo)."""
    devices = set()
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        mount, _, kind = line.partition(" - ")
        if kind.startswith(_REMOTE):
            major, _, minor = mount.split(" ")[2].partition(":")
            devices.add(os.makedev(int(major), int(minor)))
    return devices
