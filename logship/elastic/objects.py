"""
The objects that logship keeps on a server: what they hold there, what they should hold, and the difference.

`elk/` has their bodies with everything that the newest server knows; here a
body is fitted to the server that is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from logship.data import data_path
from logship.elastic.server import Server

Kind = Literal["component template", "index template", "ILM policy", "ISM policy"]
State = Literal["created", "updated", "unchanged", "foreign", "newer", "removed", "in use"]

#: Where objects of a kind lie on the server, and in the repository.
PLACES: dict[Kind, tuple[str, str]] = {
    "ILM policy": ("/_ilm/policy/", "ilm"),
    "ISM policy": ("/_plugins/_ism/policies/", "ism"),
    "component template": ("/_component_template/", "component-templates"),
    "index template": ("/_index_template/", "index-templates"),
}
#: Field types that some servers lack, and the next best.
_SUBSTITUTES = {
    "match_only_text": "text",
    "wildcard": "keyword",
    "constant_keyword": "keyword",
    "flattened": "flat_object",
}
#: Parts of a body that need a feature.
_NEEDS: dict[str, list[tuple[str, ...]]] = {
    "logsdb": [("template", "settings", "index", "mode")],
    "codec": [("template", "settings", "index", "codec")],
    "shards and replicas": [
        ("template", "settings", "index", "number_of_shards"),
        ("template", "settings", "index", "auto_expand_replicas"),
    ],
    "ignore_dynamic_beyond_limit": [
        ("template", "settings", "index", "mapping", "total_fields", "ignore_dynamic_beyond_limit"),
    ],
    "failure store": [("template", "data_stream_options")],
    "ignore_missing_component_templates": [("ignore_missing_component_templates",)],
}
_ILM_NAME = ("template", "settings", "index", "lifecycle")
_RETENTION = ("template", "lifecycle")
CUSTOM = "logship-custom"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object as it should be."""

    kind: Kind
    name: str
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Path of the object on the server."""
        return PLACES[self.kind][0] + self.name


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done with one object, and how it differs."""

    kind: Kind
    name: str
    state: State
    #: Dotted place, what is there, what should be; None: nothing.
    differences: tuple[tuple[str, Any, Any], ...] = ()
    note: str = ""


def wanted(server: Server, days: dict[str, int], directory: Path | None = None) -> list[Wanted]:
    """Return the objects for a server, in the order to install them; `days` is the retention by policy's name."""
    root = directory or data_path("elk")
    policies: Kind | None = {"ilm": "ILM policy", "ism": "ISM policy"}.get(server.lifecycle)  # type: ignore[assignment]  # keys of PLACES
    kinds: list[Kind] = [*([policies] if policies else []), "component template", "index template"]
    found = [
        Wanted(kind, path.stem, _fit(path.read_bytes(), path.stem, server, days))
        for kind in kinds
        for path in sorted((root / PLACES[kind][1]).glob("*.json"))
    ]
    # A newer template with the narrower pattern may only come once the older ones leave it room.
    found.sort(key=lambda one: (kinds.index(one.kind), one.body.get("priority", 0), one.name != "logship-dify"))
    if "ignore_missing_component_templates" in server.lacks:
        empty = {"template": {}, "_meta": {"managed_by": "logship", "description": "Yours to fill"}}
        place = next((n for n, one in enumerate(found) if one.kind == "index template"), len(found))
        found.insert(place, Wanted("component template", CUSTOM, empty))
    return found


