"""Whole lines: unfinished, overlong, with holes."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.sources.conftest import append

Start = Callable[..., Any]


def test_an_unfinished_line_waits(start: Start, logs: Path) -> None:
    """A line without its newline waits, across a restart too, and is given whole."""
    agent = start()
    append(logs / "app.log", "par")
    assert agent.poll() == ""
    append(logs / "app.log", "ti")
    agent.restart()
    assert agent.settle() == ""
    append(logs / "app.log", "al\n")
    assert agent.poll() == "partial\n"


def test_three_bytes_are_enough(start: Start, logs: Path) -> None:
    """A file has no least size."""
    agent = start()
    append(logs / "app.log", "a\n\n")
    assert agent.poll() == "a\n\n"


@pytest.mark.parametrize("length", [99, 100])
def test_a_line_up_to_the_limit_is_whole(start: Start, logs: Path, length: int) -> None:
    """A line as long as the limit is not cut."""
    agent = start(line_limit=100, chunk=10)
    append(logs / "app.log", "x" * length + "\nnext\n")
    assert agent.poll() == "x" * length + "\nnext\n"
    assert [chunk.original_length for chunk in agent.chunks] == [None] * len(agent.chunks)


@pytest.mark.parametrize("length", [101, 1000, 5 << 20])
def test_a_longer_line_is_cut(start: Start, logs: Path, length: int) -> None:
    """Of a line longer than the limit the beginning is given with its true length, and the next line is whole."""
    agent = start(line_limit=100)
    append(logs / "app.log", "before\n" + "x" * length + "\nnext\n")
    assert agent.poll() == "before\n" + "x" * 100 + "\nnext\n"
    cut = agent.chunks[1]
    assert (cut.offset, cut.span, cut.original_length) == (7, length + 1, length)
    assert agent.chunks[2].offset == 7 + length + 1
    agent.restart()
    append(logs / "app.log", "more\n")
    assert agent.poll() == "more\n"


def test_a_line_is_cut_between_characters(start: Start, logs: Path) -> None:
    """A cut falls between two characters."""
    agent = start(line_limit=100)
    append(logs / "app.log", "超时" * 100 + "\n")
    assert agent.poll() == ("超时" * 100)[:33] + "\n"


def test_a_growing_long_line(start: Start, logs: Path) -> None:
    """A line longer than the limit that is still being written is given when it is finished."""
    agent = start(line_limit=100)
    for _ in range(5):
        append(logs / "app.log", "x" * 90)
        assert agent.poll() == ""
    append(logs / "app.log", "\nnext\n")
    assert agent.poll() == "x" * 100 + "\nnext\n"
    assert agent.chunks[0].original_length == 450


def test_a_long_line_without_an_end(start: Start, logs: Path) -> None:
    """A file that ends within a line longer than the limit gives its beginning, and the length there was."""
    agent = start(line_limit=100)
    append(logs / "app.log", "x" * 450)
    agent.poll()
    (logs / "app.log").unlink()
    assert agent.settle() == "x" * 100 + "\n"
    assert (agent.chunks[0].span, agent.chunks[0].original_length) == (450, 450)


def test_memory_is_bounded(start: Start, logs: Path) -> None:
    """A line of 64 MiB takes no more memory than a short one."""
    agent = start()
    with (logs / "app.log").open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\nnext\n")
    tracemalloc.start()
    agent.poll()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert [chunk.span for chunk in agent.chunks] == [(64 << 20) + 1, 5]


def test_a_hole_of_a_gibibyte(start: Start, logs: Path) -> None:
    """NUL bytes that a writer left behind are given without a newline, in pieces, and the line after them is whole."""
    agent = start()
    with (logs / "app.log").open("wb") as file:
        file.write(b"before\n")
        file.seek(1 << 30)
        file.write(b"after\n")
    agent.now += 1
    agent.tailer.scan(agent.now)
    spans, last = 0, b""
    while chunks := agent.tailer.read():
        for chunk in chunks:
            assert len(chunk.data) == chunk.span <= (1 << 20) + 1
            spans, last = spans + chunk.span, chunk.data
        agent.commit(chunks)
    assert spans == (1 << 30) + 6
    assert last.lstrip(b"\0") == b"after\n"


def test_a_hole_within_a_line(start: Start, logs: Path) -> None:
    """A long hole ends the line that it is in, so that the next one is not lost with it."""
    agent = start(line_limit=10_000)
    append(logs / "app.log", b"half a li" + bytes(50_000) + b"next\n")
    agent.poll()
    assert b"".join(chunk.data for chunk in agent.chunks).replace(b"\0", b"") == b"half a linext\n"
    assert agent.chunks[0].data == b"half a li"
    assert agent.chunks[-1].data.lstrip(b"\0") == b"next\n"


def test_a_writer_without_append_after_a_truncation(start: Start, logs: Path) -> None:
    """The hole that such a writer leaves is passed on, and its line is read."""
    agent = start()
    with (logs / "app.log").open("w") as writer:
        writer.write("a1\n" * 1000)
        writer.flush()
        agent.poll()
        os.truncate(logs / "app.log", 0)
        writer.write("b1\n")
    assert agent.poll() == "\0" * 3000 + "b1\n"


def test_reading_is_fair(start: Start, logs: Path) -> None:
    """A file with much to read does not keep others waiting: one chunk a file and round."""
    agent = start(chunk=1000)
    append(logs / "big.log", "x" * 99 + "\n" + ("y" * 99 + "\n") * 1000)
    append(logs / "small.log", "small\n")
    agent.tailer.scan(1.0)
    first = agent.tailer.read(2000)
    assert sorted(Path(chunk.file.path).name for chunk in first) == ["big.log", "small.log"]
    assert max(len(chunk.data) for chunk in first) <= 1001


def test_read_keeps_to_its_budget_and_goes_on_with_the_others(start: Start, logs: Path) -> None:
    """What the budget left out comes first the next time."""
    agent = start()
    for name in "abcd":
        append(logs / f"{name}.log", name * 10 + "\n")
    agent.tailer.scan(1.0)
    given = [chunk.data[:1] for _ in range(4) for chunk in agent.tailer.read(1)]
    assert sorted(given) == [b"a", b"b", b"c", b"d"]


def test_lag(start: Start, logs: Path) -> None:
    """The lag of a file is what is there and was not read."""
    agent = start()
    append(logs / "a.log", "12345\n")
    agent.tailer.scan(1.0)
    assert agent.tailer.lag() == {str(logs / "a.log"): 6}
    agent.tailer.read()
    assert agent.tailer.lag() == {str(logs / "a.log"): 0}
