"""
Random sequences of what happens to log files, against a model.

In the model a file is a list of bytes with a name. A rename moves the list, a
copy-truncate moves it to the copy's name and begins a new one. What existed at
a scan while the agent ran must have been given, once, at its offset.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from logship.ledger.ledger import Ledger
from logship.model import Progress
from logship.sources.discovery import PathPatterns
from logship.sources.tailer import Tailer

KEEP = 4


@dataclass(eq=False)
class Content:
    """All that was ever written to one generation of a file."""

    data: bytes = b""
    #: Bytes that must be given: they were there at a scan.
    sure: int = 0


class Rotations(RuleBasedStateMachine):
    """Writers and rotators at work on `app.log` while an agent polls, stops and starts."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="logship-model-"))
        self.logs = self.root / "logs"
        self.logs.mkdir()
        self.now = 0.0
        self.serial = 0
        self.files: dict[str, Content] = {}
        self.all: list[Content] = []
        self.open: list[Content] = []
        self.given: dict[int, bytes] = {}
        self.start()

    def start(self) -> None:
        """Open the ledger and start a tailer."""
        self.ledger = Ledger.open(self.root / "state")
        self.tailer = Tailer(
            self.ledger, PathPatterns([f"{self.logs}/app.log*"]), chunk=64, line_limit=8192, quiet=10.0, open_files=64
        )
        self.running = True

    def write_to(self, name: str, text: bytes) -> None:
        """Append to a file, and note it."""
        with (self.logs / name).open("ab") as file:
            file.write(text)
        if name not in self.files:
            self.files[name] = Content()
            self.all.append(self.files[name])
        self.files[name].data += text

    def text(self, size: int) -> bytes:
        """Return a text that occurs once."""
        self.serial += 1
        return b"%d:" % self.serial + b"x" * size

    @rule(lines=st.integers(1, 5), size=st.integers(0, 40))
    def write(self, lines: int, size: int) -> None:
        """Write whole lines."""
        self.write_to("app.log", b"".join(self.text(size) + b"\n" for _ in range(lines)))

    @rule(size=st.integers(0, 100))
    def write_part(self, size: int) -> None:
        """Write a line without its end."""
        self.write_to("app.log", self.text(size))

    @precondition(lambda self: "app.log.1" in self.files)
    @rule(whole=st.booleans())
    def write_late(self, whole: bool) -> None:
        """Write to the rotated file, as a process that has not noticed."""
        self.write_to("app.log.1", self.text(3) + (b"\n" if whole else b""))

    def shift(self) -> None:
        """Rename app.log.1 and so on up by one; the last is overwritten."""
        for number in range(KEEP - 1, 0, -1):
            name, target = f"app.log.{number}", f"app.log.{number + 1}"
            if name in self.files:
                (self.logs / name).rename(self.logs / target)
                self.files[target] = self.files.pop(name)

    @precondition(lambda self: "app.log" in self.files)
    @rule()
    def rotate(self) -> None:
        """Rotate by renaming."""
        self.shift()
        (self.logs / "app.log").rename(self.logs / "app.log.1")
        self.files["app.log.1"] = self.files.pop("app.log")

    def replace(self, name: str) -> None:
        """Begin a new content under a name that keeps its inode."""
        self.files[name] = Content()
        self.all.append(self.files[name])

    @precondition(lambda self: "app.log" in self.files)
    @rule(seen=st.booleans())
    def copy_truncate(self, seen: bool) -> None:
        """Rotate by copying and truncating, with or without a scan between the two."""
        self.shift()
        shutil.copyfile(self.logs / "app.log", self.logs / "app.log.1")
        if seen and self.running:
            self.poll()
        os.truncate(self.logs / "app.log", 0)
        self.files["app.log.1"] = self.files["app.log"]
        self.replace("app.log")

    @precondition(lambda self: "app.log" in self.files)
    @rule(again=st.booleans())
    def truncate(self, again: bool) -> None:
        """Empty the file; it may be written at once."""
        os.truncate(self.logs / "app.log", 0)
        self.replace("app.log")
        if again:
            self.write(5, 40)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), again=st.booleans())
    def delete(self, data: st.DataObject, again: bool) -> None:
        """Remove a file; its name may be used at once."""
        name = data.draw(st.sampled_from(sorted(self.files)))
        (self.logs / name).unlink()
        del self.files[name]
        if again and name == "app.log":
            self.write(1, 5)

    @precondition(lambda self: self.running)
    @rule()
    def poll(self) -> None:
        """Look at the files and read what there is."""
        self.now += 5.0
        self.tailer.scan(self.now)
        self.read()
        for content in self.files.values():
            content.sure = len(content.data)

    def read(self) -> None:
        """Read until nothing is left, each chunk where the last one ended."""
        for _ in range(1000):
            chunks = self.tailer.read(100)
            if not chunks and not self.tailer.ready:
                return
            progress = {}
            for chunk in chunks:
                before = self.given.get(chunk.file.id, b"")
                assert chunk.offset == len(before)
                assert chunk.span == len(chunk.data)
                self.given[chunk.file.id] = before + chunk.data
                end = chunk.offset + chunk.span
                progress[chunk.file.id] = Progress(chunk.file.id, end, {}, end, self.tailer.tail(chunk.file.id, end))
            self.ledger.commit([], list(progress.values()))
            self.tailer.committed(progress.values())
        raise AssertionError("reading does not come to an end")

    @precondition(lambda self: self.running)
    @rule()
    def stop(self) -> None:
        """End the tailer in order."""
        self.poll()
        self.tailer.stopping()
        self.read()
        self.tailer.close()
        self.ledger.close()
        self.running = False
        for content in self.files.values():  # an unfinished line is not remembered, and a small file has no row
            content.sure = content.data.rfind(b"\n") + 1

    @precondition(lambda self: not self.running)
    @rule()
    def go_on(self) -> None:
        """Start a tailer on the ledger of the last one."""
        self.start()

    def teardown(self) -> None:
        """Let everything be read, and compare."""
        if not self.running:
            self.start()
        for _ in range(4):
            self.now += 100.0
            self.poll()
        self.check()
        self.tailer.close()
        self.ledger.close()
        shutil.rmtree(self.root)

    def check(self) -> None:
        """Check that each content was given once, from its first byte to its last full line."""
        unmatched = list(self.all)
        for data in sorted(self.given.values(), key=len, reverse=True):
            fitting = [content for content in unmatched if content.data.startswith(data)]
            assert fitting, f"given, but never written so: {data!r}"
            unmatched.remove(fitting[0])
            alive = fitting[0] in self.files.values()
            finished = fitting[0].data.rfind(b"\n") + 1 if alive else fitting[0].sure
            assert len(data) >= min(finished, fitting[0].sure), f"not given: {fitting[0].data[len(data) :]!r}"
        for content in unmatched:
            alive = content in self.files.values()
            assert (content.data.rfind(b"\n") + 1 if alive else content.sure) == 0, f"not given: {content.data!r}"


Rotations.TestCase.settings = settings(
    max_examples=int(os.environ.get("LOGSHIP_MODEL_EXAMPLES", "100")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRotations = Rotations.TestCase
TestRotations.__doc__ = "Every byte that existed for one scan is given exactly once, at its offset."
