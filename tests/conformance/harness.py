"""
A folder with logs, and the real agent on it, stepped by a clock of the test's own.

`Site.check` is what every case ends with: nothing lost, no id twice, order
kept in each file, and books that close.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from isal import igzip

from logship.app import build
from logship.config.settings import FileSource, Settings
from logship.delivery.courier import Courier
from logship.delivery.sinks.file import FileSink
from logship.ledger.gaps import DATASET
from logship.ledger.ledger import Ledger
from logship.ledger.status import Status, status


@dataclass(frozen=True)
class Document:
    """One document of the ledger."""

    id: str
    body: dict[str, Any]

    @property
    def generation(self) -> str:
        """Return the part of the id that names the file's generation."""
        return self.id.rpartition("-")[0]

    @property
    def offset(self) -> int:
        """Return the logical offset of the document's first byte."""
        return int(self.id.rpartition("-")[2])

    @property
    def message(self) -> str:
        """Return the text."""
        return self.body["message"]


class Site:
    """A folder with `logs` and `state`; what is written there, and what the agent made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.state = folder / "state"
        self.logs.mkdir(parents=True, exist_ok=True)
        #: The agent's clock, in seconds; it goes on from agent to agent.
        self.now = 0.0

    def write(self, name: str, *lines: str) -> Path:
        """Append lines to a file of `logs`; one that does not end in a newline is unfinished."""
        path = self.logs / name
        with path.open("a", newline="") as file:
            file.write("".join(lines))
        return path

    def settings(self, *sources: FileSource, **options: Any) -> Settings:
        """Return settings that read `logs/*.log*`, or the given sources, and keep no store."""
        found = list(sources) or [FileSource(path=str(self.logs / "*.log*"), envelope="plain")]
        more: dict[str, Any] = {"containers": {"enabled": False}, "store": {"enabled": False}} | options
        return Settings(state_dir=self.state, files=found, **more)

    @contextlib.contextmanager
    def agent(self, *sources: FileSource, **options: Any) -> Iterator[Agent]:
        """Run an agent that stops in order at the end of the block."""
        agent = Agent(self, self.settings(*sources, **options))
        try:
            yield agent
            agent.stop()
        finally:
            agent.crash()

    def run(self, *sources: FileSource, **options: Any) -> None:
        """Start an agent, let it read everything, and stop it."""
        with self.agent(*sources, **options) as agent:
            agent.settle()

    def documents(self) -> list[Document]:
        """Return the documents of lines that the ledger has, in the order of their commits."""
        return self._documents(lambda dataset: dataset != DATASET)

    def gaps(self) -> list[Document]:
        """Return the documents that tell of gaps."""
        return self._documents(lambda dataset: dataset == DATASET)

    def lost(self) -> list[tuple[str, int, int | None]]:
        """Return file name, first byte and end of each gap."""
        gaps = [(gap.body["log"]["file"]["path"], gap.body["logship"]["gap"]) for gap in self.gaps()]
        return [(path.rpartition("/")[2], gap["first"], gap.get("behind")) for path, gap in gaps]

    def _documents(self, wanted: Callable[[str], bool]) -> list[Document]:
        found = []
        with Ledger.open(self.state, readonly=True) as ledger:
            for batch in ledger.after(0, limit=1 << 30):
                if not wanted(batch.dataset):
                    continue
                rows = igzip.decompress(batch.body).split(b"\n")
                for action, document in zip(rows[:-1:2], rows[1::2], strict=True):
                    found.append(Document(orjson.loads(action)["create"]["_id"], orjson.loads(document)))
        return found

    def messages(self) -> list[str]:
        """Return the texts of the documents, in the order of their commits."""
        return [document.message for document in self.documents()]

    def books(self) -> Status:
        """Return the books."""
        return status(self.state)

    def generations(self) -> list[list[str]]:
        """Return the texts by generation, each in order; fails when an id is there twice or an order is broken."""
        found: dict[str, list[Document]] = {}
        for document in self.documents():
            found.setdefault(document.generation, []).append(document)
        for documents in found.values():
            offsets = [document.offset for document in documents]
            assert offsets == sorted(set(offsets)), "an id is there twice, or order is not kept"
        return [[document.message for document in documents] for documents in found.values()]

    def check(self, *generations: Iterable[str], lost: Sequence[tuple[str, int, int | None]] = ()) -> None:
        """
        Compare the documents with the lines that were written, by generation, and the gaps; the books must close.

        Gaps without an end, of which nobody knows whether bytes were lost, may be there besides.
        """
        expected = [[line.rstrip("\r\n") for line in lines] for lines in generations]
        assert sorted(expected) == sorted(self.generations())
        certain = [gap for gap in self.lost() if gap[2] is not None or gap in lost]
        assert sorted(lost, key=str) == sorted(certain, key=str)
        self.check_books()

    def check_books(self) -> None:
        """Fail when read = documents + dropped + skipped + pending does not hold for each file."""
        books = self.books()
        assert books.closes, books.problems
        for file in books.files:
            assert file.read == file.bytes_documents + file.bytes_dropped + file.bytes_skipped + file.bytes_pending
        assert books.documents == len(self.documents()) + len(self.gaps())
        assert books.gaps == len(self.gaps())


class Agent:
    """The agent that `logship.app.build` makes; its ingest loop is stepped, its time is the test's."""

    def __init__(self, site: Site, settings: Settings) -> None:
        self._site = site
        self._agent = build(settings)
        # What Agent.run drives with the wall clock, the tests drive with their own.
        self._ingest, self.tailer, self.ledger = self._agent._ingest, self._agent._tailer, self._agent.ledger
        self._running = True

    def poll(self, seconds: float = 0.1) -> None:
        """Let time pass, look at all files once, and read what there is."""
        self._site.now += seconds
        self._ingest.step(self._site.now, scan=True)
        for _ in range(100_000):
            if not self._ingest.step(self._site.now) and not self.tailer.ready:
                return
        raise AssertionError("reading does not come to an end")

    def step(self) -> None:
        """Read once, without a look at the files."""
        self._ingest.step(self._site.now)

    def settle(self) -> None:
        """Read everything, and let events that could go on be complete."""
        for _ in range(3):
            self.poll(5.0)

    def rest(self) -> None:
        """Let so much time pass that deleted files are given up."""
        for _ in range(3):
            self.poll(100.0)

    def stop(self) -> None:
        """End as at SIGTERM: give up waiting, read once more, close."""
        if self._running:
            self.tailer.stopping()
            self._ingest.step(self._site.now, scan=True)
            self.crash()

    def crash(self) -> None:
        """End as by kill -9: nothing that is not in the ledger is kept."""
        if self._running:
            self._running = False
            self._agent.close()

    def courier(self, path: Path) -> Courier:
        """Return a courier to a file, to be stepped; it cannot deliver while the file's folder is not a folder."""
        return Courier(self._agent.ledger, FileSink(path), threading.Event(), wait=lambda _: None)

    def open_files(self) -> list[str]:
        """Return the files of `logs` that this process has open, by the kernel's names."""
        names = []
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                names.append(str(entry.readlink()))
        return sorted(name for name in names if name.startswith(str(self._site.logs)))


