"""Files that are not UTF-8: where their lines end, however long they are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.sources.conftest import append

from logship.lines.envelope import unwrap
from logship.model import Chunk

Start = Callable[..., Any]
BOM = b"\xff\xfe"


def texts(chunks: list[Chunk]) -> list[str]:
    """Return the lines of chunks."""
    return [text for chunk in chunks for text in unwrap(chunk).texts]


def wide(text: str) -> bytes:
    """Encode as Windows does."""
    return text.encode("utf-16-le")


# Of a compressed file a line may exceed the limit by a chunk.
@pytest.mark.parametrize(
    ("zipped", "length"),
    [(False, 99), (False, 100), (False, 101), (False, 3_000_000), (True, 99), (True, 100), (True, 200_000)],
)
def test_a_long_line_is_cut_at_its_own_end(start: Start, logs: Path, *, zipped: bool, length: int) -> None:
    """A line of UTF-16 over the limit, in bytes, is cut and says how long it was; the next one is whole."""
    data = BOM + wide("ਊ" * length + "\nnext\n")
    append(logs / ("app.log.1.gz" if zipped else "app.log"), gzip.compress(data) if zipped else data)
    agent = start(line_limit=202, chunk=64)
    agent.poll()
    long, following = texts(agent.chunks)
    assert ("ਊ" * min(length, 100), "next") == (long, following)
    cut = [chunk.original_length for chunk in agent.chunks if chunk.original_length]
    assert cut == ([2 + 2 * length] if length > 100 else [])
    assert len(data) == sum(chunk.span for chunk in agent.chunks)


def test_a_hole_in_a_long_line_ends_it_between_characters(start: Start, logs: Path) -> None:
    """NUL bytes in a line over the limit are a hole; the last character before it keeps its zero byte."""
    agent = start(line_limit=5000)
    append(logs / "app.log", BOM + wide("a" * 400) + bytes(20_000) + wide("b\n"))
    agent.poll()
    agent.poll()
    assert ["a" * 400, "b"] == [text for text in texts(agent.chunks) if text]


def test_an_unfinished_line_waits_for_its_second_half(start: Start, logs: Path) -> None:
    """A newline of which only the first byte was written ends nothing; a deleted file gives what there is."""
    agent = start()
    append(logs / "app.log", BOM + wide("one\n")[:-1])
    agent.poll()
    assert [] == texts(agent.chunks)
    append(logs / "app.log", b"\0" + wide("half"))
    agent.poll()
    assert ["one"] == texts(agent.chunks)
    (logs / "app.log").unlink()
    agent.settle()
    assert ["one", "half"] == texts(agent.chunks)


def test_a_byte_order_mark_may_come_in_two_writes(start: Start, logs: Path) -> None:
    """While a file holds too few bytes its encoding is not known, and it is not read as another."""
    agent = start()
    append(logs / "app.log", BOM[:1])
    agent.poll()
    append(logs / "app.log", BOM[1:] + wide("text\n"))
    agent.poll()
    assert ["text"] == texts(agent.chunks)
