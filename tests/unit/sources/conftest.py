"""A tailer on real files and a real ledger, driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logship.ledger.ledger import Ledger
from logship.model import Chunk, Progress
from logship.sources.discovery import PathPatterns
from logship.sources.tailer import Tailer


class Agent:
    """Scans, reads and commits as the ingest loop does, and remembers what it was given."""

    def __init__(self, state: Path, patterns: list[str], **options: object) -> None:
        self.state = state
        self.patterns = patterns
        self.options = options
        self.now = 0.0
        self.chunks: list[Chunk] = []
        self.start()

    def start(self) -> None:
        """Start, as a process does."""
        self.ledger = Ledger.open(self.state)
        self.tailer = Tailer(self.ledger, PathPatterns(self.patterns), **self.options)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Stop; nothing is kept but the ledger."""
        self.tailer.close()
        self.ledger.close()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def poll(self, seconds: float = 1.0) -> str:
        """Scan once and read all there is; return the text that it gave."""
        self.now += seconds
        self.tailer.scan(self.now)
        given: list[Chunk] = []
        for _ in range(10_000):
            chunks = self.tailer.read()
            given += chunks
            if not chunks and not self.tailer.ready:
                break
            self.commit(chunks)
        self.chunks += given
        return b"".join(chunk.data for chunk in given).decode(errors="replace")

    def commit(self, chunks: list[Chunk]) -> None:
        """Record chunks as documents would be."""
        progress = []
        for chunk in chunks:
            end = chunk.offset + chunk.span
            tail = self.tailer.tail(chunk.file.id, end)
            progress.append(Progress(chunk.file.id, end, {}, end, tail, bytes_documents=chunk.span))
        self.ledger.commit([], progress)
        self.tailer.committed(progress)

    def settle(self) -> str:
        """Poll until everything that is gone has ended."""
        return "".join(self.poll(100.0) for _ in range(4))

    def states(self) -> dict[str, str]:
        """Return the state of each generation, by name and number."""
        return {f"{Path(row.ref.path).name}#{row.ref.id}": row.state for row in self.ledger.files(None)}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return an empty directory for log files."""
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


@pytest.fixture
def start(tmp_path: Path, logs: Path) -> Iterator[Callable[..., Agent]]:
    """Start an agent that reads `*.log*`, or other patterns."""
    agents: list[Agent] = []

    def begin(*patterns: str, **options: object) -> Agent:
        agents.append(Agent(tmp_path / "state", [str(logs / p) for p in patterns or ("*.log*",)], **options))
        return agents[-1]

    yield begin
    for agent in agents:
        agent.stop()


def append(path: Path, text: str | bytes) -> None:
    """Append to a file, creating it."""
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)