def lines(prefix: str, count: int, start: int = 0, size: int = 0) -> list[str]:
    """Return numbered lines, each unlike all others."""
    return [f"{prefix} {number}{' ' + 'x' * size if size else ''}\n" for number in range(start, start + count)]


def delivered(path: Path) -> list[str]:
    """Return the texts that a file sink wrote."""
    documents = map(orjson.loads, path.read_bytes().splitlines())
    return [document["message"] for document in documents if document["event"]["dataset"] != DATASET]


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for what another process brings about, at most so long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


@contextlib.contextmanager
def limit_open_files(most: int) -> Iterator[None]:
    """Let this process open only so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


_CAPABILITIES_3 = 0x20080522
_OVERRIDE = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@contextlib.contextmanager
def permissions_hold() -> Iterator[None]:
    """Let modes of files hold for root too, in this thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    before, data = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    for sets in (before, data):
        assert libc.capget(header, sets) == 0
    data[0] &= ~_OVERRIDE
    assert libc.capset(header, data) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@contextlib.contextmanager
def mounted(folder: Path, *options: str, kind: str = "tmpfs", device: str = "none") -> Iterator[Path]:
    """Mount a file system on a folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *(["-t", kind] if kind else []), *options, device, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def same_inode(path: Path, inode: int, content: Sequence[str]) -> None:
    """Create a file anew until it has a wanted inode, which file systems give again soon."""
    others = []
    for _ in range(1000):
        path.write_text("".join(content))
        if path.stat().st_ino == inode:
            break
        others.append(path.rename(path.with_name(f"{path.name}.other{len(others)}.gone")))
    for other in others:
        other.unlink()
    assert path.stat().st_ino == inode


def logrotate(site: Site, *options: str, name: str = "app.log") -> None:
    """Rotate a file with the real logrotate."""
    config = site.folder / "logrotate.conf"
    body = "\n".join(options)
    config.write_text(f"{site.logs / name} {{\n{body}\n}}\n")
    config.chmod(0o600)
    site.logs.chmod(0o755)
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    command = ["logrotate", "--force", "--state", str(site.folder / "logrotate.state"), str(config)]
    subprocess.run(command, check=True, env=environment)
