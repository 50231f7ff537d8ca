"""Blocks hold whole lines, whatever the reads were."""

import io
import os

import pytest

from logship.lines.reader import Block, blocks


class Slow(io.BytesIO):
    """A stream that gives so many bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read1(self, size: int | None = -1) -> bytes:  # noqa: ARG002
        """Give so much, whatever is asked for."""
        return super().read1(self.size)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_whole_however_they_come(size):
    """Every block ends with a newline but the last, and together they are the input."""
    data = "eins\nzwei\n\ndrei – vier\nfünf".encode()
    found = list(blocks(Slow(data, size)))
    assert data == b"".join(block.data for block in found)
    assert len(data) == sum(block.span for block in found)
    assert all(block.data.endswith(b"\n") for block in found[:-1])


@pytest.mark.parametrize("size", [1, 3, 10, 64])
def test_a_long_line_is_cut_and_says_so(size):
    """What is beyond the limit is left out, counted, and the next line is whole."""
    found = list(blocks(Slow(b"a" * 100 + b"\nb\n", size), limit=10))
    cut = [block for block in found if block.original_length is not None]
    assert 102 + 1 == sum(block.span for block in found)
    assert found[-1].data.endswith(b"b\n")
    assert all(block == Block(b"a" * len(block.data), 101, 100) for block in cut)


def test_a_long_line_at_the_end_is_cut_too():
    """The last line may lack its newline."""
    (found,) = blocks(Slow(b"a" * 100, 10), limit=10)
    assert (100, 100) == (found.span, found.original_length)


def test_a_quiet_pipe_says_so_once():
    """None is yielded when nothing comes, so that what is complete can be shown; then the pipe's end is waited for."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        os.write(writing, b"line\n")
        found = blocks(stream, quiet=0.01)
        assert Block(b"line\n", 5) == next(found)
        assert next(found) is None
        os.write(writing, b"more\n")
        assert Block(b"more\n", 5) == next(found)
        os.close(writing)
        assert [] == [block for block in found if block]
