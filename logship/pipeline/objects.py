"""
JSON events as a pattern: one that tells their usual members apart without reading them as JSON.

A service writes the same members in the same order in nearly every line. From
some of its events a form is made whose documents are those that reading the
JSON gives; an event that it does not match is read as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from logship.pipeline import lenient
from logship.pipeline.columns import Field
from logship.pipeline.formats import JsonFormat, RegexFormat

#: So many events say what is usual, and so large a part of them must be so.
_LOOKED_AT = 200
_USUAL = 0.5
#: Characters of a value; one that is longer is read as JSON.
_LONGEST = 4096
#: Different values of a member that repeats.
_FEW = 4
_STAMP = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d{1,9})?(Z|\+00:00|)")
#: A whole number that every field reads as it reads its text.
_WHOLE = r"0|-?[1-9]\d{0,15}+"
#: Types that read a number as they read its text.
_NUMERIC = frozenset({"keyword", "text", "long", "float", "ns_from_s", "ns_from_ms", "ns_from_us", "lower", "upper"})
_ID = re.compile(r"[0-9a-f-]{16,64}")

_Object = dict[str, Any]


class _UnusualError(Exception):
    """There is no pattern for such objects."""


def usual(form: JsonFormat, texts: Sequence[str]) -> RegexFormat | None:
    """Return a form for events as these are, or None if they have nothing in common that a pattern tells."""
    texts = texts[:: len(texts) // _LOOKED_AT + 1]
    members = _Members(form)
    objects = [value for text in texts if "\\" not in text and members.knows(value := lenient.read(text))]
    if len(objects) < len(texts) * _USUAL:
        return None
    spaced = '": ' in texts[0][: texts[0].find(":") + 2]
    try:
        pattern = members.pattern(objects, "", *((", ", ": ") if spaced else (",", ":")))
    except _UnusualError:
        return None
    if any(name not in members.always for name in form.spec.require) or "time" not in members.groups:
        return None
    changes = {"match": pattern, "json_": False, "require": [], "groups": {}, "fields": members.targets}
    changes["set"] = {**form.spec.set, **members.constants}
    return RegexFormat(form.spec.model_copy(update=changes), members.zone or form.zone)


class _Members:
    """What a form makes of the members of its objects, and the groups of a pattern for them."""

    def __init__(self, form: JsonFormat) -> None:
        spec = form.spec
        special = {name: [paths] if isinstance(paths, str) else paths for name, paths in spec.groups.items()}
        self._special = {path: name for name, paths in special.items() for path in paths}
        self._fields: dict[str, list[str]] = {}
        for path, several in spec.fields.items():
            self._fields[path] = [several] if isinstance(several, str) else list(several)
        self._parents = {path.rpartition(".")[0] for path in self._fields if "." in path}
        #: Fields that some group is.
        self._made: set[str] = set()
        self.groups: set[str] = set()
        self.targets: dict[str, list[str]] = {}
        #: Fields of a member that is the same in all objects, and stands in the pattern.
        self.constants: dict[str, str] = {}
        #: Paths that every object has.
        self.always: set[str] = set()
        #: The zone that the stamps name.
        self.zone = ""

    def knows(self, value: object, parent: str = "") -> bool:
        """Return whether every member of an object is a field, and of a type that a pattern tells."""
        return (
            isinstance(value, dict)
            and bool(value)
            and all(
                self.knows(one, f"{parent}{name}.") if type(one) is dict else self._takes(parent + name, one)
                for name, one in value.items()
            )
        )

    def _takes(self, path: str, value: object) -> bool:
        if path in self._parents or (path in self._special and path in self._fields):
            return False
        if path in self._special:
            return type(value) is str and value != ""
        targets = self._fields.get(path)
        if targets is None or any(target.startswith(("error.", "log.level", "message")) for target in targets):
            return False
        kinds = {kind for target in targets for _, kind in Field(target).parts[:1]}
        if type(value) is int:
            return kinds <= _NUMERIC and abs(value) < 10**16
        return "object" not in kinds and "lines" not in kinds and (value is None or type(value) is str)

    def pattern(self, objects: Sequence[_Object], parent: str, comma: str, colon: str, *, always: bool = True) -> str:
        """Return the pattern of objects that have such members; `always`: every event has such an object."""
        pieces: list[str] = []
        for name in _merged(objects):
            path = parent + name
            values = [value[name] for value in objects if name in value]
            there = always and len(values) == len(objects)
            if type(values[0]) is dict:
                if any(type(value) is not dict for value in values):
                    raise _UnusualError
                inner = self.pattern(values, f"{path}.", comma, colon, always=there)
            else:
                inner = self._value(path, values, always=there)
            if there:
                self.always.add(path)
            piece = re.escape(orjson.dumps(name).decode()) + re.escape(colon) + inner
            if pieces:
                piece = re.escape(comma) + piece
            if len(values) < len(objects):
                if not pieces:
                    raise _UnusualError  # no comma stands before the first one
                piece = f"(?:{piece})?+"
            pieces.append(piece)
        return rf"\{{{''.join(pieces)}\}}"

    def _value(self, path: str, values: Sequence[object], *, always: bool) -> str:
        said = [value for value in values if value is not None]
        special = self._special.get(path)
        if special:
            return self._part(special, [str(value) for value in said])
        group = f"g{len(self.targets)}"
        targets = self._fields[path]
        made = {target.partition(":")[0] for target in targets}
        if made & self._made:
            raise _UnusualError  # the first that is there counts: that is read in the JSON
        self._made |= made
        plain = not any(":" in target for target in targets)
        are_texts = all(type(value) is str for value in said)
        distinct = {value for value in said if isinstance(value, str)} if are_texts else set()
        if always and len(distinct) == 1 and len(said) == len(values) and "" not in distinct and plain:
            (text,) = distinct
            self.constants.update(dict.fromkeys(targets, text))
            return re.escape(orjson.dumps(text).decode())
        if are_texts and len(distinct) <= _FEW:
            targets = [target if ":" in target else f"{target}:cached" for target in targets]
        self.targets[group] = targets
        if all(type(value) is int for value in said) and said:
            inner = f"(?P<{group}>{_WHOLE})"
        elif not are_texts:
            raise _UnusualError
        elif said and all(_ID.fullmatch(str(value)) for value in said):
            inner = f'"(?P<{group}>[0-9a-f-]{{16,64}})"'
        else:
            inner = f'"(?P<{group}>[^"]{{0,{_LONGEST}}}+)"'
        return f"(?:{inner}|null)" if len(said) < len(values) else inner

    def _part(self, special: str, values: Sequence[str]) -> str:
        if special in self.groups:
            raise _UnusualError
        self.groups.add(special)
        if special != "time":
            return f'"(?P<{special}>[^"]{{1,{_LONGEST}}}+)"'
        found = [_STAMP.fullmatch(value) for value in values]
        ways = {(one[1], one[2]) for one in found if one}
        if None in found or len(ways) != 1:
            raise _UnusualError
        ((between, zone),) = ways
        self.zone = "UTC" if zone else ""
        stamp = rf"\d\d\d\d-\d\d-\d\d{between}\d\d:\d\d:\d\d"
        fraction = r"(?:\.(?P<fraction>\d{1,9}+))?+"
        return f'"(?P<time>{stamp}){fraction}{re.escape(zone)}"'


def _merged(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of all objects' members in an order that all of them keep."""
    order: list[str] = []
    for shape in dict.fromkeys(tuple(value) for value in objects):
        place = 0
        for name in shape:
            if name in order[:place]:
                raise _UnusualError
            if name in order:
                place = order.index(name) + 1
            else:
                order.insert(place, name)
                place += 1
    return order
