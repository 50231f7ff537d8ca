"""
Measure many files: 510 that are all written at 100 kB/s, and 100,000 that live shortly.

Of the first: how far the agent is behind at the end, and its CPU. Of the second, which come in waves of 1,000 and are
deleted when they are delivered: what is left of them in the state directory.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from bench.bulk_server import serving, taken
from bench.corpus import write_docker
from bench.outage import MB, books, cpu_seconds, peak, wait
from bench.runs import environment, tail

_FILES, _RATE = 510, 100_000
_WAVE = 1000


@dataclass(frozen=True, slots=True)
class _Running:
    pid: int
    state: Path
    url: str

    def events(self) -> int:
        return books(self.state)[1]


def report(folder: Path, seconds: float, short_lived: int) -> str:
    """Return a table of both."""
    write_docker(folder / "corpus", 50_000)
    lines = (folder / "corpus").read_bytes().splitlines(keepends=True)
    rows = {**_busy(folder / "busy", lines, seconds), **_short(folder / "short", lines, short_lived)}
    return "\n".join(["| many files | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


@contextlib.contextmanager
def _agent(folder: Path, **settings: str) -> Iterator[_Running]:
    """Run an agent over `folder/logs`, delivering to an endpoint."""
    (folder / "logs").mkdir(parents=True)
    state = folder / "state"
    with serving() as url, (folder / "agent.log").open("wb") as log:
        env = os.environ | environment(url, store=False) | {"LOGSHIP_REPORT_SECONDS": "0"} | settings
        with subprocess.Popen(tail([str(folder / "logs" / "*.log")], str(state), "api"), env=env, stderr=log) as agent:
            try:
                wait(lambda: (state / "ledger.db").exists())
                yield _Running(agent.pid, state, url)
            finally:
                agent.terminate()


def _busy(folder: Path, lines: list[bytes], seconds: float) -> dict[str, str]:
    with _agent(folder) as agent:
        before = cpu_seconds(agent.pid)
        with contextlib.ExitStack() as stack:
            paths = [folder / "logs" / f"{number}.log" for number in range(_FILES)]
            files = [stack.enter_context(path.open("ab", buffering=0)) for path in paths]
            size = _write(files, lines, seconds)
        behind, began = size - books(agent.state)[0], time.monotonic()
        wait(lambda: books(agent.state)[0] == size)
        late = time.monotonic() - began
        wait(lambda: taken(agent.url) == agent.events() and books(agent.state)[2] == 0)
        cpu, memory = cpu_seconds(agent.pid) - before, peak(agent.pid)
    return {
        f"{_FILES} files, each written at {_RATE // 1000} kB/s": f"{size / MB:,.0f} MB in {seconds:.0f} s",
        "not read yet at the end of it": f"{behind / MB:,.1f} MB, read {late:.1f} s later",
        "CPU and peak memory of the agent": f"{cpu:.1f} s, {memory / 1024:.0f} MiB",
    }


def _write(files: list[FileIO], lines: list[bytes], seconds: float) -> int:
    """Append 10 kB of lines to each file ten times a second; return how many bytes that were."""
    parts, part = [], b""
    for line in lines:
        part += line
        if len(part) >= _RATE // 10:
            parts.append(part)
            part = b""
    began, written = time.monotonic(), 0
    for turn in range(int(seconds * 10)):
        for number, file in enumerate(files):
            written += file.write(parts[(turn + number) % len(parts)])
        time.sleep(max(0.0, began + (turn + 1) / 10 - time.monotonic()))
    return written


def _short(folder: Path, lines: list[bytes], count: int) -> dict[str, str]:
    with _agent(folder) as agent:
        began = time.monotonic()
        for first in range(0, count, _WAVE):
            paths = [folder / "logs" / f"{number}.log" for number in range(first, first + _WAVE)]
            for number, path in enumerate(paths):
                path.write_bytes(b"".join(lines[number : number + 3]))
            before = agent.events()
            wait(lambda before=before: agent.events() - before >= _WAVE and _settled(agent))
            for path in paths:
                path.unlink()
        seconds, memory = time.monotonic() - began, peak(agent.pid)
        sizes = []
        for _ in range(12):  # what is given up goes within a minute or two
            sizes.append(sum(path.stat().st_size for path in agent.state.rglob("*") if path.is_file()))
            time.sleep(10)
    return {
        f"{count:,} files that live shortly": f"{seconds:,.0f} s, peak memory {memory / 1024:.0f} MiB",
        "left of them in the state directory": f"{sizes[-1] / MB:.1f} MB ({max(sizes) / MB:.1f} MB at most)",
    }


def _settled(agent: _Running) -> bool:
    return taken(agent.url) == agent.events() and books(agent.state)[2] == 0
