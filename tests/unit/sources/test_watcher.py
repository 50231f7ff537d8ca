"""The bell."""

from __future__ import annotations

import threading
from pathlib import Path

from structlog.testing import capture_logs

from logship.sources import watcher
from logship.sources.watcher import Watcher


def test_the_bell_rings(tmp_path: Path) -> None:
    """A file that appears, is renamed or goes rings the bell."""
    bell = threading.Event()
    with Watcher(bell) as watching:
        watching.watch([tmp_path])
        (tmp_path / "a").touch()
        assert bell.wait(10)
        bell.clear()
        (tmp_path / "a").rename(tmp_path / "b")
        assert bell.wait(10)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """A directory that does not exist does no harm, and is watched when it does."""
    bell = threading.Event()
    with Watcher(bell) as watching:
        watching.watch([tmp_path / "later"])
        (tmp_path / "later").mkdir()
        watching.watch([tmp_path / "later"])
        (tmp_path / "later" / "a").touch()
        assert bell.wait(10)
        watching.watch([])
        assert not watching.polling


def test_too_many_directories(tmp_path: Path) -> None:
    """Beyond a number of directories there is one warning, and scanning."""
    directories = [tmp_path / str(number) for number in range(watcher.MOST + 2)]
    for directory in directories:
        directory.mkdir()
    with Watcher(threading.Event()) as watching, capture_logs() as warnings:
        watching.watch(directories)
        watching.watch(directories)
        assert watching.polling
    assert len(warnings) == 1
