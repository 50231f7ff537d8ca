"""What the README tells people to type works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from logship.cli.failures import exit_codes
from logship.config import load
from logship.data import data_path
from logship.pipeline.dropping import shares
from logship.pipeline.spec import Pipelines

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (logship (?:search|status|rejected|config|version)\b[^#\n]*)", README, re.MULTILINE)
LINE = "2025-11-20 08:00:07.412 ERROR [T] [a.py:1] 6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b - request timed out 超时\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Give the environment of a state directory that holds a line."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "api.log").write_text(LINE)
    env = os.environ | {"LOGSHIP_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "logship", "tail", "--once", "--service", "api", str(folder / "api.log")]
    subprocess.run(command, env=env, check=True)
    return env


def test_the_readme_shows_commands():
    """There are examples to run."""
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command: str, environment):
    """It ends with exit code 0 and says nothing on stderr."""
    argv = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr)


def test_the_configuration_of_the_readme_is_one(tmp_path):
    """Every YAML block is a configuration that loads, and its drop rules exist."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks
    pipelines = Pipelines.load_for_use(data_path("pipelines"), [])
    for block in blocks:
        path = tmp_path / "c.yaml"
        path.write_text(block)
        shares(pipelines, load(path, environ={}).settings.drop)


def test_the_exit_codes_of_the_readme_are_those_of_the_command():
    """Each code that the help names stands in the README's table."""
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert {code for code, _ in exit_codes()} <= table


def test_links_of_the_readme_lead_somewhere():
    """Every file that it links to is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [] == [link for link in links if not (Path(__file__).parents[2] / link).exists()]
