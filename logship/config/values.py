"""The kinds of values that options take, and what is wrong with those that they do not take."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, WithJsonSchema

from logship.lines.framing import known_encoding
from logship.pipeline.layout import parse_layout
from logship.pipeline.strftime import DateFormat

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _switch(value: object) -> object:
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as UTC or Asia/Shanghai") from None
    return value


def _layout(value: str) -> str:
    parse_layout(value)
    return value


def _date_layout(value: str) -> str:
    DateFormat(value)
    return value


def _encoding(value: str) -> str:
    try:
        return value if value == "auto" else known_encoding(value)
    except LookupError:
        raise ValueError(
            "must be auto or an encoding such as utf-16, latin-1, windows-1252, gbk, gb18030, big5 or shift_jis"
        ) from None


def _host(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as https://elastic.example:9200")
    if parts.username or parts.password:
        raise ValueError("must not hold credentials: use elasticsearch.username and elasticsearch.password_file")
    return value.rstrip("/")


def _namespace(value: str) -> str:
    if not re.fullmatch(r'[^-\\/*?"<>|,#: A-Z]{1,100}', value):
        raise ValueError('must be 1 to 100 characters, lower case, without - \\ / * ? " < > | , # : or a space')
    return value


#: Fields that logship itself sets, or that have an option of their own.
_RESERVED = re.compile(r"(?:data_stream|ecs|labels)\.|(?:event\.(?:dataset|original)|service\.name)$")


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z_][\w-]*(?:\.[\w-]+)+", name):
            raise ValueError(f"must have dotted names such as deployment.environment; {name} is none")
        if _RESERVED.match(name):
            raise ValueError(f"must not have {name}: " + ("use labels" if name[0] == "l" else "logship sets it"))
        if inner := next((other for other in values if other.startswith(f"{name}.")), ""):
            raise ValueError(f"must not have both {name} and {inner}")
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise ValueError(f"{name} must be text, a number, true, false or a list of them")
    return values


def _drop(values: dict[str, Any]) -> dict[str, bool | float]:
    found: dict[str, bool | float] = {}
    for name, value in values.items():
        # A variable's text: a number is a share, `1` too.
        word = value.strip().lower() if isinstance(value, str) else value
        try:
            share = word if isinstance(word, bool) else float(word)
        except (TypeError, ValueError):
            share = _WORDS.get(word, -1.0) if isinstance(word, str) else -1.0
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be true (drop all), false (drop none) or the share to keep, from 0 to 1")
        found[name] = share
    return found


_SIZE_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d*\.?\d+\s*\w*\s*$"}]}
)
Switch = Annotated[Literal["auto", True, False], BeforeValidator(_switch)]
Zone = Annotated[str, AfterValidator(_zone)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Layout = Annotated[str, AfterValidator(_layout)]
DateLayout = Annotated[str, AfterValidator(_date_layout)]
Host = Annotated[str, AfterValidator(_host)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Fields = Annotated[dict[str, Any], AfterValidator(_fields)]
Drop = Annotated[
    dict[str, Any],
    AfterValidator(_drop),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "boolean"}, {"type": "number", "minimum": 0, "maximum": 1}]},
        }
    ),
]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Size = Annotated[ByteSize, Field(gt=0), _SIZE_SCHEMA]
SizeOrNone = Annotated[ByteSize, Field(ge=0), _SIZE_SCHEMA]
Limit = Annotated[ByteSize, Field(ge=4096), _SIZE_SCHEMA]
Rotated = Literal["none", "managed"]
Treatment = Literal["keep", "mask", "hash", "drop"]
