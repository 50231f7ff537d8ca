"""
Save a document from a conflict with its index's mapping.

Where one document has `user: "x"` and the mapping says that `user` is an
object, Elasticsearch refuses the document and names the field. The field goes
to `dify.attributes`, which is `flattened` and takes anything, under its whole
name; `logship.moved` says which, and `logship.repaired` is true. A failure
store names no field: there, whatever the table of fields does not know, or
knows differently, is moved. The ledger keeps the document as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from logship.pipeline.depth import shallow

_FIELD = re.compile(
    r"failed to parse field \[([^\]]+)\] of type"
    r"|object mapping for \[([^\]]+)\] tried to parse field"
    r"|can't merge a non[ -]object mapping \[([^\]]+)\] with an object mapping"
    r"|mapper \[([^\]]+)\] cannot be changed from type"
)
#: Fields without which a document has no place in a data stream.
_NEEDED = ("@timestamp", "data_stream", "dify.attributes", "logship")


def moved(document: bytes, reason: str) -> bytes | None:
    """Return the document with the field that the reason names moved out of the way; None when there is none."""
    found = _FIELD.search(reason)
    name = next(filter(None, found.groups()), "") if found else ""
    if not name or any(name == needed or name.startswith(needed + ".") for needed in _NEEDED):
        return None
    try:
        body = orjson.loads(document)
        _move(body, name)
    except (ValueError, LookupError, AttributeError, TypeError):
        return None
    return orjson.dumps(body)


def fitted(document: bytes) -> bytes | None:
    """Return the document with every field moved that the table of fields has no place for; None when all fit."""
    try:
        body = orjson.loads(document)
        names = list(_misfits(body, ""))
        for name in names:
            _move(body, name)
    except (ValueError, LookupError, AttributeError, TypeError):
        return None
    return orjson.dumps(body) if names else None


def _move(body: dict[str, Any], name: str) -> None:
    value = _take(body, name)
    body.setdefault("dify", {}).setdefault("attributes", {})[name] = shallow(value)
    own = body.setdefault("logship", {})
    own.setdefault("moved", []).append(name)
    own["repaired"] = True


def _misfits(part: dict[str, Any], prefix: str) -> Iterator[str]:
    types, objects = _table()
    for key, value in part.items():
        name = f"{prefix}{key}"
        nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))
        if name in _NEEDED:
            continue
        if name in types:
            if nested != (types[name] == "flattened") and types[name] != "geo_point" and value is not None:
                yield name
        elif name in objects and isinstance(value, dict):
            yield from _misfits(value, f"{name}.")
        else:
            yield name


@cache
def _table() -> tuple[dict[str, str], frozenset[str]]:
    """Return the types of all fields, and the names of the objects above them."""
    from logship.elastic.fields import load

    types = {field.name: field.type for field in load()}
    return types, frozenset(
        ".".join(parts[:depth]) for parts in (name.split(".") for name in types) for depth in range(1, len(parts))
    )


def _take(part: dict[str, Any], path: str) -> Any:  # noqa: ANN401  # JSON
    """Remove a field written nested, dotted or both, and return its value."""
    if path in part:
        return part.pop(path)
    for key, inner in part.items():
        if path.startswith(key + ".") and isinstance(inner, dict):
            return _take(inner, path[len(key) + 1 :])
    raise LookupError(path)
