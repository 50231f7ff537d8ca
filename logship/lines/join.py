"""
From lines to events: parts of one long line, then lines of one event; per file and stream.

Streams are joined apart, as a container's stdout and stderr interleave freely.
The last event of a stream stays open until its next event begins, or until the
stream was quiet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import sub
from typing import Any

from logship.lines.pem import KeyLines, takes_keys_apart
from logship.model import Events, Lines

#: Says whether a line begins an event; None: every line is one.
Starts = Callable[[str], object]


def compile_starts(patterns: Sequence[str]) -> Starts | None:
    """Combine the patterns of lines that begin an event; each is anchored at the line's start."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.ASCII).match if patterns else None


@dataclass(slots=True)
class _Open:
    """An event, or the first parts of a line, that may still go on."""

    offset: int
    time: str
    #: When its last line came, in the caller's clock.
    touched: float
    texts: list[str] = field(default_factory=list)
    size: int = 0
    length: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


class Joiner:
    """Joins one file's lines to events, stream by stream."""

    def __init__(
        self, starts: Starts | None, alone: Starts | None = None, *, max_lines: int = 1000, max_bytes: int = 1 << 20
    ) -> None:
        self._starts = starts
        #: Lines that are a whole event: what follows them is never a part of it.
        self._alone = alone
        #: Where a pattern of other beginnings takes the lines of a key apart.
        self._keys = KeyLines() if takes_keys_apart(starts) else None
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._events: dict[str, _Open] = {}
        self._parts: dict[str, _Open] = {}
        #: Streams seen in this file, for the positions that a restart needs.
        self.streams: set[str] = set()

    def feed(self, lines: Lines, now: float) -> Events:
        """Return the events that these lines completed, ordered by offset."""
        events = Events()
        streams = set(lines.streams)
        self.streams |= streams
        if len(streams) == 1:
            self._feed(next(iter(streams)), lines, now, events)
            return events
        for stream in streams:
            self._feed(stream, _only(lines, stream), now, events)
        return _ordered(events)

    def flush(self, before: float, only: Set[str] | None = None) -> Events:
        """Return the events of streams that were quiet since a time, `inf` for all; or of `only` some of them."""
        events = Events()
        for stream, part in list(self._parts.items()):
            if part.touched <= before and (only is None or stream in only):
                del self._parts[stream]
                part.extra.setdefault("log.flags", []).append("incomplete")
                text, end = "".join(part.texts), part.offset + part.size
                line = Lines([part.offset], [end], [text], [part.time], [stream], [], {0: part.extra})
                self._join(stream, line, part.touched, events)
        for stream, event in list(self._events.items()):
            if event.touched <= before and (only is None or stream in only):
                del self._events[stream]
                self._emit(stream, event, events)
        return _ordered(events)

    @property
    def has_parts(self) -> bool:
        """Whether a long line is unfinished."""
        return bool(self._parts)

    def pending(self) -> dict[str, int]:
        """Return the offset of the oldest byte of each stream that is not in an event yet."""
        offsets = {stream: event.offset for stream, event in self._parts.items()}
        return offsets | {stream: event.offset for stream, event in self._events.items()}

    def goes_on(self, lines: Lines) -> list[int]:
        """
        Return the rows that what is open here goes on with, were these lines the next.

        Not more than fit into it; and no further than the end of a split line, as what that is decides on the rest.
        """
        rows = []
        for stream in self.pending():
            own = [row for row, name in enumerate(lines.streams) if name == stream]
            if stream in self._parts:
                ends = (place for place, row in enumerate(own, 1) if not (lines.partial and lines.partial[row]))
                rows += own[: next(ends, len(own))]
            elif self._starts is not None and self._starts(self._events[stream].texts[0]):
                rows += self._continuation(self._events[stream], lines, own)
        return sorted(rows)

    def _continuation(self, event: _Open, lines: Lines, rows: list[int]) -> list[int]:
        """Return the first rows that are whole lines and begin no event, as many as fit into one that is open."""
        count, length = len(event.texts), event.length
        for place, row in enumerate(rows):
            split = bool(lines.partial) and lines.partial[row]
            begins = self._starts is not None and self._starts(lines.texts[row])
            if split or begins or count >= self._max_lines or length >= self._max_bytes:
                return rows[:place]
            count, length = count + 1, length + len(lines.texts[row]) + 1
        return rows

    def _feed(self, stream: str, lines: Lines, now: float, events: Events) -> None:
        if any(lines.partial) or stream in self._parts:
            lines = self._join_parts(stream, lines, now)
        if lines.texts:
            self._join(stream, lines, now, events)

    def _join_parts(self, stream: str, lines: Lines, now: float) -> Lines:
        """Join the parts of long lines; the parts of one still unfinished are kept."""
        joined = Lines([], [], [], [], [], [])
        partial = lines.partial or [False] * len(lines.texts)
        for position, text in enumerate(lines.texts):
            part = self._parts.pop(stream, None) or _Open(lines.offsets[position], lines.times[position], now)
            part.size += lines.ends[position] - lines.offsets[position]
            part.length += len(text)
            part.touched = now
            _merge(part.extra, lines.extra.get(position))
            room = self._max_bytes - (part.length - len(text))
            if room > 0:
                part.texts.append(text[:room])
            if partial[position]:
                self._parts[stream] = part
                continue
            if part.length > self._max_bytes:
                part.extra |= {"log.flags": ["truncated"], "log.original_length": part.length}
            if part.extra:
                joined.extra[len(joined.texts)] = part.extra
            joined.offsets.append(part.offset)
            # Parts of another stream lie between: the end is not where this line's last byte is, but its size is right.
            joined.ends.append(part.offset + part.size)
            joined.texts.append("".join(part.texts))
            joined.times.append(part.time)
            joined.streams.append(stream)
        return joined

    def _join(self, stream: str, lines: Lines, now: float, events: Events) -> None:
        texts, starts = lines.texts, self._starts
        if starts is None:
            begins = list(range(len(texts)))
        else:
            begins = [position for position, text in enumerate(texts) if starts(text)]
            if self._alone and begins and len(begins) < len(texts):
                begins = _split_alone(self._alone, texts, begins)
        if self._keys is not None:
            begins = self._keys.without(stream, texts, begins)
        first = begins[0] if begins else len(texts)
        if first:
            self._continue(stream, lines, first, now, events)
        if not begins:
            return
        if stream in self._events:
            self._emit(stream, self._events.pop(stream), events)
        cuts: set[int] = set()
        bounds = [*begins, len(texts)]
        joined = starts is not None or len(begins) < len(texts) - first
        if joined and (len(texts) > self._max_lines or lines.ends[-1] - lines.offsets[first] > self._max_bytes):
            bounds, cuts = self._cut(texts, bounds)
        if starts is not None or (self._keys and self._keys.inside(stream)):
            last = bounds[-2]
            # What is cut off goes on like any other event, but does not begin with an empty line.
            if texts[last] if last in cuts else not self._alone or not self._alone(texts[last]):
                self._hold(stream, lines, last, now)
                bounds = bounds[:-1]
        self._complete(stream, lines, bounds, events, cuts)

    def _cut(self, texts: list[str], bounds: list[int]) -> tuple[list[int], set[int]]:
        """Divide the events that are too long, where `_continue` does; return all bounds, and those that are new."""
        cuts: set[int] = set()
        for begin, end in pairwise(bounds):
            if end - begin <= self._max_lines and end - begin + sum(map(len, texts[begin:end])) <= self._max_bytes:
                continue
            count, length = 0, 0
            for row in range(begin, end):
                if count >= self._max_lines or length >= self._max_bytes or (row - 1 in cuts and not texts[row - 1]):
                    cuts.add(row)
                    count = length = 0
                count, length = count + 1, length + len(texts[row]) + 1
        return (sorted({*bounds, *cuts}) if cuts else bounds), cuts

    def _complete(
        self, stream: str, lines: Lines, bounds: list[int], events: Events, cuts: Set[int] = frozenset()
    ) -> None:
        """Add the events between successive bounds; the hot path."""
        offsets, ends, texts = lines.offsets, lines.ends, lines.texts
        base = len(events.texts)
        heads = bounds[:-1]
        if len(heads) == bounds[-1] - bounds[0]:  # one line each
            rows = slice(bounds[0], bounds[-1])
            events.texts += texts[rows]
            events.offsets += offsets[rows]
            events.times += lines.times[rows]
            sizes = [end - start for start, end in zip(offsets[rows], ends[rows], strict=True)]
        else:
            events.texts += [
                texts[i] if j - i == 1 else "\n".join(texts[i:j]).rstrip("\n")
                for i, j in zip(heads, bounds[1:], strict=True)
            ]
            events.offsets += [offsets[i] for i in heads]
            events.times += [lines.times[i] for i in heads]
            spans = list(accumulate(map(sub, ends, offsets), initial=0))
            sizes = [spans[j] - spans[i] for i, j in zip(heads, bounds[1:], strict=True)]
        events.sizes += sizes
        events.streams += [stream] * len(heads)
        events.lines += bounds[-1] - bounds[0]
        if lines.extra:
            spans_of = enumerate(zip(heads, bounds[1:], strict=True))
            owner = {line: base + number for number, (i, j) in spans_of for line in range(i, j)}
            for line, extra in lines.extra.items():
                if line in owner:
                    _merge(events.extra.setdefault(owner[line], {}), extra)
        for number, end in enumerate(bounds[1:]) if cuts else ():
            if end in cuts and events.texts[base + number]:
                events.extra.setdefault(base + number, {}).setdefault("log.flags", []).append("multiline_cut")
        if "" in events.texts:
            _drop_empty(events)

    def _continue(self, stream: str, lines: Lines, count: int, now: float, events: Events) -> None:
        """Give the first lines to the open event; without one they are events of their own."""
        for position in range(count):
            size = lines.ends[position] - lines.offsets[position]
            event = self._events.get(stream)
            if event and (len(event.texts) >= self._max_lines or event.length >= self._max_bytes):
                event.extra.setdefault("log.flags", []).append("multiline_cut")
                self._emit(stream, self._events.pop(stream), events)
                event = None
            if event is None:
                if not lines.texts[position]:
                    events.skipped += size
                    events.lines += 1
                    continue
                event = self._events[stream] = _Open(lines.offsets[position], lines.times[position], now)
            event.texts.append(lines.texts[position])
            event.length += len(lines.texts[position]) + 1
            event.size += size
            event.touched = now
            _merge(event.extra, lines.extra.get(position))

    def _hold(self, stream: str, lines: Lines, begin: int, now: float) -> None:
        event = _Open(lines.offsets[begin], lines.times[begin], now)
        self._events[stream] = event
        for position in range(begin, len(lines.texts)):
            event.texts.append(lines.texts[position])
            event.length += len(lines.texts[position]) + 1
            event.size += lines.ends[position] - lines.offsets[position]
            _merge(event.extra, lines.extra.get(position))

    def _emit(self, stream: str, event: _Open, events: Events) -> None:
        text = "\n".join(event.texts).rstrip("\n")
        events.lines += len(event.texts)
        if not text:
            events.skipped += event.size
            return
        if event.extra:
            events.extra[len(events.texts)] = event.extra
        events.offsets.append(event.offset)
        events.sizes.append(event.size)
        events.texts.append(text)
        events.times.append(event.time)
        events.streams.append(stream)