def digest(body: dict[str, Any]) -> str:
    """Return what an installed object is recognised by."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def current(name: str, found: dict[str, Any], packaged: bytes, days: dict[str, int]) -> bool:
    """Return whether an installed template was made of the packaged file and these days, without asking any further."""
    return managed("index template", found) and found["_meta"].get("source") == _source(packaged, name, days)


def _source(packaged: bytes, name: str, days: dict[str, int]) -> str:
    return hashlib.sha256(b"%d %b" % (_days(name, days), packaged)).hexdigest()


def _days(name: str, days: dict[str, int]) -> int:
    return days.get(name) or days.get(name.removesuffix("-lifecycle")) or 0


def compare(want: Wanted, found: dict[str, Any] | None) -> Change:
    """Return what is to be done, given what is there."""
    if found is None:
        return Change(want.kind, want.name, "created", tuple((name, None, value) for name, value in _flat(want.body)))
    if want.name == CUSTOM:
        return Change(want.kind, want.name, "unchanged", note="yours")
    if not managed(want.kind, found):
        return Change(want.kind, want.name, "foreign", note="was not made by logship, and is left alone")
    if found.get("version", 0) > want.body.get("version", 0) and want.kind.endswith("template"):
        return Change(want.kind, want.name, "newer", note="a newer logship made it")
    there, ours = dict(_flat(found)), dict(_flat(want.body))
    differences = [(name, there.get(name), value) for name, value in ours.items() if there.get(name) != value]
    if _stamp(want.kind, found) != _stamp(want.kind, want.body):
        differences += [(name, value, None) for name, value in there.items() if name not in ours and _ours(name)]
    if not differences:
        return Change(want.kind, want.name, "unchanged")
    shown = tuple(one for one in differences if "_meta." not in one[0]) or tuple(differences)
    return Change(want.kind, want.name, "updated", shown)


def managed(kind: Kind, found: dict[str, Any]) -> bool:
    """Return whether logship made an object."""
    if kind == "ISM policy":  # it has no place for metadata
        return str(found.get("policy", {}).get("description", "")).startswith("managed_by: logship")
    meta = found.get("policy", found).get("_meta") if kind == "ILM policy" else found.get("_meta")
    return isinstance(meta, dict) and meta.get("managed_by") == "logship"


def taken_from(kind: Kind, name: str, answer: Any) -> dict[str, Any] | None:  # noqa: ANN401  # JSON
    """Return the object in the answer to a GET; None when the answer is not what it should be."""
    try:
        if kind == "ILM policy":
            return {"policy": answer[name]["policy"]}
        if kind == "ISM policy":
            return {"policy": answer["policy"]}
        key = kind.replace(" ", "_")
        found: dict[str, Any] = answer[f"{key}s"][0][key]
    except (TypeError, KeyError, IndexError):
        return None
    return found


def _fit(packaged: bytes, name: str, server: Server, days: dict[str, int]) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(packaged)
    for known, substitute in _SUBSTITUTES.items():
        if known in server.lacks:
            for field in _fields(body):
                if field["type"] == known:
                    field["type"] = substitute
                    if substitute == "flat_object":
                        field.pop("ignore_above", None)
    for path in [path for feature, paths in _NEEDS.items() if feature in server.lacks for path in paths]:
        _drop(body, path)
    if server.lifecycle != "ilm":
        _drop(body, _ILM_NAME)
    if server.lifecycle != "data stream lifecycle":
        _drop(body, _RETENTION)
    _retain(body, name, days)
    meta = body["policy"].setdefault("_meta", {}) if "phases" in body.get("policy", {}) else body.get("_meta")
    if meta is not None:
        meta["digest"] = digest(body)
        meta["source"] = _source(packaged, name, days)
    return body


def _retain(body: dict[str, Any], name: str, days: dict[str, int]) -> None:
    """Put the configured days in the places that hold a retention."""
    kept = _days(name, days)
    if not kept:
        return
    if "lifecycle" in body.get("template", {}):
        body["template"]["lifecycle"]["data_retention"] = f"{kept}d"
    policy = body.get("policy", {})
    if "phases" in policy:
        policy["phases"]["delete"]["min_age"] = f"{kept}d"
    for state in policy.get("states", []):
        for transition in state["transitions"]:
            if transition["state_name"] == "delete":
                transition["conditions"]["min_rollover_age"] = f"{kept}d"


def _drop(part: dict[str, Any], path: tuple[str, ...]) -> None:
    *parents, last = path
    for parent in parents:
        part = part.get(parent, {})
    part.pop(last, None)


def _fields(part: object) -> Iterator[dict[str, Any]]:
    """Find the field definitions at any depth."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield part
        for inner in part.values():
            yield from _fields(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _fields(inner)


def _flat(part: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a body as the server gives them back: settings and other simple values as texts."""
    if isinstance(part, dict) and part:
        for key, value in part.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(part, list) and part and any(isinstance(one, dict | list) for one in part):
        for place, value in enumerate(part):
            yield from _flat(value, f"{prefix}[{place}]")
    elif isinstance(part, list):
        yield prefix, ", ".join(map(str, part))
    elif part != {}:
        yield prefix, str(part).lower() if isinstance(part, bool) else str(part)


def _stamp(kind: Kind, body: dict[str, Any]) -> str | None:
    holder = body.get("policy", {}) if kind == "ILM policy" else body
    meta = holder.get("_meta")
    return meta.get("digest") if isinstance(meta, dict) else None


def _ours(name: str) -> bool:
    """Return whether a leaf is of a body, not of the server's own notes (dates, defaults)."""
    return name.startswith(("template.", "composed_of", "index_patterns", "policy.phases.", "policy.states"))
