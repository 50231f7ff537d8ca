"""Which files are found, and what is skipped."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from unit.sources.conftest import append

from logship.sources.discovery import PathPatterns, detect_envelope, service_of

Start = Callable[..., Any]


def found(patterns: PathPatterns) -> list[str]:
    """Return the names of what is found."""
    return sorted(file.path.name for file in patterns())


def test_created_after_the_start(start: Start, logs: Path) -> None:
    """A file that appears is read from its first byte."""
    agent = start()
    assert agent.poll() == ""
    append(logs / "app.log", "1\n2\n")
    assert agent.poll() == "1\n2\n"


def test_two_patterns_and_a_path_that_is_missing(start: Start, logs: Path) -> None:
    """A file that two patterns match is read once; a path that does not exist does no harm."""
    agent = start("*.log", "a*", "missing.log")
    append(logs / "a.log", "1\n")
    assert agent.poll() == "1\n"


def test_recursive_pattern_and_exclusion(logs: Path) -> None:
    """`**` goes into directories; an excluded name or path is left out, doubled slashes or not."""
    (logs / "deep" / "er").mkdir(parents=True)
    for path in ("a.log", "b.log", "deep/er/c.log", "deep/d.log"):
        append(logs / path, "1\n")
    patterns = PathPatterns([f"{logs}//**/*.log"], [f"{logs}//deep//d.log", "b.*"])
    assert found(patterns) == ["a.log", "c.log"]
    assert patterns.directories() == {logs, logs / "deep", logs / "deep" / "er"}


def test_rotated_names_are_found_gzip_too(logs: Path) -> None:
    """A pattern that matches rotated names finds them, compressed ones only when they are gzip."""
    for name in ("a.log", "a.log.1", "a.log.2.gz", "a.log.3.zst"):
        append(logs / name, "1\n")
    assert found(PathPatterns([f"{logs}/a.log*"])) == ["a.log", "a.log.1", "a.log.2.gz"]


def test_symbolic_and_hard_links(start: Start, logs: Path) -> None:
    """A file is read once, whatever number of names it has."""
    agent = start()
    append(logs / "a.log", "1\n")
    (logs / "current.log").symlink_to(logs / "a.log")
    (logs / "hard.log").hardlink_to(logs / "a.log")
    assert agent.poll() == "1\n"
    append(logs / "a.log", "2\n")
    assert agent.poll() == "2\n"
    assert len(agent.states()) == 1


def test_a_symbolic_link_that_is_pointed_elsewhere(start: Start, logs: Path) -> None:
    """After a link was pointed to another file, both are followed."""
    agent = start("current.log")
    append(logs / "a.log", "a1\n")
    (logs / "current.log").symlink_to(logs / "a.log")
    assert agent.poll() == "a1\n"
    (logs / "current.log").unlink()
    append(logs / "b.log", "b1\n")
    (logs / "current.log").symlink_to(logs / "b.log")
    append(logs / "a.log", "a2\n")
    assert sorted(agent.poll().split()) == ["a2", "b1"]
    agent.restart()
    append(logs / "a.log", "a3\n")
    assert agent.poll() == "a3\n"


def test_what_is_no_regular_file(start: Start, logs: Path) -> None:
    """Directories, pipes, sockets and devices are skipped with one warning each, and never block."""
    agent = start()
    (logs / "directory.log").mkdir()
    os.mkfifo(logs / "pipe.log")
    (logs / "zero.log").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(logs / "s.log"))
        append(logs / "a.log", "1\n")
        with capture_logs() as warnings:
            assert agent.poll() == "1\n"
            agent.poll()
    assert sorted(Path(entry["path"]).name for entry in warnings) == ["directory.log", "pipe.log", "s.log", "zero.log"]


@pytest.mark.parametrize(
    "name", ["with space.log", "日志😀.log", "new\nline.log", "x" * 251 + ".log", os.fsdecode(b"\xff\xfe.log")]
)
def test_strange_names(start: Start, logs: Path, name: str) -> None:
    """A file of any name is read, and known after a restart."""
    agent = start()
    append(logs / name, "1\n")
    assert agent.poll() == "1\n"
    agent.restart()
    append(logs / name, "2\n")
    assert agent.poll() == "2\n"


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a directory that other users can list."""
    with tempfile.TemporaryDirectory(prefix="logship-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
def test_a_file_that_may_not_be_read(start: Start, shared: Path) -> None:
    """An unreadable file gives one warning, and is read when its mode allows."""
    agent = start()
    agent.stop()
    agent.patterns = [f"{shared}/*.log"]
    agent.start()
    append(shared / "a.log", "1\n")
    (shared / "a.log").chmod(0)
    os.seteuid(65534)
    try:
        with capture_logs() as warnings:
            assert [agent.poll(), agent.poll(), agent.poll()] == ["", "", ""]
        assert [entry["reason"] for entry in warnings] == ["Permission denied"]
    finally:
        os.seteuid(0)
    (shared / "a.log").chmod(0o644)
    assert agent.poll() == "1\n"


def test_more_files_than_may_be_open(start: Start, logs: Path) -> None:
    """With 100 descriptors, 200 files are each read once, and none is taken for deleted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        agent = start()
        for number in range(200):
            append(logs / f"{number}.log", f"{number} a\n")
        given = sorted(agent.poll(100.0).splitlines())
        assert given == sorted(f"{number} a" for number in range(200))
        for number in range(200):
            append(logs / f"{number}.log", f"{number} b\n")
        assert sorted(agent.poll(100.0).splitlines()) == sorted(f"{number} b" for number in range(200))
        assert agent.settle() == ""
        assert set(agent.states().values()) == {"open"}
        assert len(list(Path("/proc/self/fd").iterdir())) < 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_left_at_all(start: Start, logs: Path) -> None:
    """When the process can open nothing more, files wait, and are read later."""
    agent = start("a.log", "b.log", "c.log", open_files=1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    append(logs / "a.log", "1\n")
    agent.poll()
    append(logs / "b.log", "2\n")
    append(logs / "c.log", "2\n")
    used = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    holes = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                holes.append(os.open("/dev/null", os.O_RDONLY))
        agent.tailer.scan(1000.0)
        agent.tailer.scan(2000.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for hole in holes:
            os.close(hole)
    append(logs / "a.log", "3\n")
    assert sorted(agent.poll().split()) == ["2", "2", "3"]
    assert set(agent.states().values()) == {"open"}


def test_envelope_by_the_first_bytes(logs: Path) -> None:
    """A file that begins like a Docker record is one; a file too short to tell is looked at again."""
    append(logs / "a.log", '{"lo')
    append(logs / "b.log", "text\n")
    patterns = PathPatterns([f"{logs}/*.log"], zone="Asia/Shanghai")
    assert detect_envelope(str(logs / "a.log")) is None
    assert {f.path.name: f.source.envelope for f in patterns()} == {"a.log": "plain", "b.log": "plain"}
    append(logs / "a.log", 'g":"x\\n","stream":"stdout"}\n')
    assert {f.path.name: f.source.envelope for f in patterns()} == {"a.log": "docker", "b.log": "plain"}
    assert {f.source.zone for f in patterns()} == {"Asia/Shanghai"}


@pytest.mark.parametrize(
    ("path", "service"),
    [("/x/api.log.1", "api"), ("/x/Plugin Daemon.log", "plugin-daemon"), ("/x/.log", "log"), ("/x/日志", "unknown")],
)
def test_service_by_the_name(path: str, service: str) -> None:
    """A file's name gives its service."""
    assert service_of(path) == service
