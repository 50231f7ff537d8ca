"""
The short way for lines that are whole events of one form: from Docker's record to the document, never decoded.

One pattern finds the parts of all lines of a chunk; they are valid inside JSON
as they lie, and go into the documents so. A line that is anything else (another
form, part of a longer event, suspected of a secret, with fields that only some
messages have) is left to the long way, with its neighbours, and is joined as if
all had been. Both ways give the same documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress, pairwise
from typing import Any, Protocol

import orjson

from logship.pipeline.cells import Cells, Layout, crowded
from logship.pipeline.columns import Enrich, Field
from logship.pipeline.escaped import hexadecimal, record_pattern
from logship.pipeline.formats import LEVELS, Messages, RegexFormat
from logship.pipeline.members import Combinations, Members, span
from logship.pipeline.taken import Taken, leave, time_range

_KEPT = 4096
#: Of the lines of a chunk, so many must be for the short way.
_ENOUGH = 0.25
#: In every record of a whole line; without it the rest of a text is looked for in all of the chunk.
_LINE = b'\\n","stream":"std'
#: Digits of a fraction that Elasticsearch's date_nanos can hold.
_NANOSECONDS = 9
#: Of so many lines, so large a part with new combinations of parts says that they do not repeat.
_TRIAL = 10_000
_TOO_MANY = 0.3
#: A form that begins with its time, and the plain text that follows.
_AFTER_TIME = re.compile(r"\(\?P<time>(?:\\.|\[(?:\\.|[^\]])*\]|[^\\()\[\]])*\)((?:\\[^\w]|[^\\()\[\]|?*+{}.^$])*)")
#: What looks further than the characters it takes.
_BEYOND = re.compile(r"\$|\\[ZbB]|\(\?[=!<]")


class Scan(Protocol):
    """Looks at many texts at once."""

    def hits(self, data: bytes) -> list[int]:
        """Return which of the texts match, ascending; a NUL stands before, between and after them."""


class _UnfitError(Exception):
    """The chunk is not what the short way is for."""


class FastPath:
    """One form of one file's events, in Docker's records."""

    def __init__(
        self,
        form: RegexFormat,
        rules: Messages | None,
        redaction: Scan,
        *,
        constants: Mapping[str, Any],
        key: str,
        start: str,
        enrich: Mapping[str, Enrich],
        combinations: Combinations,
    ) -> None:
        match = form.spec.match or ""
        self._match = match if form.has_message else f"(?P<message>{match})"
        self._start = start
        self._form = form
        self._rules = rules
        self._redaction = redaction
        self._constants = constants
        self._key = key
        self._enrich = enrich
        self._combinations = combinations
        #: The message is the whole text, so that the other parts are looked at with it.
        self._whole = not form.has_message or (match.startswith("(?P<message>") and match.endswith("(?s:.*))"))
        self._seconds: dict[bytes, bytes] = {}
        self._layouts: dict[tuple[object, ...], Layout] = {}
        #: What begins an event is known from the stamp and the plain text after it.
        self._early = not _BEYOND.search(start)
        self._arrange(apart=False)

    def _arrange(self, *, apart: bool) -> None:
        """Make the pattern; parts that stand side by side are one, or each apart."""
        form, pattern = self._form, self._match
        fields = dict(form.named_fields)
        single = {name for name, field in form.named_fields if not field.is_bare and not self._enriches(field)}
        single -= {name for name, _ in form.named_fields if [group for group, _ in form.named_fields].count(name) > 1}
        found = None if apart else span(pattern, single | {"level"})
        self._members: Members | None = None
        if found:
            converts = [form.level_fields if name == "level" else fields[name].named_cells for name in found.names]
            names = [one for name in found.names for one in (LEVELS if name == "level" else fields[name].names)]
            members = Members(
                found,
                converts,
                names,
                self._constants,
                combinations=self._combinations,
                suspicious=self._suspicious,
            )
            others = {
                one.partition(".")[0]
                for name, field in fields.items()
                if name not in found.names
                for one in field.names
            }
            if "level" not in found.names and "level" in form.groups:
                others.add("log")
            if members.owned.isdisjoint(others | {"@timestamp", "message", "stream"}):
                self._members, pattern = members, found.pattern
        pattern, self._hexadecimal = hexadecimal(pattern)
        after = _AFTER_TIME.match(pattern)
        self._begins = re.compile(self._start, re.ASCII).match if after and self._early else None
        self._after_time = re.sub(r"\\(.)", r"\1", after[1]) if after else ""
        self._pattern = record_pattern(pattern, "" if self._begins else self._start)
        self._group = {name: place - 1 for name, place in self._pattern.groupindex.items()} if self._pattern else {}
        self._fields = [(self._group[group], field) for group, field in form.named_fields if group in self._group]
        self._known = [_Known(field.names, field.cells, self._suspicious, field.is_unfit) for _, field in self._fields]
        self._levels = _Known(LEVELS, form.level, self._suspicious, lambda _: False)
        self._odd_members: set[bytes] = set()
        self._seen = self._new = 0

    def _enriches(self, field: Field) -> bool:
        return not self._enrich.keys().isdisjoint(field.names)

    @property
    def usable(self) -> bool:
        """Whether events of this form can be taken from their records."""
        names = [name for _, field in self._form.named_fields for name in field.names]
        return (
            {"time", "_stream"} <= self._group.keys()
            and self._group.keys().isdisjoint(("zone", "msecs"))
            and not self._form.spec.escaped
            and not self._form.leaves_out
            and (self._rules is None or self._rules.gated)
            and len(set(names)) == len(names)
            and not any(name.startswith(("error.", "log.level", "message")) for name in names)
        )

    def take(self, data: bytes, raw: Sequence[bytes], edges: Sequence[int]) -> Taken | None:
        """
        Make documents of the lines that are whole events of the form; None if the chunk has too few of them.

        `raw` are the lines of `data`, `edges` their logical offsets, and where the last one ends.
        """
        if self._pattern is None or data[-1:] != b"\n" or data.count(_LINE) < len(raw) * _ENOUGH:
            return None
        found = self._pattern.findall(data)
        count = len(edges) - 1
        place = self._group["_stream"]
        streams = [parts[place] for parts in found]
        kinds = set(streams) - {b""}
        if len(found) != count or len(kinds) != 1:
            return None
        leave(streams, raw)
        table = list(compress(found, streams))
        if len(table) < count * _ENOUGH:
            return None
        groups = list(zip(*table, strict=True))
        try:
            columns, odd = self._columns(groups)
        except (_UnfitError, ValueError):
            return None
        (stream,) = kinds
        offsets = list(compress(edges, streams))
        pieces, width = self._layout(columns, stream.decode()).fill(orjson.dumps(offsets)[1:-1].split(b","), columns)
        rest = [row for row, stream in enumerate(streams) if not stream]
        # Places between documents whose lines are not neighbours.
        cuts = {row - number for number, row in enumerate(rest)} | odd | {place + 1 for place in odd} | {0, len(table)}
        ends = sorted(cuts)
        runs = [
            (offsets[begin], b"".join(pieces[begin * width : end * width]))
            for begin, end in pairwise(ends)
            if begin not in odd
        ]
        kept: Sequence[int] = range(len(table))
        if odd:
            kept = [place for place in kept if place not in odd]
            rows = list(compress(range(count), streams))
            rest = sorted([*rest, *[rows[place] for place in odd]])
        if not kept:
            return None
        size = edges[-1] - edges[0] - sum(edges[row + 1] - edges[row] for row in rest)
        times = time_range(columns[0], kept)
        return Taken(rest, edges[-1], count - len(rest), size, *times, offsets[kept[-1]], runs)

    def _columns(self, groups: Sequence[tuple[bytes, ...]]) -> tuple[list[Cells], set[int]]:
        """Return the columns, time first, and the rows that are better left to the long way."""
        odd: set[int] = set()
        columns = [self._times(groups, odd)]
        message = groups[self._group["message"]]
        columns.append(Cells("message", message, bare=True))
        if self._members is not None:
            columns.append(self._together(self._members, groups[self._group["_members"]], odd))
        if "level" in self._group:
            columns += self._levels.columns(groups[self._group["level"]], odd)
        looked_at: list[bytes] = [b"\0".join(message)]
        for name, digits in self._hexadecimal.items():
            if b"".join(groups[self._group[name]]).translate(None, digits):
                raise _UnfitError
        seen = {self._group[name] for name in self._hexadecimal}
        for (place, field), known in zip(self._fields, self._known, strict=True):
            values = groups[place]
            if field.bare(values) and not self._enriches(field):
                columns += [Cells(name, cells, True, b"" in cells) for name, cells in field.bare_columns(values)]
                if place not in seen:
                    seen.add(place)
                    looked_at.append(b"\0".join(values))
            elif field.are_numbers(values):
                columns.append(Cells(field.names[0], values, sparse=b"" in values))
            else:
                for cells in known.columns(values, odd):
                    columns += _enriched(cells, self._enrich[cells.name]) if cells.name in self._enrich else [cells]
        self._look(looked_at, len(message), odd)
        present = [column for column in columns if not column.sparse or any(column.values)]
        while clash := crowded(present, self._constants):
            for column in clash:
                odd |= {row for row, value in enumerate(column.values) if not value}
                # Rows without it are cleared afterwards.
                present[present.index(column)] = replace(column, sparse=False)
        return present, odd

    def _together(self, members: Members, values: Sequence[bytes], odd: set[int]) -> Cells:
        known = members.known
        try:
            cells = list(map(known.__getitem__, values))
        except KeyError:
            new = set(values) - known.keys()
            self._new += len(new)
            if len(known) + len(new) > _KEPT:
                known.clear()
                self._odd_members.clear()
                new = set(values)
            for value in new:
                if members.learn(value):
                    self._odd_members.add(value)
            cells = list(map(known.__getitem__, values))
        self._seen += len(values)
        if self._seen > _TRIAL and self._new > self._seen * _TOO_MANY:
            self._arrange(apart=True)
            raise _UnfitError
        if self._odd_members:
            odd |= {row for row, value in enumerate(values) if value in self._odd_members}
        return Cells("_members", cells, members=True)

    def _times(self, groups: Sequence[tuple[bytes, ...]], odd: set[int]) -> Cells:
        known = self._seconds
        stamps = groups[self._group["time"]]
        try:
            seconds = list(map(known.__getitem__, stamps))
        except KeyError:
            self._learn_seconds(stamps)
            seconds = list(map(known.__getitem__, stamps))
        if "fraction" not in self._group:
            return Cells("@timestamp", seconds, bare=True, behind="Z")
        fractions = groups[self._group["fraction"]]
        lengths = set(map(len, fractions))
        if 0 in lengths:
            odd |= {row for row, digits in enumerate(fractions) if not digits}
        if max(lengths) > _NANOSECONDS:
            raise _UnfitError
        return Cells("@timestamp", seconds, bare=True, more=fractions, between=".", behind="Z")

    def _learn_seconds(self, stamps: Sequence[bytes]) -> None:
        known = self._seconds
        if len(known) > _KEPT:
            known.clear()
        for stamp in dict.fromkeys(stamps):
            if stamp not in known:
                text = _text(stamp)
                second = self._form.clock.steady(text)
                if self._begins and not self._begins(text + self._after_time):
                    self._early = False
                    self._arrange(apart=self._members is None)
                    raise _UnfitError
                if not second:
                    raise _UnfitError
                known[stamp] = second.encode()

    def _look(self, joined: list[bytes], count: int, odd: set[int]) -> None:
        """Check that the parts are valid inside JSON, and find those that the long way must look at."""
        orjson.loads(b'"%b"' % b" ".join(joined).replace(b"\0", b" "))
        data = b"\0%b\0" % b"\0".join(joined[:1] if self._whole else joined)
        odd.update(row % count for row in self._redaction.hits(data))
        if self._rules is not None:
            odd.update(self._rules.hits(b"\0%b\0" % joined[0]))

    def _suspicious(self, value: bytes) -> bool:
        return not self._whole and bool(self._redaction.hits(b"\0%b\0" % value))

    def _layout(self, columns: list[Cells], stream: str) -> Layout:
        shape = (stream, *[(column.name, column.bare, column.sparse) for column in columns])
        layout = self._layouts.get(shape)
        if layout is None:
            if len(self._layouts) > 100:
                self._layouts.clear()
            owned = self._members.owned if self._members is not None else frozenset()
            constants = {name: value for name, value in self._constants.items() if name not in owned}
            layout = self._layouts[shape] = Layout(columns, {**constants, "stream": stream}, self._key)
        return layout


class _Known:
    """A part with few different values: each is converted once, by the long way's own code."""

    def __init__(
        self,
        names: Sequence[str],
        convert: Callable[[str], Sequence[bytes | None]],
        suspicious: Callable[[bytes], bool],
        unfit: Callable[[str], bool],
    ) -> None:
        self.names = names
        self._convert = convert
        self._suspicious = suspicious
        self._unfit = unfit
        self._cells: list[dict[bytes, bytes]] = [{b"": b""} for _ in names]
        self._odd: set[bytes] = set()

    def columns(self, values: Sequence[bytes], odd: set[int]) -> list[Cells]:
        """Return the columns of JSON; add the rows that may hold a secret, or what is no field, to the odd ones."""
        distinct = set(values)
        if len(self._cells[0]) > _KEPT:
            for cells in self._cells:
                cells.clear()
                cells[b""] = b""
            self._odd.clear()
        for value in distinct - self._cells[0].keys():
            text = _text(value)
            for cells, cell in zip(self._cells, self._convert(text), strict=True):
                cells[value] = cell or b""
            if self._unfit(text) or self._suspicious(value):
                self._odd.add(value)
        if self._odd and distinct & self._odd:
            odd |= {row for row, value in enumerate(values) if value in self._odd}
        columns = []
        for name, cells in zip(self.names, self._cells, strict=True):
            there = list(map(cells.__getitem__, distinct))
            if any(there):
                columns.append(Cells(name, list(map(cells.__getitem__, values)), sparse=not all(there)))
        return columns


def _enriched(cells: Cells, enrich: Enrich) -> Iterator[Cells]:
    for name, column in enrich([value or None for value in cells.values]):
        values = [value or b"" for value in column]
        yield Cells(name, values, sparse=b"" in values)


def _text(value: bytes) -> str:
    """Decode the inside of a JSON string; raises ValueError if it is none."""
    text: str = orjson.loads(b'"%b"' % value)
    return text
