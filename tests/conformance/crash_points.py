"""
Kill the agent at each call that changes a file, and say what was left each time.

`python -m conformance.crash_points FOLDER fresh|again STEP` makes FOLDER/1, FOLDER/2 …: in each one cycle of the agent,
killed by strace at the first such call in 1, at the second in 2, until a cycle ends by itself. After each, a cycle
goes on. STEP 3 leaves out two of three.
Prints a line of JSON for each: whether it was killed, and how many documents the ledger had then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
from conformance.harness import Site, lines

from logship.app import build
from logship.config.settings import FileSink
from logship.errors import LedgerError

CALLS = "write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"


def cycle(site: Site) -> None:
    """Read and deliver everything, as `logship tail --once` does."""
    build(site.settings(file_sink=FileSink(path=site.folder / "out.ndjson"))).once()


def killed_at(number: int, prepare: Callable[[], Callable[[], object]], calls: str = CALLS) -> bool:
    """Run what is prepared in a process of its own that ends at its n-th change; return whether it did."""
    wait, go = os.pipe()
    child = os.fork()
    if not child:
        os.close(go)
        run = prepare()
        os.read(wait, 1)
        run()
        os._exit(0)
    os.close(wait)
    inject = f"inject={calls}:signal=KILL:when={number}"
    command = ["strace", "-f", "-p", str(child), "-e", f"trace={calls}", "-e", inject, "-o", "/dev/null"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        os.write(go, b"\n")
        os.close(go)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def committed(site: Site) -> int:
    """Return how many documents the ledger had; none while it is not made."""
    try:
        return site.books().documents
    except LedgerError:
        return 0


def prepare(site: Site, *, fresh: bool) -> None:
    """Write what the cycle is to find: nothing known yet, or a file that was renamed since and one that is new."""
    site.write("app.log", *lines("old", 20))
    site.write("other.log", *lines("other", 5))
    if not fresh:
        cycle(site)
        (site.logs / "app.log").rename(site.logs / "app.log.1")
        site.write("app.log.1", *lines("old", 20, start=20))
        site.write("app.log", *lines("new", 20))
        (site.logs / "other.log").unlink()


def main(folder: Path, *, fresh: bool, step: int) -> None:
    """Work through the folders."""
    number, killed = 1 - step, True
    while killed:
        number += step
        site = Site(folder / str(number))
        prepare(site, fresh=fresh)
        killed = killed_at(number, partial(partial, cycle, site))
        left = committed(site)
        cycle(site)
        sys.stdout.buffer.write(orjson.dumps({"folder": str(number), "killed": killed, "left": left}) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), fresh=sys.argv[2] == "fresh", step=int(sys.argv[3]))
