"""
Dify's two handlers, in real processes: stdout as Docker keeps it, and a LOG_FILE that they rotate.

LOGSHIP_TEST_EVENTS=100000 writes as many events, LOGSHIP_TEST_SEED repeats the kills of a run.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest
from conformance.harness import Site

from logship.config.settings import FileSource

EVENTS = int(os.environ.get("LOGSHIP_TEST_EVENTS", "10000"))
KILLS = 8
WRITER = """
import logging, os, sys, time
from logship.demo.dify_logging import configure
number, count, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
configure(os.environ)
logging.raiseExceptions = False  # a rollover that another process won raises
log = logging.getLogger("writer")
for event in range(count):
    if event % 10 == 0:
        log.info("the same for all")
    elif event % 25 == 1:
        try:
            raise ValueError(f"boom {number} {event}")
        except ValueError:
            log.exception("failed %d %d", number, event)
    else:
        log.info("writer %d event %d", number, event)
    time.sleep(pause)
"""


def expected(writers: int, each: int) -> Counter:
    """Return how often each message was logged."""
    found: Counter = Counter()
    for number in range(writers):
        for event in range(each):
            failed = f"failed {number} {event}" if event % 25 == 1 else f"writer {number} event {event}"
            found["the same for all" if event % 10 == 0 else failed] += 1
    return found


class Stack(threading.Thread):
    """Writers that share a stdout, which is kept as Docker's json-file driver does, and a LOG_FILE."""

    def __init__(self, site: Site, layout: str, writers: int, each: int, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        folder = site.folder / "containers" / ("c" * 64)
        folder.mkdir(parents=True)
        labels = {"com.docker.compose.service": "api", "com.docker.compose.project": "dify"}
        config = {"Name": "/docker-api-1", "Config": {"Image": "langgenius/dify-api:1.13.3", "Labels": labels}}
        (folder / "config.v2.json").write_bytes(orjson.dumps(config))
        self._output = folder / f"{folder.name}-json.log"
        self.log_file = site.logs / "server.log"
        # Some 20 rotations; as many backups as nothing is deleted by.
        size = writers * each * 150 / 20 / 1024**2
        environment = os.environ | {
            "LOG_FILE": str(self.log_file), "LOG_FILE_MAX_SIZE": str(size), "LOG_FILE_BACKUP_COUNT": "200",
            "LOG_OUTPUT_FORMAT": layout,
        }  # fmt: skip
        reading, writing = os.pipe()
        (site.folder / "writer.py").write_text(WRITER)
        command = [sys.executable, str(site.folder / "writer.py")]
        self._writers = [
            subprocess.Popen([*command, str(number), str(each), str(pause)], stdout=writing, env=environment)
            for number in range(writers)
        ]
        os.close(writing)
        self._pipe = os.fdopen(reading, "rb")

    def run(self) -> None:
        """Keep every line, until the last writer has ended."""
        with self._pipe, self._output.open("ab", buffering=0) as output:
            for line in self._pipe:
                stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
                output.write(orjson.dumps({"log": line.decode(), "stream": "stdout", "time": stamp}) + b"\n")

    def end(self) -> None:
        """Wait for the writers, and for what they wrote."""
        for writer in self._writers:
            assert 0 == writer.wait(timeout=300)
        self.join()


def options(stack: Stack) -> dict:
    """Return the settings that read both copies."""
    return {
        "containers": {"enabled": True, "root": stack.log_file.parents[1] / "containers"},
        "log_file": {"path": stack.log_file, "service": "api"},
    }


def check(site: Site, writers: int, each: int) -> None:
    """Fail when an event is lost or doubled, or the books do not close, or a copy is not counted."""
    found, wanted = Counter(site.messages()), expected(writers, each)
    assert (Counter(), Counter()) == (wanted - found, found - wanted), "lost, doubled"
    site.check_books()
    dropped: Counter = Counter()
    for file in site.books().files:
        dropped.update(file.dropped)
    sys.stderr.write(f"{found.total()} delivered, {dict(dropped)}\n")
    assert {"copy"} == set(dropped)
    # Writers that rotate one file destroy some of each other's lines.
    least, most = (writers * each, writers * each) if writers == 1 else (writers * each // 2, writers * each)
    assert least <= dropped.total() <= most


@pytest.mark.parametrize("writers", [1, 3])
@pytest.mark.parametrize("layout", ["text", "json"])
def test_events_of_both_copies_are_delivered_once(tmp_path, layout, writers):
    """Processes write to one stdout and rotate one LOG_FILE: nothing is lost, nothing is there twice."""
    site, each = Site(tmp_path), EVENTS // writers
    stack = Stack(site, layout, writers, each)
    stack.start()
    with site.agent(FileSource(path=str(tmp_path / "none" / "*.log")), **options(stack)) as agent:
        before = time.monotonic()
        while stack.is_alive():  # the agent's time is that of the writers
            now = time.monotonic()
            agent.poll(now - before)
            before = now
        stack.end()
        agent.settle()
    check(site, writers, each)


@pytest.mark.parametrize("layout", ["text", "json"])
def test_a_copy_that_lags_pairs_with_what_was_read_long_before(tmp_path, layout):
    """All of stdout is read before LOG_FILE and its rotations, by another agent: each event is delivered once."""
    site, writers, each = Site(tmp_path), 3, 1000
    stack = Stack(site, layout, writers, each)
    stack.start()
    stack.end()
    hidden = tmp_path / "hidden"
    nothing_else = FileSource(path=str(tmp_path / "none" / "*.log"))
    with site.agent(nothing_else, **options(stack)) as agent:
        rotated = [path for path in site.logs.iterdir() if path != stack.log_file]
        assert len(rotated) > 5  # how many is up to the writers, who rotate one file
        hidden.mkdir()
        for path in rotated:  # the newest stays in sight: LOG_FILE is there
            path.rename(hidden / path.name)
        agent.settle()
    for path in hidden.iterdir():
        path.rename(site.logs / path.name)
    site.run(nothing_else, **options(stack))
    check(site, writers, each)


@pytest.mark.parametrize("layout", ["text", "json"])
def test_kill_9_changes_nothing_about_it(tmp_path, layout):
    """Kills at random moments, while both copies are written, lose and double nothing."""
    site, writers, each = Site(tmp_path), 3, 1000
    seed = int(os.environ.get("LOGSHIP_TEST_SEED", str(random.randrange(1 << 32))))
    sys.stderr.write(f"seed {seed}; LOGSHIP_TEST_SEED={seed} repeats it\n")
    chance = random.Random(seed)
    stack = Stack(site, layout, writers, each, pause=0.008)
    command = [sys.executable, "-m", "logship", "tail", "--state-dir", str(site.state), "--output", "none"]
    environment = os.environ | {
        "LOGSHIP_LOG_FILE__PATH": str(stack.log_file), "LOGSHIP_CONTAINERS__ENABLED": "true",
        "LOGSHIP_CONTAINERS__ROOT": str(tmp_path / "containers"), "LOGSHIP_STORE__ENABLED": "false",
        "LOGSHIP_INGEST__QUIET_SECONDS": "0.2", "LOGSHIP_REPORT_SECONDS": "0",
    }  # fmt: skip
    stack.start()
    with (tmp_path / "agent.log").open("ab") as output:
        for _ in range(KILLS):
            agent = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            time.sleep(chance.uniform(0.6, 1.8))  # the moment is the point of the test
            agent.send_signal(signal.SIGKILL)
            agent.wait(timeout=30)
        stack.end()
    subprocess.run([*command, "--once"], env=environment, check=True, timeout=120)
    check(site, writers, each)
