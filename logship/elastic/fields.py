"""
The table of every field that logship writes (`elk/fields.yaml`), and what is made of it.

Mappings: Elasticsearch reference, "Field data types". Names: Elastic Common
Schema (ECS).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from logship.data import data_path

#: Longer values are kept in the document and left out of the index; 8191 characters always fit in a term.
_IGNORE_ABOVE = {"keyword": 1024, "flattened": 1024, "wildcard": 8191}
#: Types whose values cannot be counted or sorted by.
_TEXTS = frozenset({"text", "match_only_text"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field."""

    #: Dotted ECS name.
    name: str
    #: Elasticsearch mapping type.
    type: str
    description: str
    example: str
    #: Characters of the longest value that is searchable; 0: no limit.
    ignore_above: int = 0
    #: Kept in the document and not searchable.
    stored: bool = False

    @property
    def aggregatable(self) -> bool:
        """Whether values can be counted and sorted by."""
        return not self.stored and self.type not in _TEXTS

    def mapping(self) -> dict[str, Any]:
        """Return the field's definition in a mapping."""
        if self.stored:
            return {"type": self.type, "index": False, "doc_values": False}
        if self.name == "@timestamp":  # Elasticsearch 7.17 insists, where malformed values are ignored elsewhere
            return {"type": self.type, "ignore_malformed": False}
        return {"type": self.type} | ({"ignore_above": self.ignore_above} if self.ignore_above else {})


def load(path: Path | None = None) -> tuple[Field, ...]:
    """Read the table, in its order."""
    rows = yaml.load(
        (path or data_path("elk") / "fields.yaml").read_bytes(),
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506  # safe
    )
    return tuple(
        Field(
            row["name"],
            row["type"],
            row["description"],
            str(row["example"]).lower() if isinstance(row["example"], bool) else str(row["example"]),
            row.get("ignore_above", _IGNORE_ABOVE.get(row["type"], 0)),
            row.get("stored", False),
        )
        for row in rows
    )


def properties(fields: Iterable[Field]) -> dict[str, Any]:
    """Return the `properties` of a mapping."""
    root: dict[str, Any] = {}
    for field in fields:
        *parents, leaf = field.name.split(".")
        level = root
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[leaf] = field.mapping()
    return root


def markdown(fields: Iterable[Field]) -> str:
    """Return the table for people."""
    rows = [
        f"| `{field.name}` | {field.type}{' (not searchable)' if field.stored else ''} | {field.description} "
        f"| `{field.example.replace('|', chr(92) + '|')}` |"
        for field in fields
    ]
    return "\n".join(
        [
            "# Fields",
            "",
            "Made from [elk/fields.yaml](../elk/fields.yaml) by `make generate`. Types are those of Elasticsearch;",
            "where a server lacks one, `logship setup` takes the next best and says so. A key that has no field",
            "of its own is found below `dify.attributes`: `dify.attributes.latency_ms:57`.",
            "",
            "| field | type | meaning | example |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
