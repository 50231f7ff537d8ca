"""A real agent in a process of its own, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO


class AgentProcess:
    """`logship tail` over one directory's `*.log`, delivering to Elasticsearch."""

    def __init__(self, folder: Path, url: str = "", namespace: str = "default", **settings: str) -> None:
        self.state = folder / "state"
        self._log = folder / "agent.log"
        self._command = [
            sys.executable, "-m", "logship", "tail", "--service", "api", "--state-dir", str(self.state),
            str(folder / "logs" / "*.log*"),
        ]  # fmt: skip
        self._env = os.environ | {
            "LOGSHIP_NAMESPACE": namespace,
            "LOGSHIP_INGEST__QUIET_SECONDS": "0.2",
            "LOGSHIP_INGEST__SCAN_SECONDS": "0.1",
            "LOGSHIP_STORE__SEAL_SECONDS": "3600",
            **({"LOGSHIP_ELASTICSEARCH__HOSTS": f'["{url}"]'} if url else {}),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._output = self._log.open("ab")
        self._process = subprocess.Popen(self._command, env=self._env, stdout=self._output, stderr=self._output)

    def kill(self) -> None:
        """Take its process away in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        return self._end(signal.SIGTERM)

    def run_once(self) -> None:
        """Let it read and deliver everything, and end; fails with its own words."""
        subprocess.run([*self._command, "--once", "--output", "none"], env=self._env, check=True)

    def _end(self, number: int) -> int:
        assert self._process is not None and self._output is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout=30)
        self._output.close()
        self._process = self._output = None
        return code
