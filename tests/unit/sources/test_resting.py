"""Files that were quiet for some time are not looked at, and nothing is missed by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit.sources.conftest import append

from logship.sources.discovery import PathPatterns
from logship.sources.watcher import Watcher

Start = Callable[..., object]


@pytest.fixture
def resting(start, logs: Path) -> Iterator[Callable[..., object]]:
    """Start an agent with a watcher, whose files rest already."""
    with Watcher(threading.Event()) as watcher:

        def begin(pattern: str = "*.log*"):
            append(logs / "a.log", "one\n")
            append(logs / "b.log", "two\n")
            found = PathPatterns([str(logs / pattern)])
            agent = start(pattern, watcher=watcher, directories=found.directories)
            assert sorted(agent.poll()) == sorted("one\ntwo\n")
            agent.poll(12.0)
            agent.poll(0.1)
            assert resting_files(agent) == ["a.log", "b.log"]
            return agent

        yield begin


def resting_files(agent) -> list[str]:
    """Return the names of the files that are not looked at."""
    return sorted(known.path.name for known in agent.tailer._files.current.values() if known.resting)


def test_a_resting_file_that_grows(resting, logs: Path) -> None:
    """It is read at the next scan, without a look at all files, and rests again later."""
    agent = resting()
    before = agent.tailer._all_at
    append(logs / "a.log", "three\n")
    assert agent.poll(0.1) == "three\n"
    assert agent.tailer._all_at == before
    assert resting_files(agent) == ["b.log"]
    append(logs / "a.log", "four\n")
    assert agent.poll(0.1) == "four\n"
    agent.poll(11.0)
    agent.poll(0.1)
    assert resting_files(agent) == ["a.log", "b.log"]


def test_a_resting_file_that_is_rotated(resting, logs: Path) -> None:
    """The new file under its name is found at the next scan, and the old one goes on."""
    agent = resting()
    (logs / "a.log").rename(logs / "a.log.1")
    append(logs / "a.log", "three\n")
    assert agent.poll(0.1) == "three\n"
    append(logs / "a.log.1", "late\n")
    assert agent.poll(0.1) == "late\n"
    assert len(agent.states()) == 3


def test_a_resting_file_that_is_truncated(resting, logs: Path) -> None:
    """What is written after it is read from its beginning."""
    agent = resting()
    (logs / "a.log").write_text("new\n")
    assert agent.poll(0.1) == "new\n"


def test_a_resting_file_that_is_removed(resting, logs: Path) -> None:
    """It ends, and its successor of the same name is read."""
    agent = resting()
    (logs / "a.log").unlink()
    agent.settle()
    assert [state for name, state in agent.states().items() if name.startswith("a.log")] == ["ended"]
    append(logs / "a.log", "again\n")
    assert agent.poll(0.1) == "again\n"


def test_an_empty_file_rests_too(resting, logs: Path) -> None:
    """How the lines of a file are wrapped is told when it has its first line, not when it was found."""
    agent = resting()
    (logs / "c.log").touch()
    agent.poll(0.1)
    agent.poll(12.0)
    agent.poll(0.1)
    assert "c.log" in resting_files(agent)
    append(logs / "c.log", '{"log":"x\\n","stream":"stdout","time":"2025-11-20T08:00:07Z"}\n')
    agent.poll(0.1)
    assert agent.chunks[-1].file.source.envelope == "docker"


def test_a_new_directory_on_the_way(start, logs: Path) -> None:
    """A file in a directory that did not exist is found at the next scan."""
    with Watcher(threading.Event()) as watcher:
        found = PathPatterns([str(logs / "*" / "deep" / "*.log")])
        agent = start("*/deep/*.log", watcher=watcher, directories=found.directories)
        assert agent.poll() == ""
        (logs / "x" / "deep").mkdir(parents=True)
        agent.poll(0.1)
        append(logs / "x" / "deep" / "a.log", "one\n")
        assert agent.poll(0.1) == "one\n"
