"""What of a chunk's lines went the short way, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from logship.pipeline.cells import Cells

#: In the record of a line that does not go on in the next record.
_ENDS = b'\\n","'


@dataclass(frozen=True, slots=True)
class Taken:
    """What of a chunk's lines became documents, and which lines are left."""

    #: Row numbers of the lines left, ascending.
    rest: list[int]
    #: Where the chunk ends.
    end: int
    #: Documents, each of one line, and the bytes on disk of their lines.
    count: int
    size: int
    first_time: str
    last_time: str
    #: Time of the last document.
    end_time: str
    #: Where the last document's line begins.
    last_offset: int
    #: Runs of documents, and where the first line of each begins.
    runs: list[tuple[int, bytes]]

    def merged(self, offsets: Sequence[int], documents: Sequence[bytes]) -> list[bytes]:
        """Return all documents in the order of their offsets, with those that came the long way."""
        return [run for _, run in sorted([*self.runs, *zip(offsets, documents, strict=True)])]


def leave(streams: list[bytes], raw: Sequence[bytes]) -> None:
    """Blank the rows that are for the long way: unlike the others, or with a neighbour that may be a part of them."""
    blank = [row for row, stream in enumerate(streams) if not stream]
    split = False
    for row, following in pairwise([*blank, len(streams)]):
        streams[max(row - 1, 0)] = b""
        split = split or _ENDS not in raw[row]
        if split and following > row + 1:  # the end of a line that was split
            streams[row + 1] = b""
            split = False
    streams[-1] = b""  # it may go on in the next chunk


def time_range(times: Cells, rows: Sequence[int]) -> tuple[str, str, str]:
    """Return the earliest time of some rows, the latest, and that of the last row."""
    values, more = times.values, times.more
    if len(rows) < len(values):
        values = [values[row] for row in rows]
        more = [more[row] for row in rows] if more is not None else None
    distinct = set(values)
    edges = min(distinct), max(distinct), values[-1]
    if more is not None:
        low, high, end = edges
        smallest = min([digits for value, digits in zip(values, more, strict=True) if value == low])
        largest = max([digits for value, digits in zip(values, more, strict=True) if value == high])
        edges = b"%b.%b" % (low, smallest), b"%b.%b" % (high, largest), b"%b.%b" % (end, more[-1])
    first, latest, at = (f"{time.decode()}{times.behind}" for time in edges)
    return first, latest, at
