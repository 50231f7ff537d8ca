"""One measured run: what it is called, what it did, what it cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.bulk_server import serving, taken


@dataclass(frozen=True, slots=True)
class Figure:
    """One run."""

    name: str
    events: int
    cpu: float
    #: Peak resident memory in MiB.
    memory: float

    @property
    def rate(self) -> float:
        """Events per CPU second; 0 if nothing was measured."""
        return self.events / self.cpu if self.cpu else 0.0


def measured(command: list[str], env: dict[str, str] | None = None) -> tuple[bytes, float, float]:
    """Run a command; return its output, CPU seconds of its process tree, and its peak memory in MiB."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}: {' '.join(command)}")
        output.seek(0)
        return output.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def reference(path: Path, name: str, kind: str = "api") -> Figure:
    """Run the bare loop of this kind of line."""
    output, cpu, memory = measured([sys.executable, "-m", "bench.reference", kind, str(path)])
    return Figure(name, int(output.split()[0]), cpu, memory)


def tail(paths: list[str], state: str, service: str) -> list[str]:
    """Return the command of an agent that reads these files and shows nothing."""
    options = ["--output", "none", "--service", service, "--state-dir", state]
    return [sys.executable, "-m", "logship", "tail", *options, *paths]


def environment(url: str, *, store: bool) -> dict[str, str]:
    """Return the settings of an agent that delivers to the endpoint, and keeps segments or not."""
    return {"LOGSHIP_ELASTICSEARCH__HOSTS": f'["{url}"]', "LOGSHIP_STORE__ENABLED": str(store).lower()}


def agent(path: Path, name: str, *, service: str = "api", store: bool = False) -> Figure:
    """Run the agent with everything on, delivering to the endpoint."""
    with serving() as url:
        with tempfile.TemporaryDirectory(dir=path.parent) as state:
            _, cpu, memory = measured([*tail([str(path)], state, service), "--once"], environment(url, store=store))
        return Figure(name, taken(url), cpu, memory)
