"""Some of a chunk's lines."""

from __future__ import annotations

from copy import copy

from logship.model import Lines


def skip(lines: Lines, resume: dict[str, int]) -> None:
    """Take out the lines that an earlier run had accounted for."""
    keep = [row for row, stream in enumerate(lines.streams) if lines.offsets[row] >= resume.get(stream, 0)]
    if len(keep) < len(lines.texts):
        keep_only(lines, keep)


def keep_only(lines: Lines, keep: list[int]) -> None:
    """Take out all lines but some."""
    lines.extra = {new: lines.extra[old] for new, old in enumerate(keep) if old in lines.extra}
    lines.partial = [lines.partial[row] for row in keep] if lines.partial else []
    for name in ("offsets", "ends", "texts", "times", "streams"):
        column = getattr(lines, name)
        setattr(lines, name, [column[row] for row in keep])


def pick(lines: Lines, rows: list[int]) -> Lines:
    """Return some of the lines."""
    picked = copy(lines)
    keep_only(picked, rows)
    return picked
