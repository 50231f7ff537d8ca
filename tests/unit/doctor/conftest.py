"""A state directory with a sealed segment, and a way to call the doctor."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from conformance.harness import until

from logship.app import build
from logship.cli import main
from logship.config.settings import FileSource, Settings


@pytest.fixture
def doctor(tmp_path):
    """Give a call of `logship doctor --json` that reads `api.log`, with more options: exit code, findings by check."""

    def call(config: dict, *arguments: str):
        path = tmp_path / "logship.yaml"
        quiet = {
            "state_dir": str(tmp_path / "state"),
            "containers": {"enabled": False},
            "files": [{"path": str(tmp_path / "api.log"), "envelope": "plain"}],
        }
        path.write_text(yaml.safe_dump(quiet | config))
        done = CliRunner().invoke(main, ["doctor", "--json", "--config", str(path), *arguments], env={"LOG_FILE": ""})
        assert done.exit_code in (0, 1, 2), done.output
        found: dict[str, list[dict]] = {}
        for result in json.loads(done.stdout)["checks"]:
            found.setdefault(result["check"], []).extend(result["findings"])
        return done.exit_code, found

    return call


@pytest.fixture
def sealed(tmp_path) -> Path:
    """Give a state directory whose ledger holds a hundred documents, in a segment too."""
    log = tmp_path / "api.log"
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    log.write_text("".join(f"{now}.412 INFO [T] [a.py:1] - - line {n}\n" for n in range(100)))
    settings = Settings(
        state_dir=tmp_path / "state",
        containers={"enabled": False},
        files=[FileSource(path=str(log), service="api")],
        store={"seal_bytes": 1},
    )
    build(settings).once()
    return tmp_path / "state"


@pytest.fixture
def agent(tmp_path):
    """Give a function that runs `logship tail` on files in a process of its own until the test ends."""
    running: list[subprocess.Popen] = []

    def start(*paths: Path, open_files: int = 1024) -> subprocess.Popen:
        limited = ["prlimit", f"--nofile={open_files}"]
        command = [*limited, sys.executable, "-m", "logship", "tail", "--state-dir", tmp_path / "state", *paths]
        log = tmp_path / "agent.stderr"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)
        running.append(process)
        until(lambda: b"agent started" in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return process

    yield start
    for process in running:
        process.terminate()
        process.wait(30)
