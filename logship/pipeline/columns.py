"""Types of fields: a column of texts becomes columns of JSON values, None where there is nothing to say."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from logship.pipeline.depth import flat

Column = list[bytes | None]
Convert = Callable[[Any], object]
#: Makes one or more named columns of one.
Enrich = Callable[[Column], list[tuple[str, Column]]]

_GO_DURATION = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?)\s*+(ns|us|µs|μs|ms|s|m(?!s)|h)")
_GO_UNITS = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12}
_REQUEST_ID = re.compile(r"[0-9a-f]{10}")
_REQUEST_LENGTH = 10
#: Digits of a long that surely fits into 64 bits, and one more.
_DIGITS = 19

dumps = orjson.dumps


def texts(values: Sequence[str]) -> Column:
    """
    Encode texts as JSON strings, all in one go.

    Indented, each stands on a line of its own, and no JSON string holds a raw newline.
    """
    if not values:
        return []
    try:
        return dumps(values, option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")  # type: ignore[return-value]  # narrower
    except TypeError:  # a lone surrogate
        return [dumps(value.encode(errors="replace").decode()) for value in values]


def keyword(values: Sequence[Any]) -> Column:
    """Encode texts as they are; objects and lists become their JSON text."""
    kinds = set(map(type, values))
    if kinds <= _TEXT_OR_NONE:
        if kinds == {str} and "" not in values:
            return texts(values)
        encoded = texts([value or "" for value in values])
        return [value if value != b'""' else None for value in encoded]
    return [_any(value) for value in values]


_TEXT_OR_NONE = {str, type(None)}


def _any(value: object) -> bytes | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return dumps(value.encode(errors="replace").decode())
    if isinstance(value, bool | int | float):
        return dumps(str(value).lower() if isinstance(value, bool) else str(value))
    return dumps(dumps(value).decode())


#: Longer values are not remembered, so that what is remembered is some MB at most.
_LONGEST = 1000
#: Values without JSON that are remembered.
_MANY = 1024


class Cached(dict[Any, bytes | None]):
    """Remembers the JSON of a value; a column repeats few of them."""

    def __init__(self, convert: Convert) -> None:
        super().__init__()
        self._convert = convert
        #: Values that say something and have no JSON here.
        self.unfit: set[object] = set()

    def __missing__(self, value: object) -> bytes | None:
        if len(self) > _MANY:
            self.clear()
        try:
            result = None if value is None or value == "" else self._convert(value)
            encoded = None if result is None else dumps(result)
        except (ValueError, TypeError, OverflowError):  # a number that JSON cannot hold is one of them
            encoded = None
        if encoded == b"null":  # not a number
            encoded = None
        if encoded is None and value is not None and value != "":
            self.unfit.add(value)
        if not isinstance(value, str | bytes) or len(value) <= _LONGEST:
            self[value] = encoded
        return encoded


def _long(value: str | float) -> int | None:
    number = int(float(value)) if isinstance(value, float) else int(value)
    return number if -(1 << 63) <= number < 1 << 63 else None


def _ip(value: str) -> str:
    return str(ipaddress.ip_address(value.strip("[]").removeprefix("::ffff:")))


def _duration(value: str) -> int | None:
    """Nanoseconds of Go's duration text (time.Duration.String): `1m2.5s`, `812.3ms`."""
    parts = _GO_DURATION.findall(value)
    if not parts or _GO_DURATION.sub("", value).strip(" -+,"):
        return None
    return round(sum(float(number) * _GO_UNITS[unit] for number, unit in parts))


def _trace(value: str) -> str:
    # Without OpenTelemetry, Dify derives the trace id from the request id that older text lines show.
    return uuid.uuid5(uuid.NAMESPACE_DNS, value).hex if _REQUEST_ID.fullmatch(value) else value


_BOOLS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)


def _bool(value: object) -> bool | None:
    return _BOOLS.get(str(value).lower())


def _file_of(value: object) -> str:
    text = str(value)
    before, _, line = text.rpartition(":")
    return before if before and line.isdigit() else text


_SIMPLE: dict[str, Convert] = {
    "long": _long,
    "float": float,
    "ip": _ip,
    "ns_from_s": lambda value: round(float(value) * 1e9),
    "ns_from_ms": lambda value: round(float(value) * 1e6),
    "ns_from_us": lambda value: round(float(value) * 1e3),
    "duration": _duration,
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
    "bool": _bool,
    "path": lambda value: str(value).partition("?")[0] or None,
    "query": lambda value: str(value).partition("?")[2] or None,
    "request_id": lambda value: value if _REQUEST_ID.fullmatch(value) else None,
    "trace": _trace,
    "cached": lambda value: value,
    "file_of": _file_of,
    "line_of": lambda value: _long(str(value).rpartition(":")[2]),
}

