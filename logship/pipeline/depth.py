"""
Members of a document that no field takes, not deeper than a field of type `flattened` takes them.

Elasticsearch refuses a whole document when such a field has more than twenty levels (Elasticsearch, "Flattened field
type", depth_limit).
"""

from __future__ import annotations

from typing import Any

from orjson import dumps

#: Levels of objects; a name that stands before them may take some more.
_LEVELS = 16


def flat(members: dict[str, Any]) -> bytes:
    """Return the JSON of an object; objects that are too deep in it become texts that hold their JSON."""
    raw = dumps(members)
    return raw if raw.count(b"{") <= _LEVELS else dumps(shallow(members))


def shallow(value: Any, levels: int = _LEVELS) -> Any:  # noqa: ANN401  # JSON
    """Return a value without objects of more levels; an object in a list is one level deeper, the list is none."""
    if isinstance(value, list):
        return [shallow(one, levels) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: shallow(one, levels - 1) for name, one in value.items()} if levels else dumps(value).decode()
