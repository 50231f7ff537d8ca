"""
Seal old batches into segments, beside the ingest loop, without blocking it.

The archiver starts the sealing child, and when it has ended enters what it made. A child of an agent that was killed
may still run: nothing is swept or started before it has let go of the lock.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import orjson

from logship.errors import LedgerError
from logship.store import segments
from logship.store.sealed import Sealed

RUN_BYTES = 32 << 20
#: Pause after a child failed.
BACK_OFF = 60.0


class Archiver:
    """Drives the sealing child; call `step` every few seconds, always from one thread."""

    def __init__(
        self,
        state_dir: Path,
        ledger: segments.Ledger,
        *,
        max_bytes: int = segments.MAX_BYTES,
        max_age: float = segments.MAX_AGE,
        run_bytes: int = RUN_BYTES,
        keep_age: timedelta | None = None,
        keep_bytes: int | None = None,
        command: Sequence[str] = (sys.executable, "-m", "logship.store.seal"),
        hurry: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.state_dir = state_dir
        self.ledger = ledger
        self.max_bytes = max_bytes
        self.max_age = max_age
        self.run_bytes = run_bytes
        self.keep_age = keep_age
        self.keep_bytes = keep_bytes
        self.command = tuple(command)
        self._hurry = hurry
        self._clock = clock
        self._today = today
        self._child: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._swept = False
        self._since: float | None = None
        self._not_before = float("-inf")

    @property
    def busy(self) -> bool:
        """Whether a child runs or has not been collected."""
        return self._child is not None

    @property
    def resting(self) -> bool:
        """Whether the last child failed, and it is too early for the next."""
        return self._child is None and self._clock() < self._not_before

    def step(self, now: float | None = None, *, force: bool = False) -> list[Sealed]:
        """
        Start a child when one is due, or collect the one that has ended; return what has been entered.

        `now` is in seconds on `clock`, which nobody sets back; `force` seals whatever waits, and so does `hurry` at
        other times. Raises LedgerError when a child failed; the next is started a minute later.
        """
        now = self._clock() if now is None else now
        if self._child is not None:
            return [] if self._child.poll() is None else self._collect(now)
        if not self._swept:
            self._swept = segments.sweep(self.state_dir, self.ledger) is not None
            if not self._swept:
                return []
        self._retain()
        if self._since is None:
            self._since = now
        if force or now >= self._not_before:
            since, max_age = (now, 0.0) if force or self._hurry() else (self._since, self.max_age)
            if segments.due(self.ledger, now=now, since=since, max_bytes=self.max_bytes, max_age=max_age):
                self._start()
        return []

    def drain(self) -> list[Sealed]:
        """Seal everything that waits, and wait for it: for the end of a run that is not a service."""
        made: list[Sealed] = []
        while True:
            made += self.step(force=True)
            if self._child is None:
                break
            self._child.wait()
            made += self.step(force=True)
        if not self._swept:
            raise LedgerError("another process is sealing this state directory", "try again when it has ended")
        return made

    def close(self) -> None:
        """Stop a running child; what it had written is swept at the next start."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._forget()

    def _start(self) -> None:
        self._output, self._errors = TemporaryFile(), TemporaryFile()  # noqa: SIM115
        self._child = subprocess.Popen(
            [*self.command, str(self.state_dir), "--max-bytes", str(self.run_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._errors,
        )

    def _collect(self, now: float) -> list[Sealed]:
        assert self._child is not None and self._output is not None and self._errors is not None  # noqa: S101
        code = self._child.returncode
        self._output.seek(0)
        self._errors.seek(0)
        output, errors = self._output.read(), self._errors.read().decode(errors="replace")
        self._forget()
        self._since = now
        if code:
            self._swept = False
            self._not_before = now + BACK_OFF
            last = errors.strip().rpartition("\n")[2]
            raise LedgerError(f"sealing failed with exit status {code}: {last}", "nothing is lost; it is tried again")
        made = [Sealed(**row) for row in orjson.loads(output)]
        segments.register(self.ledger, made)
        return made

    def _forget(self) -> None:
        for file in (self._output, self._errors):
            if file is not None:
                file.close()
        self._child = self._output = self._errors = None

    def _retain(self) -> None:
        if self.keep_age is not None or self.keep_bytes is not None:
            segments.retain(
                self.state_dir,
                self.ledger,
                now=self._today(),
                max_age=self.keep_age,
                max_bytes=self.keep_bytes,
            )