#: Every type a pipeline may name.
TYPES = frozenset({"keyword", "text", "url", "object", "caller", "lines", *_SIMPLE})


class Field:
    """One field of a format: where its text comes from, and the columns it becomes."""

    def __init__(self, target: str) -> None:
        name, _, kind = target.partition(":")
        #: Name of a trace field: without request ids in the column, it is a plain one.
        self._plain = ""
        kind = kind or ("cached" if name in _FEW else "keyword")
        self.parts = [(name, kind)]
        if kind == "url":
            self.parts = [(name, "keyword"), ("url.path", "path"), ("url.query", "query")]
        elif kind == "caller":
            self.parts = [(name, "file_of"), ("log.origin.file.line", "line_of")]
        elif kind == "trace":
            self.parts = [(name, "trace"), ("http.request.id", "request_id")]
            self._plain = name
        self._caches = {part: Cached(_SIMPLE[part]) for _, part in self.parts if part in _SIMPLE}

    @property
    def names(self) -> list[str]:
        """Names of the fields that its columns may be."""
        return [name for name, _ in self.parts]

    def cells(self, text: str) -> list[bytes | None]:
        """Return the JSON of one text, for each of `names`."""
        return [self._column(kind, [text])[0] for _, kind in self.parts]

    def named_cells(self, text: str) -> list[tuple[str, bytes | None]]:
        """Return the names of the fields that one text becomes, and their JSON; raises ValueError if it fits none."""
        named = list(zip(self.names, self.cells(text), strict=True))
        if self.is_unfit(text):
            raise ValueError(f"{text[:80]!r} does not fit {self.names[0]}")
        return named

    def is_unfit(self, text: str) -> bool:
        """Return whether a text says something and becomes no field; ask after its cells were made."""
        return bool(self.unfit([text]))

    def unfit(self, values: Sequence[Any]) -> set[int]:
        """Return the places of values that say something and become no field; ask after their columns were made."""
        kind = self.parts[0][1]
        if kind == "object":
            return {place for place, value in enumerate(values) if value and not isinstance(value, dict)}
        cache = self._caches.get(kind)
        if cache is None or not cache.unfit:
            return set()
        unfit = cache.unfit
        places = {place for place, one in enumerate(values) if isinstance(one, str | int | float) and one in unfit}
        if len(unfit) > _MANY:
            unfit.clear()
            cache.clear()
        return places

    @property
    def is_bare(self) -> bool:
        """Whether texts become fields as they lie, as a rule."""
        return bool(self._plain) or self.parts[0][1] in {"keyword", "text"}

    def bare(self, values: Sequence[bytes]) -> bool:
        """Whether the insides of JSON strings become fields as they lie."""
        if self._plain:
            return _REQUEST_LENGTH not in set(map(len, values))
        return self.parts[0][1] in {"keyword", "text"}

    def are_numbers(self, values: Sequence[bytes]) -> bool:
        """Whether whole numbers are JSON as they lie: no sign, no zero before, not too long."""
        if self.parts[0][1] != "long" or not b"".join(values).isdigit():
            return False
        return max(map(len, values)) < _DIGITS and not any([value[:1] == b"0" != value for value in values])  # noqa: C419  # quicker than a generator

    def bare_columns(self, values: Sequence[bytes]) -> list[tuple[str, Sequence[bytes]]]:
        """Return the columns of such values."""
        if len(self.parts) == 1 or self._plain:
            return [(self.parts[0][0], values)]
        halves = [value.partition(b"?") for value in values]
        path, query = self.names[1:]
        return [
            (self.names[0], values),
            (path, [half[0] for half in halves]),
            (query, [half[2] for half in halves]),
        ]

    def columns(self, values: Sequence[Any]) -> list[tuple[str, Column]]:
        """Return the columns that a column of texts becomes."""
        if self._plain and _REQUEST_LENGTH not in {len(value) for value in values if isinstance(value, str)}:
            return [(self._plain, keyword(values))]
        return [(name, self._column(kind, values)) for name, kind in self.parts]

    def _column(self, kind: str, values: Sequence[Any]) -> Column:
        if kind in {"keyword", "text"}:
            return keyword(values)
        if kind == "lines":
            return keyword(["\n".join(map(str, value)) if isinstance(value, list) else value for value in values])
        if kind == "object":
            return [flat(value) if isinstance(value, dict) and value else None for value in values]
        cache = self._caches[kind]
        try:
            return list(map(cache.__getitem__, values))
        except TypeError:  # a JSON object or list where a simple value was expected
            return [cache[value] if isinstance(value, str | int | float) else _any(value) for value in values]


#: Fields with few different values, worth remembering.
_FEW = frozenset(
    {"process.thread.name", "log.origin.file.name", "log.logger", "http.request.method", "http.version",
     "user_agent.original", "source.address", "http.request.referrer", "url.domain", "dify.task.name"}
)  # fmt: skip