def _split_alone(alone: Starts, texts: list[str], begins: list[int]) -> list[int]:
    """Begin an event after each line that is a whole one, where a continuation would follow."""
    more = [
        begin + 1
        for begin, following in zip(begins, [*begins[1:], len(texts)], strict=True)
        if following > begin + 1 and alone(texts[begin])
    ]
    return sorted({*begins, *more}) if more else begins


def _merge(extra: dict[str, Any], more: dict[str, Any] | None) -> None:
    """Add the extra fields of a further line; what is counted adds up."""
    if more:
        nul_bytes = extra.get("log.nul_bytes", 0) + more.get("log.nul_bytes", 0)
        extra |= more
        if nul_bytes:
            extra["log.nul_bytes"] = nul_bytes


def _only(lines: Lines, stream: str) -> Lines:
    """Return the lines of one stream."""
    rows = [position for position, name in enumerate(lines.streams) if name == stream]
    extra = {new: lines.extra[old] for new, old in enumerate(rows) if old in lines.extra} if lines.extra else {}
    return Lines(
        [lines.offsets[i] for i in rows],
        [lines.ends[i] for i in rows],
        [lines.texts[i] for i in rows],
        [lines.times[i] for i in rows],
        [stream] * len(rows),
        [lines.partial[i] for i in rows] if lines.partial else [],
        extra,
    )


