"""One form of event, compiled: which texts are of it, and their parts as columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

from logship.pipeline import lenient
from logship.pipeline.columns import Column, Field, dumps
from logship.pipeline.depth import flat
from logship.pipeline.leftover import Get, Leftover, disagreeing, leaves_out, takes_all, whole
from logship.pipeline.redaction.scan import Scanner
from logship.pipeline.spec import READING, FormatSpec, MessageRule
from logship.pipeline.times import Clock

_LEVELS = {
    "debug": "debug", "trace": "debug", "verbose": "debug", "fine": "debug", "finer": "debug", "finest": "debug",
    "dbg": "debug", "d": "debug",
    "info": "info", "information": "info", "informational": "info", "log": "info", "inf": "info", "i": "info",
    "system": "info",
    "notice": "notice", "note": "notice",
    "warn": "warning", "warning": "warning", "w": "warning", "wrn": "warning",
    "error": "error", "err": "error", "e": "error", "severe": "error",
    "fatal": "critical", "critical": "critical", "crit": "critical", "panic": "critical", "dpanic": "critical",
    "emerg": "critical", "emergency": "critical", "alert": "critical", "f": "critical", "c": "critical",
}  # fmt: skip
#: Fields of a level.
LEVELS = ("log.level", "log.original_level")
#: Groups that are no fields, and in the document all the same.
_SPECIAL = ("time", "fraction", "zone", "msecs", "level", "message", "_over")
#: orjson reads objects that are nested deeper than it writes.
_DEEP = 200
#: Events of a form, and the rows that are not of it.
_Sorted: TypeAlias = "tuple[Parsed | None, list[int]]"


class Parsed:
    """The events of one form, as columns; `rows` are their positions in the batch."""

    __slots__ = ("columns", "messages", "rows", "times", "undated")

    def __init__(
        self, rows: list[int], times: list[str], messages: list[str], columns: list[tuple[str, Column]]
    ) -> None:
        self.rows = rows
        #: ISO 8601 UTC, or "" where the event says none.
        self.times = times
        self.messages = messages
        #: Fields and their JSON values, beside time and message.
        self.columns = columns
        #: They never say a time, so that of the event before says nothing of theirs.
        self.undated = False


class Levels:
    """Log levels by the names that a format uses; the original is kept when it says more than case."""

    def __init__(self, additions: dict[str, str]) -> None:
        self._names = _LEVELS | {name.lower(): level for name, level in additions.items()}
        self._seen: dict[object, tuple[bytes | None, bytes | None]] = {None: (None, None), "": (None, None)}

    def columns(self, values: Sequence[object]) -> list[tuple[str, Column]]:
        """Return `log.level` and, where it says more, `log.original_level`."""
        seen = self._seen
        try:
            kinds = set(values)
            pairs = {value: seen[value] if value in seen else self.pair(value) for value in kinds}
        except TypeError:  # a JSON list or object where a level was expected
            values = [str(value) for value in values]
            pairs = {value: self.pair(value) for value in set(values)}
        columns: list[tuple[str, Column]] = [("log.level", [pairs[value][0] for value in values])]
        if any(pair[1] for pair in pairs.values()):
            columns.append(("log.original_level", [pairs[value][1] for value in values]))
        return columns

    def pair(self, value: object) -> tuple[bytes | None, bytes | None]:
        """Return the level and, where it says more, its original name, as JSON."""
        text = str(value).strip() if value is not None else ""
        if not text:
            return None, None
        level = self._names.get(text.lower()) or self._names.get(text.lower().rstrip("0123456789"))
        pair = (dumps(level) if level else None, None if level == text.lower() else dumps(text))
        if isinstance(value, str) and len(self._seen) < 1000:
            self._seen[value] = pair
        return pair


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "", "b": "", "f": "", "v": ""}


def unescape(text: str) -> str:
    """Return the text that a quoted string of Go or JSON stands for."""

    def one(found: re.Match[str]) -> str:
        digits = found[1] or found[2]
        return chr(int(digits, 16)) if digits else _ESCAPED.get(found[3], found[3])

    return _ESCAPE.sub(one, text)


class RegexFormat:
    """Events that match a regular expression from their first character."""

    def __init__(self, spec: FormatSpec, zone: str) -> None:
        form = spec.match or ""
        if not takes_all(form):  # what a pattern leaves over is never lost: it goes to the message
            form = rf"(?:{form})(?P<_over>(?s:.*))"
        pattern = re.compile(form, re.ASCII)
        self._match = pattern.match
        index = {name: number - 1 for name, number in pattern.groupindex.items()}
        self._index = index
        self.clock = Clock([spec.time] if isinstance(spec.time, str) else spec.time, zone)
        self._levels = Levels(spec.levels)
        self._escaped = [index[group] for group in spec.escaped if group in index]
        #: Groups and the fields that they become.
        self.named_fields = [
            (group, Field(target))
            for group, targets in spec.fields.items()
            if group in index
            for target in ([targets] if isinstance(targets, str) else targets)
        ]
        self._fields = [(index[group], field) for group, field in self.named_fields]
        self.groups = frozenset(index)
        self.has_message = "message" in index
        #: The pattern takes words that no field gets.
        self.leaves_out = self.has_message and leaves_out(form, (*_SPECIAL, *spec.fields))
        self.spec = spec

    def level_fields(self, value: str) -> list[tuple[str, bytes | None]]:
        """Return the fields that a level's name becomes, as JSON."""
        return list(zip(LEVELS, self._levels.pair(value), strict=True))

    def level(self, value: str) -> tuple[bytes | None, bytes | None]:
        """Return `log.level` of a level's name, and `log.original_level` where it says more, as JSON."""
        return self._levels.pair(value)

    def parse(self, texts: Sequence[str], rows: list[int], beside: Sequence[str] = ()) -> _Sorted:
        """Return the columns of the texts that are of this form, and the rows that are not; `beside`: other stamps."""
        match = self._match
        if len(rows) == len(texts):
            found = list(map(match, texts))
            if None not in found:
                every = [hit.groups("") for hit in found]  # type: ignore[union-attr]  # no None among them
                return self._columns(texts, rows, list(zip(*every, strict=True)), beside), []
        else:
            found = [match(texts[row]) for row in rows]
        hits = [hit.groups("") for hit in found if hit is not None]
        if not hits:
            return None, rows
        rest = [row for row, hit in zip(rows, found, strict=True) if hit is None]
        kept = [row for row, hit in zip(rows, found, strict=True) if hit is not None]
        return self._columns(texts, kept, list(zip(*hits, strict=True)), beside), rest

    def _columns(
        self, texts: Sequence[str], rows: list[int], groups: list[tuple[Any, ...]], beside: Sequence[str]
    ) -> Parsed:
        index = self._index
        for number in self._escaped:
            groups[number] = tuple([unescape(value) if "\\" in value else value for value in groups[number]])
        if "time" in index:
            stamps: Sequence[str | None] = groups[index["time"]]
            if "zone" in index:
                stamps = [f"{s} {z}" if s and z else s for s, z in zip(stamps, groups[index["zone"]], strict=True)]
            fractions: Sequence[str] | None = groups[index["fraction"]] if "fraction" in index else None
            if "msecs" in index:  # logging's %(msecs)d: a number, not digits behind a point
                fractions = [digits.zfill(3) for digits in groups[index["msecs"]]]
            times = self.clock.convert(stamps, fractions, _picked(beside, rows))
        else:
            times = [""] * len(rows)
        messages = list(groups[index["message"]]) if "message" in index else [texts[row] for row in rows]
        if "_over" in index and "message" in index and any(groups[index["_over"]]):
            messages = [text + over for text, over in zip(messages, groups[index["_over"]], strict=True)]
        columns = self._levels.columns(groups[index["level"]]) if "level" in index else []
        lost = set(range(len(rows))) if self.leaves_out else set()
        if "" in times and "time" in index:
            lost |= _unread(times, groups[index["time"]])
        for number, field in self._fields:
            columns += field.columns(groups[number])
            lost |= field.unfit(groups[number])
        lost |= disagreeing(columns)
        parsed = Parsed(rows, times, messages, columns + whole(texts, rows, lost))
        parsed.undated = self.spec.time == READING
        return parsed


