"""Docker's json-files are rotated under the daemon, where that was agreed to, on a real engine."""

import contextlib
import os
import subprocess
import sys
import uuid

import engine as docker
import orjson
import pytest
import yaml
from conformance.harness import Site, mounted, until
from rotation.conftest import make_disk, numbered

pytestmark = pytest.mark.timeout(600)
LINES = 60_000


@pytest.fixture
def containers(engine, tmp_path):
    """Give the engine's folder of containers; of an engine of our own it is on ext4, whatever the machine has."""
    if "DOCKER_HOST" not in engine.environment:
        yield engine.containers
        return
    make_disk("ext4", tmp_path / "image", 1 << 30)
    with mounted(engine.containers, "-o", "loop", kind="ext4", device=str(tmp_path / "image")) as folder:
        yield folder


@pytest.fixture
def run(engine):
    """Give a function that starts a container with options and a script, and returns its id."""
    started: list[str] = []

    def start(script: str, *options: str) -> str:
        name = f"rotated-{uuid.uuid4().hex[:8]}"
        image = docker.import_busybox(engine)
        started.append(name)
        command = ("run", "--detach", "--name", name, "--log-driver", "json-file", *options, image, "/bin/sh", "-c")
        return engine.run(*command, script).strip()

    yield start
    for name in started:
        with contextlib.suppress(AssertionError):
            engine.run("rm", "--force", name)


@pytest.fixture
def tail(containers, tmp_path):
    """Give a function that runs an agent which may rotate Docker's files until the block ends."""

    @contextlib.contextmanager
    def running(*, agreed: bool):
        config = tmp_path / "logship.yaml"
        settings = {
            "state_dir": str(tmp_path / "state"),
            "containers": {"enabled": True, "root": str(containers)},
            "store": {"enabled": False},
            "report_seconds": 0,
            "rotation": {"max_size": "256KiB", "backup_count": 1000, "docker_json_files": agreed},
        }
        config.write_text(yaml.safe_dump(settings))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOGSHIP_", "LOG_"))}
        with (tmp_path / "log").open("wb") as log:
            command = [sys.executable, "-m", "logship", "tail", "--config", str(config)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=environment)
        until(lambda: b"agent started" in (tmp_path / "log").read_bytes() or process.poll() is not None)
        try:
            yield Site(tmp_path)
        finally:
            process.terminate()
            assert process.wait(60) == 0, (tmp_path / "log").read_text()[-3000:]

    return running


def written(live):
    """Return the lines of a container from its file and its backups."""
    data = b"".join(path.read_bytes() for path in [*numbered(live), live])
    return [orjson.loads(line)["log"].rstrip("\n") for line in data.splitlines()]


def test_json_files_are_rotated_under_the_daemon(engine, containers, run, tail):
    """Every line is delivered once and is in the backups or the file; `docker logs` shows what the file still has."""
    expected = [str(number) for number in range(1, LINES + 1)]
    with tail(agreed=True) as site:
        identifier = run(f"seq 1 {LINES}; sleep 600")
        live = containers / identifier / f"{identifier}-json.log"
        until(lambda: site.books().documents >= LINES, 120)
        until(lambda: live.stat().st_size < 300_000, 60)
        assert len(numbered(live)) > 10
        assert written(live) == expected
        shown = engine.run("logs", identifier).split()
        assert 0 < len(shown) < LINES
        assert shown == expected[-len(shown) :]
    assert sorted(site.messages(), key=int) == expected
    site.check_books()
    (state,) = site.books().rotation
    assert (state.method, state.count) == ("collapse", len(numbered(live)))


def test_nothing_is_rotated_without_agreement(containers, run, tail):
    """By default Docker's files are Docker's."""
    with tail(agreed=False) as site:
        identifier = run("seq 1 20000; sleep 600")
        live = containers / identifier / f"{identifier}-json.log"
        until(lambda: site.books().documents >= 20_000, 120)
    assert numbered(live) == []
    assert len(written(live)) == 20_000


def test_what_docker_limits_is_left_to_docker(containers, run, tail):
    """A container with max-size is rotated by the daemon only, and still delivered whole."""
    with tail(agreed=True) as site:
        identifier = run("seq 1 20000; sleep 600", "--log-opt", "max-size=512k", "--log-opt", "max-file=20")
        live = containers / identifier / f"{identifier}-json.log"
        until(lambda: site.books().documents >= 20_000, 120)
    assert site.books().rotation == []
    assert len(written(live)) == 20_000
    assert all(path.stat().st_size > 400_000 for path in numbered(live))
