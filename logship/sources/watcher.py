"""
A bell that rings when a file appears in a directory, is renamed or goes.

It only makes the next scan come at once, so that a file that lives shortly is
opened in time: `Tailer.scan` finds everything out by itself, and an event that
is lost, late or invented does no harm. Writes do not ring: watchdog takes 40 %
of a core for 20,000 of them a second, and the scan sees them too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import structlog
from watchdog.events import (
    DirCreatedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

#: Directories that are watched at most (each costs a thread); those beyond are found by scanning.
MOST = 64
_EVENTS: list[type[FileSystemEvent]] = [DirCreatedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent]

log = structlog.get_logger()


class Watcher(FileSystemEventHandler):
    """Sets an event when a file in a watched directory appears, is renamed or goes."""

    def __init__(self, bell: threading.Event) -> None:
        self._bell = bell
        self._observer: BaseObserver | None = None
        self._watches: dict[Path, ObservedWatch] = {}
        #: The bell does not ring for every directory: scan often.
        self.polling = False

    def watch(self, directories: Iterable[Path], *, recursive: bool = False) -> None:
        """Watch exactly these directories from now on; where that is impossible, say so once and set `polling`."""
        wanted = set(directories)
        for directory in self._watches.keys() - wanted:
            self._forget(directory)
        for directory in sorted(wanted - self._watches.keys()):
            if self.polling:
                return
            if len(self._watches) >= MOST:
                self._poll("too many directories to watch")
            else:
                self._add(directory, recursive)

    def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002  # what happened is for the scan to see
        """Ring the bell."""
        self._bell.set()

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watches.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, directory: Path, recursive: bool) -> None:
        try:
            if self._observer is None:
                observer = Observer()
                observer.start()
                self._observer = observer
            self._watches[directory] = self._observer.schedule(
                self, str(directory), recursive=recursive, event_filter=_EVENTS
            )
        except FileNotFoundError:
            return
        except (OSError, RuntimeError) as error:  # no instances or watches left, or no threads
            self._poll(str(error))

    def _forget(self, directory: Path) -> None:
        watch = self._watches.pop(directory)
        if self._observer is not None:
            self._observer.unschedule(watch)

    def _poll(self, reason: str) -> None:
        self.polling = True
        log.warning("directories cannot all be watched; changes are found by scanning", reason=reason)