class JsonFormat:
    """Events that are one JSON object."""

    def __init__(self, spec: FormatSpec, zone: str) -> None:
        self.zone = zone
        self._clock = Clock([spec.time] if isinstance(spec.time, str) else spec.time, zone)
        self._levels = Levels(spec.levels)
        groups = {name: [paths] if isinstance(paths, str) else paths for name, paths in spec.groups.items()}
        self._groups = {name: _first(paths) for name, paths in groups.items()}
        targets = [
            (path, target)
            for path, several in spec.fields.items()
            for target in ([several] if isinstance(several, str) else several)
        ]
        #: An object that goes with the members that no field takes.
        spread = next((path for path, target in targets if target == f"{spec.rest}:object"), None)
        self._fields = [(_path(path), Field(target)) for path, target in targets if path != spread]
        self._require = spec.require
        choices = list(groups.values())
        names = {target.partition(":")[0] for _, target in targets}
        choices += [[path for path, target in targets if target.partition(":")[0] == name] for name in names]
        paths = {path for several in choices for path in several}
        self._left = Leftover({path: _path(path) for path in paths}, choices, spread)
        self.spec = spec

    def parse(self, texts: Sequence[str], rows: list[int], beside: Sequence[str] = ()) -> _Sorted:
        """Return the columns of the texts that are of this form, and the rows that are not; `beside`: other stamps."""
        objects: list[dict[str, Any]] = []
        kept: list[int] = []
        rest: list[int] = []
        require = self._require
        for row in rows:
            text = texts[row]
            if text[:1] != "{" and text.lstrip()[:1] != "{":
                rest.append(row)
                continue
            try:
                value = lenient.read(text)
            except ValueError:
                rest.append(row)
                continue
            if len(text) > _DEEP and text.count("{") + text.count("[") > _DEEP and not _is_writable(value):
                rest.append(row)
            elif all(name in value or _path(name)(value) is not None for name in require):
                objects.append(value)
                kept.append(row)
            else:
                rest.append(row)
        return (self._columns(texts, kept, objects, beside) if kept else None), rest

    def _columns(
        self, texts: Sequence[str], rows: list[int], objects: list[dict[str, Any]], beside: Sequence[str]
    ) -> Parsed:
        groups = {name: [get(value) for value in objects] for name, get in self._groups.items()}
        stamps = [None if stamp is None else str(stamp) for stamp in groups.get("time", [None] * len(rows))]
        times = self._clock.convert(stamps, None, _picked(beside, rows))
        messages = [
            text
            if isinstance(text, str) and text
            else texts[row]
            if text is None or text == ""
            else dumps(text).decode()
            for row, text in zip(rows, groups.get("message", [None] * len(rows)), strict=True)
        ]
        columns = self._levels.columns(groups["level"]) if "level" in groups else []
        lost = _unread(times, stamps) if "" in times else set()
        for get, field in self._fields:
            values = [get(value) for value in objects]
            columns += field.columns(values)
            lost |= field.unfit(values)
        left = self._left.find(objects, [texts[row] for row in rows])
        if left:
            over: Column = [None] * len(rows)
            for place, (members, twice) in left.items():
                over[place] = flat(members) if members else None
                if twice:
                    lost.add(place)
            columns.append((self.spec.rest, over))
        return Parsed(rows, times, messages, columns + whole(texts, rows, lost))


