"""
Save a document from a conflict with its index's mapping.

Where one document has `user: "x"` and the mapping says that `user` is an
object, Elasticsearch refuses the document and names the field. The field goes
to `dify.attributes`, which is `flattened` and takes anything, under its whole
name; `logship.moved` says which. The ledger keeps the document as it was.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

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
        value = _take(body, name)
        own = body.setdefault("dify", {}).setdefault("attributes", {})
        own[name] = value
        body.setdefault("logship", {}).setdefault("moved", []).append(name)
    except (ValueError, LookupError, AttributeError, TypeError):
        return None
    return orjson.dumps(body)


def _take(part: dict[str, Any], path: str) -> Any:  # noqa: ANN401  # JSON
    """Remove a field written nested, dotted or both, and return its value."""
    if path in part:
        return part.pop(path)
    for key, inner in part.items():
        if path.startswith(key + ".") and isinstance(inner, dict):
            return _take(inner, path[len(key) + 1 :])
    raise LookupError(path)
