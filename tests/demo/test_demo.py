"""The demo: its stand-in for Docker writes what Docker writes, and `logship demo --once` is an honest check."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from logship.demo.engine import PART, Container, JsonFile, copy, prepare
from logship.demo.run import differences
from logship.ledger.status import Status
from logship.sources.docker import DockerContainers


def records(path):
    """Return the records of a json-file log and its rotated files, oldest first."""
    files = sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: -int(file.suffix[1:]))
    return [json.loads(line) for file in [*files, path] for line in file.read_bytes().splitlines()]


@pytest.fixture
def pipe():
    """Give a function that returns the reading end of a pipe that holds the given bytes and is closed."""
    opened = []

    def filled(content):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        opened.append(io.FileIO(reading))
        return opened[-1]

    yield filled
    for stream in opened:
        stream.close()


def test_long_lines_are_cut_as_docker_cuts_them(tmp_path, pipe):
    """A record holds at most 16 KiB, only a line's last part ends in a newline, a tail without one is kept."""
    path = tmp_path / "x-json.log"
    log = JsonFile(path, max_size=1 << 20, max_file=2)
    copy(pipe(b"a\n" + b"b" * (PART + 5) + b"\n" + b"tail"), "stdout", log)
    log.close()
    assert [record["log"] for record in records(path)] == ["a\n", "b" * PART, "b" * 5 + "\n", "tail"]


def test_rotation_by_size_keeps_every_record(tmp_path):
    """Rotated files hold the older records; together they hold all, in order."""
    path = tmp_path / "x-json.log"
    log = JsonFile(path, max_size=300, max_file=100)
    for number in range(50):
        log.write(b"line %d\n" % number, "stderr" if number % 2 else "stdout")
    log.close()
    assert len(list(tmp_path.iterdir())) > 3
    assert [record["log"] for record in records(path)] == [f"line {number}\n" for number in range(50)]


def test_its_containers_are_found_as_dockers_are(tmp_path):
    """The folder of a container tells name, image, compose project and service."""
    container = Container("c" * 64, "api", "langgenius/dify-api:1.13.3", ["x"], {"LOG_TZ": "Asia/Tokyo"}, 1000, 5)
    prepare(tmp_path, container).close()
    (found,) = DockerContainers(tmp_path)()
    assert (found.source.service, found.source.image, found.source.zone, found.source.fields["container"]["name"]) == (
        "api", "langgenius/dify-api:1.13.3", "Asia/Tokyo", "dify-api-1",
    )  # fmt: skip


def test_every_difference_is_named():
    """A service with too few or too many events, a key in clear text, and books that do not close are all told."""
    books = Status([], [], False, ["books"], 0, 0, 0, 0)
    assert differences(books, {"api": 3, "worker": 2, "nginx": 1}, {"api": 2, "worker": 2, "nginx": 2}, 1) == [
        "books",
        "api: 3 events were written, 2 are found",
        "nginx: 1 events were written, 2 are found",
        "a key was found in clear text in 1 documents",
    ]


def test_demo_once_ends_well():
    """`logship demo --once` runs the whole path without a terminal and finds each event that was written, once."""
    done = subprocess.run(
        [Path(sys.executable).with_name("logship"), "demo", "--once"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("all that was written is found, once\n")