def _is_writable(value: object) -> bool:
    try:
        dumps(value)
    except TypeError:
        return False
    return True


def _picked(beside: Sequence[str], rows: Sequence[int]) -> Sequence[str]:
    """Return the stamps that stand beside some texts."""
    return beside if len(beside) in {0, len(rows)} else [beside[row] for row in rows]


def _unread(times: Sequence[str], stamps: Sequence[str | None]) -> set[int]:
    """Return the places of stamps that cannot be read: they would be nowhere in the document."""
    return {place for place, (time, stamp) in enumerate(zip(times, stamps, strict=True)) if stamp and not time}


def _first(paths: Sequence[str]) -> Get:
    """Return a function that gets the first of several paths that is there."""
    if len(paths) == 1:
        return _path(paths[0])
    gets = [_path(path) for path in paths]

    def get(value: dict[str, Any]) -> object:
        return next((found for one in gets if (found := one(value)) not in (None, "")), None)

    return get


def _path(name: str) -> Get:
    """Return a function that gets a dotted path (`a.0.b`) of an object; a key that holds the dots comes first."""
    if "." not in name:
        return lambda value: value.get(name)
    first, *others = name.split(".")

    def get(value: dict[str, Any]) -> object:
        if name in value:
            return value[name]
        inner: object = value.get(first)
        for part in others:
            if isinstance(inner, list) and part.isdigit():
                inner = inner[int(part)] if int(part) < len(inner) else None
            elif isinstance(inner, dict):
                inner = inner.get(part)
            else:
                return None
        return inner

    return get


