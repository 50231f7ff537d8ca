"""
Measure an outage: a file is written at a steady rate while nobody takes the documents, then the endpoint comes back.

Says what the agent took meanwhile (CPU, memory, disk), and how soon after that it had caught up.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.bulk_server import serving, taken
from bench.corpus import write_docker
from bench.runs import environment, tail

_TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000
#: Seconds in which the agent must have read, and delivered, everything.
_PATIENCE = 600.0


def report(folder: Path, seconds: float, rate: float) -> str:
    """Return a table of an outage of so many seconds at `rate` MB/s."""
    write_docker(folder / "corpus", 100_000)
    lines = (folder / "corpus").read_bytes().splitlines(keepends=True)
    logs, state = folder / "logs", folder / "state"
    logs.mkdir()
    log = logs / "api-json.log"
    log.touch()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = environment(f"http://127.0.0.1:{port}", store=False) | {"LOGSHIP_REPORT_SECONDS": "0"}
    command = tail([str(log)], str(state), "api")
    with subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.DEVNULL) as agent:
        try:
            wait(lambda: (state / "ledger.db").exists())
            before = cpu_seconds(agent.pid)
            size = _write(log, lines, seconds, rate * MB)
            behind = size - books(state)[0]
            began = time.monotonic()
            wait(lambda: books(state)[0] == size)
            late, cpu = time.monotonic() - began, cpu_seconds(agent.pid) - before
            disk = sum(path.stat().st_size for path in state.glob("ledger.db*"))
            with serving(port) as url:
                began = time.monotonic()
                wait(lambda: taken(url))
                first = time.monotonic() - began
                wait(lambda: books(state)[2] == 0 and taken(url) >= books(state)[1])
                last, cost = time.monotonic() - began, cpu_seconds(agent.pid) - before - cpu
                events = books(state)[1]
                if taken(url) != events:
                    raise SystemExit(f"the endpoint has {taken(url):,} documents instead of {events:,}")
            memory = peak(agent.pid)
        finally:
            agent.terminate()
    rows = {
        "written while nobody took it": f"{size / MB:,.0f} MB in {seconds:.0f} s, {events:,} events",
        "not read yet at the end of it": f"{behind / MB:,.0f} MB, read {late:.1f} s later",
        "CPU of the agent meanwhile": f"{cpu:.1f} s",
        "ledger": f"{disk / MB:,.0f} MB",
        "first document taken after the endpoint was back": f"{first:.1f} s",
        "all taken, and none more": f"{last:.1f} s, {cost:.1f} s of CPU",
        "peak memory": f"{memory / 1024:.0f} MiB",
    }
    return "\n".join(["| an outage | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _write(log: Path, lines: list[bytes], seconds: float, rate: float) -> int:
    """Append the lines over and over at so many bytes a second; return how many bytes that were."""
    began, written, place = time.monotonic(), 0, 0
    with log.open("ab", buffering=0) as file:
        while (passed := time.monotonic() - began) < seconds:
            if written < passed * rate:
                part = b"".join(lines[place : place + 2000])
                place = (place + 2000) % len(lines)
                written += file.write(part)
            else:
                time.sleep(0.002)
    return written


def wait(true: Callable[[], object]) -> None:
    """Wait until something is true; raises SystemExit if it does not become so."""
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the agent does not come to an end")
        time.sleep(0.1)


def books(state: Path) -> tuple[int, int, int]:
    """Return bytes read, events made of them, and batches that wait."""
    with closing(sqlite3.connect(f"file:{state}/ledger.db?mode=ro", uri=True, timeout=60)) as ledger:
        read, events = ledger.execute("SELECT coalesce(sum(read), 0), coalesce(sum(events), 0) FROM file").fetchone()
        (waiting,) = ledger.execute(
            "SELECT count(*) FROM batch WHERE seq > (SELECT coalesce(min(seq), 0) FROM cursor)"
        ).fetchone()
    return read, events, waiting


def cpu_seconds(process: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak(process: int) -> int:
    """Return the peak of the resident memory in KiB."""
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0])
