"""`logship setup` as a function, for the tests of what it does on a server."""

import subprocess
import sys

import pytest


@pytest.fixture
def setup(tmp_path):
    """Give the command: called with an address, arguments and variables, it returns the finished process."""

    def run(url, *arguments, **variables):
        env = {"LOGSHIP_ELASTICSEARCH__HOSTS": url, "LOGSHIP_STATE_DIR": str(tmp_path), "PATH": ""}
        env |= {f"LOGSHIP_ELASTICSEARCH__{name.upper()}": value for name, value in variables.items()}
        command = [sys.executable, "-m", "logship", "setup", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    return run
