"""One case on one shipper: its process, the files that it follows, and the verdict."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from conformance.peers.drivers import Driver, Plan

_WITHOUT = "-dac_override,-dac_read_search"
_UNPRIVILEGED = ["setpriv", f"--bounding-set={_WITHOUT}", f"--inh-caps={_WITHOUT}"]
#: Seconds in which a shipper must deliver what it has not yet, and then be quiet.
_PATIENCE, _QUIET = 12.0, 1.2


class Ended(Exception):
    """The shipper's process ended by itself, or did not end when asked."""


class Trial:
    """A folder with `logs`, and one shipper on it in a process of its own."""

    def __init__(self, folder: Path, driver: Driver, program: str) -> None:
        self.folder, self.logs = folder, folder / "logs"
        for name in ("logs", "state", "out"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._driver, self._program, self._plan = driver, program, Plan()
        self._process: subprocess.Popen[bytes] | None = None

    def second(self) -> Trial:
        """Return another process of the same shipper on the same folder, not started yet."""
        return Trial(self.folder, self._driver, self._program)

    def start(self, plan: Plan | None = None, *, ready: float = 2.0) -> None:
        """Start it, and give it so many seconds to look at what is there."""
        self._plan = plan or self._plan
        command = self._driver.command(self._program, self.folder, self._plan)
        if self._plan.unprivileged:
            command = [*_UNPRIVILEGED, *command]
        if self._plan.open_files:
            command = ["prlimit", f"--nofile={self._plan.open_files}", *command]
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        time.sleep(ready)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end and wait for that; does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        ended = process.poll()
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Ended("does not end") from None
        if ended is not None:
            raise Ended(f"ended with {ended}")

    def kill(self) -> None:
        """Take its process away."""
        self.stop(signal.SIGKILL)

    def write(self, name: str, *lines: str | bytes) -> Path:
        """Append to a file of `logs`."""
        path = self.logs / name
        with path.open("ab") as file:
            file.write(b"".join(line if isinstance(line, bytes) else line.encode() for line in lines))
        return path

    def delivered(self) -> list[str]:
        """Return the texts that were delivered."""
        return self._driver.delivered(self.folder)

    def wait(self, count: int) -> None:
        """Wait until so many texts are delivered, as long as it may take, and until no more come."""
        until = time.monotonic() + _PATIENCE
        while len(self.delivered()) < count and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(_QUIET)

    def verdict(self, generations: Iterable[Iterable[str]]) -> str:
        """Compare what was delivered with what was written, by generation of files; `pass`, or what is wrong."""
        expected = [[line.rstrip("\r\n") for line in lines] for lines in generations]
        self.wait(sum(map(len, expected)))
        with contextlib.suppress(Ended):
            self.stop()
        delivered = [text.rstrip("\r\n") for text in self.delivered()]
        written, found = Counter(line for lines in expected for line in lines), Counter(delivered)
        lost, more = sum((written - found).values()), found - written
        again = sum(count for text, count in more.items() if text in written)
        wrong = [f"{lost} lost"] if lost else []
        wrong += [f"{again} twice"] if again else []
        wrong += [f"{sum(more.values()) - again} wrong"] if sum(more.values()) > again else []
        return ", ".join(wrong) or ("pass" if _ordered(delivered, expected) else "order")

    def close(self) -> None:
        """End its process whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _ordered(delivered: list[str], generations: list[list[str]]) -> bool:
    """Tell whether the lines of each generation, where they are unlike all others, came in their order."""
    times = Counter(delivered)
    place = {text: number for number, text in enumerate(delivered) if times[text] == 1}
    orders = [[place[line] for line in lines if line in place] for lines in generations]
    return all(order == sorted(order) for order in orders)


def lines(prefix: str, count: int, start: int = 0) -> list[str]:
    """Return numbered lines, each unlike all others."""
    return [f"{prefix} {number}\n" for number in range(start, start + count)]

