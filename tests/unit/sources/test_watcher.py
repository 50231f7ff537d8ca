"""The bell."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

from structlog.testing import capture_logs

from logship.sources.watcher import Watcher


def test_the_bell_rings(tmp_path: Path) -> None:
    """A file that appears, is renamed or goes rings the bell."""
    bell = threading.Event()
    with Watcher(bell) as watching:
        watching.watch([tmp_path])
        assert (False, set()) == watching.heard()
        (tmp_path / "a").touch()
        assert bell.wait(10)
        bell.clear()
        assert (True, set()) == watching.heard()
        (tmp_path / "a").rename(tmp_path / "b")
        assert bell.wait(10)
        assert (True, set()) == watching.heard()
        assert (False, set()) == watching.heard()


def test_a_resting_file_rings_once(tmp_path: Path) -> None:
    """The first write to a resting file rings and names it; the next ones do not, until it rests again."""
    file = tmp_path / "logs" / "a.log"
    file.parent.mkdir()
    file.touch()
    bell = threading.Event()
    with Watcher(bell) as watching:
        watching.watch([tmp_path])
        assert watching.rest((1, 2), str(file))
        file.write_text("one")
        assert bell.wait(10)
        assert (False, {(1, 2)}) == watching.heard()
        file.write_text("two")
        assert (False, set()) == watching.heard()
        assert watching.rest((1, 2), str(file))
        file.rename(tmp_path / "logs" / "a.log.1")
        assert (False, {(1, 2)}) == watching.heard()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """A directory that does not exist does no harm, and is watched when it does; also when it was replaced."""
    later = tmp_path / "later"
    bell = threading.Event()
    with Watcher(bell) as watching:
        watching.watch([later])
        assert not watching.polling
        for _ in range(2):
            later.mkdir()
            watching.watch([later])
            watching.heard()
            (later / "a").touch()
            assert bell.wait(10)
            assert (True, set()) == watching.heard()
            later.rename(tmp_path / f"gone{_}")
            assert (True, set()) == watching.heard()
        watching.watch([])
        assert not watching.polling


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    """Where the system gives no watches there is one warning, and everything is looked at."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Watcher(threading.Event()) as watching, capture_logs() as warnings:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            watching.watch([tmp_path])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        watching.watch([tmp_path])
        assert watching.polling
        assert not watching.rest((1, 2), str(tmp_path))
        assert (True, set()) == watching.heard()
    assert ["directories cannot all be watched; changes are found by looking"] == [one["event"] for one in warnings]