def together(several: Sequence[Events]) -> Events:
    """Make one of several, ordered by offset."""
    events = Events()
    for one in several:
        events.extra.update({len(events.texts) + row: extra for row, extra in one.extra.items()})
        events.offsets += one.offsets
        events.sizes += one.sizes
        events.texts += one.texts
        events.times += one.times
        events.streams += one.streams
        events.lines += one.lines
        events.skipped += one.skipped
    return _ordered(events)


def _ordered(events: Events) -> Events:
    order = sorted(range(len(events.offsets)), key=events.offsets.__getitem__)
    return _pick(events, order)


def _drop_empty(events: Events) -> None:
    keep = [position for position, text in enumerate(events.texts) if text]
    events.skipped += sum(size for size, text in zip(events.sizes, events.texts, strict=True) if not text)
    kept = _pick(events, keep)
    events.offsets, events.sizes, events.texts = kept.offsets, kept.sizes, kept.texts
    events.times, events.streams, events.extra = kept.times, kept.streams, kept.extra


def _pick(events: Events, rows: list[int]) -> Events:
    extra = {new: events.extra[old] for new, old in enumerate(rows) if old in events.extra} if events.extra else {}
    return Events(
        offsets=[events.offsets[i] for i in rows],
        sizes=[events.sizes[i] for i in rows],
        texts=[events.texts[i] for i in rows],
        times=[events.times[i] for i in rows],
        streams=[events.streams[i] for i in rows],
        extra=extra,
        lines=events.lines,
        skipped=events.skipped,
    )
