"""Fixtures: one Docker Engine for the run, its images, and a Dify-shaped compose project."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import engine as docker
import pytest
from project import SCRIPT, TRACEBACK, Compose


@pytest.fixture(scope="session")
def engine():
    """Give a real engine; without one a developer who is not root is told so, and CI fails."""
    try:
        with docker.running() as found:
            yield found
    except docker.NoEngineError as reason:
        if os.environ.get("CI") or os.geteuid() == 0:
            raise
        pytest.skip(str(reason))


@pytest.fixture
def compose(engine, tmp_path):
    """Give a project of Dify's shape whose api prints what the tests expect, not started yet."""
    file = tmp_path / "docker-compose.yaml"
    script = SCRIPT.replace("$", "$$")
    indented = "".join(f"        {line}\n" for line in script.splitlines())
    trace = "".join(f"        {line}\n" for line in TRACEBACK.splitlines())
    file.write_text(
        "services:\n"
        "  api:\n"
        f"    image: {docker.import_busybox(engine)}\n"
        "    environment:\n"
        f"      TRACEBACK: |\n{trace}"
        "    command:\n"
        "      - /bin/sh\n"
        "      - -c\n"
        f"      - |\n{indented}"
    )
    project = Compose(engine, f"dify{uuid.uuid4().hex[:8]}", [file], docker.compose_environment())
    yield project
    project("down", "--volumes", "--timeout", "5")


@pytest.fixture
def logship(tmp_path):
    """Give a function that runs `logship` on this machine, with a state directory of the test's own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOGSHIP_", "LOG_"))}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("logship"), "--state-dir", tmp_path / "state", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run
