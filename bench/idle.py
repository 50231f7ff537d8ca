"""
An agent with nothing to do, and whether cost grows in proportion to lines.

Idle: a thousand files, read to their ends and delivered; then CPU time over 20
seconds, and resident memory, of the process and its children.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench.bulk_server import serving, taken
from bench.corpus import write_docker
from bench.runs import agent, environment, tail

_TICK = os.sysconf("SC_CLK_TCK")
#: Seconds in which everything must be delivered.
_PATIENCE = 180


def _children(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _children(int(child))
    return found


def _cpu(pid: int) -> float:
    """Return CPU seconds of a process, its children and those it has waited for."""
    ticks = 0
    for one in _children(pid):
        # utime, stime, cutime, cstime: fields 14 to 17, counted after the name in brackets
        ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / _TICK


def _resident(pid: int) -> float:
    """Return the resident memory of a process and its children in MiB."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _children(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def idle(folder: Path, *, files: int = 1000, settle: float = 15, seconds: float = 20) -> tuple[float, float]:
    """Return the percent of a core that an idle agent takes, and its resident memory in MiB."""
    logs = folder / "idle"
    logs.mkdir()
    events = sum(write_docker(logs / f"{number:04d}-json.log", 20, number) for number in range(files))
    with serving() as url, tempfile.TemporaryDirectory(dir=folder) as state:
        command = tail([str(logs / "*.log")], state, "api")
        env = os.environ | environment(url, store=True)
        with (folder / "idle.err").open("w+") as errors, subprocess.Popen(command, env=env, stderr=errors) as process:
            try:
                _wait(process, url, events, Path(errors.name))
                time.sleep(settle)
                before = _cpu(process.pid)
                time.sleep(seconds)
                return (_cpu(process.pid) - before) / seconds * 100, _resident(process.pid)
            finally:
                process.terminate()


def _wait(process: subprocess.Popen[bytes], url: str, events: int, errors: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while (now := taken(url)) < events:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"the agent delivered {now:,} of {events:,} events\n{errors.read_text()[-2000:]}")
        time.sleep(0.2)


def linear(folder: Path, sizes: tuple[int, ...]) -> list[tuple[int, float, float]]:
    """Return the CPU seconds for files of these numbers of lines: without segments, and with them."""
    figures = []
    for lines in sizes:
        path = folder / f"linear-{lines}.log"
        write_docker(path, lines)
        figures.append((lines, agent(path, "logship").cpu, agent(path, "logship", store=True).cpu))
        path.unlink()
    return figures


def report(folder: Path, lines: int) -> str:
    """Measure, and render Markdown: idle, then cost by lines (a quarter, a half and all of them)."""
    percent, memory = idle(folder)
    rows = ["| what | figure |", "|---|---|"]
    rows.append(f"| idle, 1,000 files | {percent:.2f} % of a core, {memory:.0f} MiB resident |")
    last = (0, 0.0, 0.0)
    for costs in linear(folder, (lines // 4, lines // 2, lines)):
        further = costs[0] - last[0]
        bare, sealed = ((cost - before) / further * 1e6 for cost, before in zip(costs[1:], last[1:], strict=True))
        each = "each" if not last[0] else "each further line"
        rows.append(
            f"| {costs[0]:,} lines | {costs[1]:.1f} CPU s, {bare:.1f} µs {each}; "
            f"with segments {costs[2]:.1f} CPU s, {sealed:.1f} µs {each} |"
        )
        last = costs
    return "\n".join(rows)
