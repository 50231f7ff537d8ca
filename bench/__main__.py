"""
Measure the agent against the bare reference loop, on the same file in the same run.

CPU seconds are user and system time of the whole process tree; the endpoint
that takes the documents is not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.corpus import write_docker
from bench.peers import rsyslog


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
        """Events per CPU second."""
        return self.events / self.cpu


def measured(command: list[str], env: dict[str, str] | None = None) -> tuple[bytes, float, float]:
    """Run a command; return its output, CPU seconds of its process tree, and its peak memory in MiB."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        output.seek(0)
        return output.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def reference(path: Path) -> Figure:
    """Run the bare loop."""
    output, cpu, memory = measured([sys.executable, "-m", "bench.reference", str(path)])
    return Figure("reference loop", int(output.split()[0]), cpu, memory)


def agent(path: Path, name: str, *, service: str = "api", store: bool = False) -> Figure:
    """Run the agent with everything on, delivering to the endpoint."""
    with subprocess.Popen([sys.executable, "-m", "bench.bulk_server"], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        try:
            with tempfile.TemporaryDirectory(dir=path.parent) as state:
                command = [sys.executable, "-m", "logship", "tail", "--once", "--output", "none", "--service", service,
                           "--state-dir", state, str(path)]  # fmt: skip
                env = {"LOGSHIP_ELASTICSEARCH__HOSTS": f'["{url}"]', "LOGSHIP_STORE__ENABLED": str(store).lower()}
                _, cpu, memory = measured(command, env)
            taken = orjson.loads(urllib.request.urlopen(url).read())["taken"]
        finally:
            server.terminate()
    return Figure(name, taken, cpu, memory)


def table(figures: list[Figure]) -> str:
    """Render the figures as Markdown."""
    base = figures[0].rate
    rows = ["| run | events | CPU s | events per CPU s | ratio | peak memory |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {one.name} | {one.events:,} | {one.cpu:.2f} | {one.rate:,.0f} | {one.rate / base:.2f} | {one.memory:.0f} MiB |"
        for one in figures
    ]
    return "\n".join(rows)


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--long", action="store_true", help="also a file ten times as long: is memory flat?")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "api-json.log"
        events = write_docker(path, options.lines)
        print(f"{options.lines:,} lines, {events:,} events, {path.stat().st_size:,} bytes\n")
        figures = [reference(path), agent(path, "logship"), agent(path, "logship, with segments", store=True)]
        if not options.no_peer:
            figures.append(rsyslog(path, measured, Figure))
        if options.long:
            long = Path(folder) / "long-json.log"
            write_docker(long, options.lines * 10)
            figures.append(agent(long, "logship, ten times the lines"))
        for one in figures:
            if one.events != events * (10 if "ten times" in one.name else 1) and "rsyslog" not in one.name:
                raise SystemExit(f"{one.name}: {one.events} events instead of {events}")
        print(table(figures))


if __name__ == "__main__":
    main()
