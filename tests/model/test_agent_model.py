"""The whole agent against a model: whatever happens to files and sink, each line comes out once and the books close."""

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from logship.app import build
from logship.config.settings import FileSink, FileSource, Settings
from logship.errors import DeliveryError
from logship.ledger.gaps import DATASET
from logship.ledger.status import status

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - event {}"
TRACE = 'Traceback (most recent call last):\n  File "a", line 1\n\nValueError: {}\n'


class Agents(RuleBasedStateMachine):
    """Writes, rotates and removes one log, and runs an agent now and then whose sink may be broken."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.logs = self.folder / "logs"
        self.out = self.folder / "out"
        self.logs.mkdir()
        self.out.mkdir()
        self.log = self.logs / "server.log"
        self.written = 0
        self.unread = False
        self.half = False
        self.ran = False

    def teardown(self) -> None:
        """Repair the sink, finish the line, read everything, and compare."""
        self.mend_sink()
        if self.half:
            self.append("\n")
        self.agent(deadline=60.0)
        files = [path for path in self.out.glob("out.ndjson*") if ".state" not in path.name]
        documents = [orjson.loads(line) for path in files for line in path.read_bytes().splitlines()]
        found = Counter(document["message"] for document in documents if document["event"]["dataset"] != DATASET)
        assert Counter(f"event {number}" for number in range(self.written)) == found
        shutil.rmtree(self.folder)

    def append(self, text: str) -> None:
        """Write as a handler does: in append mode, whatever became of the file before."""
        with self.log.open("a") as file:
            file.write(text)
        self.unread = True

    @precondition(lambda self: not self.half)
    @rule(count=st.integers(1, 30), traces=st.booleans())
    def write(self, count: int, traces: bool) -> None:
        """Write whole events."""
        for _ in range(count):
            self.append(LINE.format(self.written) + "\n" + (TRACE.format(self.written) if traces else ""))
            self.written += 1

    @precondition(lambda self: not self.half)
    @rule()
    def write_half(self) -> None:
        """Write a line without its end."""
        self.append(LINE.format(self.written))
        self.written += 1
        self.half = True

    @precondition(lambda self: self.half)
    @rule()
    def finish(self) -> None:
        """Finish the line."""
        self.append("\n")
        self.half = False

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule()
    def rename(self) -> None:
        """Rotate by renaming, as Python's handler does."""
        for number in range(9, 0, -1):
            old = self.logs / f"server.log.{number}"
            if old.exists():
                old.rename(self.logs / f"server.log.{number + 1}")
        self.log.rename(self.logs / "server.log.1")

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule()
    def copy_and_truncate(self) -> None:
        """Rotate by copying and truncating, as logrotate may."""
        copies = len(list(self.logs.iterdir()))
        shutil.copyfile(self.log, self.logs / f"server.log.c{copies}")
        os.truncate(self.log, 0)

    @precondition(lambda self: self.log.exists() and not self.half and not self.unread)
    @rule()
    def delete(self) -> None:
        """Remove what was read."""
        self.log.unlink()

    @rule()
    def break_sink(self) -> None:
        """Put a file where the sink needs its folder."""
        if self.out.is_dir():
            self.out.rename(self.folder / "aside")
            self.out.write_text("in the way")

    @rule()
    def mend_sink(self) -> None:
        """Put the folder back."""
        if self.out.is_file():
            self.out.unlink()
            (self.folder / "aside").rename(self.out)

    @rule()
    def run_agent(self) -> None:
        """Start an agent, let it read everything and try to deliver, and end it."""
        self.agent(deadline=0.2)

    def agent(self, deadline: float) -> None:
        """Run an agent that gives up delivery after so many seconds."""
        source = FileSource(path=str(self.logs / "server.log*"), service="api")
        sink = FileSink(path=self.out / "out.ndjson")
        options = Settings(
            state_dir=self.folder / "state", files=[source], containers={"enabled": False}, file_sink=sink
        )
        with contextlib.suppress(DeliveryError):
            build(options).once(deadline=deadline)
        self.unread = self.half
        self.ran = True

    @invariant()
    def books_close(self) -> None:
        """Check that the accounting closes after every step."""
        if self.ran:
            books = status(self.folder / "state")
            assert books.closes, books.problems


TestAgents = Agents.TestCase
TestAgents.settings = settings(
    max_examples=int(os.environ.get("LOGSHIP_MODEL_EXAMPLES", "12")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