def _literals(rule: MessageRule) -> list[str]:
    return [rule.literal] if isinstance(rule.literal, str) else rule.literal


def _begins(rule: MessageRule) -> bool:
    literals = _literals(rule)
    return min(map(len, literals)) > 1 and (rule.begins or rule.match.startswith(re.escape(literals[0])))


class Messages:
    """Rules for what stands in the message itself; the first that matches adds its fields."""

    def __init__(self, rules: Sequence[MessageRule]) -> None:
        self._specs = rules
        self._always = any("" in _literals(rule) for rule in rules)
        #: Fields that any rule may add.
        self.names = frozenset(
            name
            for rule in rules
            for named in (*(Field(target).names for target in rule.fields.values()), rule.set)
            for name in named
        )

    @cached_property
    def _rules(self) -> list[tuple[tuple[str, ...], re.Pattern[str], list[tuple[str, Field]], dict[str, bytes]]]:
        return [
            (
                tuple(_literals(rule)),
                re.compile(rule.match, re.ASCII),
                [(group, Field(target)) for group, target in rule.fields.items()],
                {name: dumps(value) for name, value in rule.set.items()},
            )
            for rule in self._specs
        ]

    @cached_property
    def _gates(self) -> Scanner:
        # One scan finds the few messages that any rule's literal stands in; a NUL stands before each message.
        gates = {("\0" if _begins(rule) else "") + literal for rule in self._specs for literal in _literals(rule)}
        return Scanner({"": ["".join(f"\\x{byte:02x}" for byte in gate.encode()) for gate in sorted(gates) if gate]})

    @cached_property
    def _escaped_gates(self) -> Scanner:
        gates = {
            ("\0" if _begins(rule) else "") + dumps(literal)[1:-1].decode()
            for rule in self._specs
            for literal in _literals(rule)
        }
        return Scanner({"": ["".join(f"\\x{byte:02x}" for byte in gate.encode()) for gate in sorted(gates)]})

    @property
    def gated(self) -> bool:
        """Whether one scan tells which messages no rule is for."""
        return not self._always

    def hits(self, data: bytes) -> list[int]:
        """Return which messages a rule may be for; they are JSON-escaped, with a NUL before, between and after them."""
        return self._escaped_gates.hits(data)

    def find(self, messages: Sequence[str]) -> dict[int, dict[str, bytes]]:
        """Return extra fields by position in the column."""
        hits = range(len(messages)) if self._always else self._gates.find(messages)
        return {position: extra for position in hits if (extra := self._fields(messages[position]))}

    def _fields(self, text: str) -> dict[str, bytes]:
        for literals, pattern, fields, constants in self._rules:
            if not any([literal in text for literal in literals]):  # noqa: C419  # a generator costs more than one or two
                continue
            found = pattern.match(text)
            if not found:
                continue
            extra: dict[str, bytes] = {}
            for group, field in fields:
                if value := found[group]:
                    for name, column in field.columns([value]):
                        if column[0] is not None:
                            extra[name] = column[0]
            return extra | constants
        return {}
