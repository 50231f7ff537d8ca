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

Kind = Literal["component template", "index template", "ILM policy", "ISM policy", "API key"]
State = Literal["created", "updated", "unchanged", "foreign", "conflict", "newer", "removed", "in use", "kept"]

#: Where objects of a kind lie on the server, and in the repository; keys are made, not copied.
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
#: What servers add to a body that they were given: no change of anybody's.
_ECHO = {
    "data_stream.hidden": "false",
    "data_stream.allow_custom_routing": "false",
    "data_stream.timestamp_field.name": "@timestamp",
    "template.lifecycle.enabled": "true",
    "policy.phases.delete.actions.delete.delete_searchable_snapshot": "true",
}
_DATES = ("created_date", "created_date_millis", "modified_date", "modified_date_millis")
#: How an object of ours is recognised: no difference that anybody need see.
_MARKS = ("_meta.digest", "_meta.source", "policy._meta.digest", "policy._meta.source")
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
        Wanted(kind, path.stem, _fit(kind, path.stem, path.read_bytes(), server, days))
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


def current(kind: Kind, name: str, found: dict[str, Any], packaged: bytes, days: dict[str, int]) -> bool:
    """Return whether an installed template was made of the packaged file and these days, without asking any further."""
    return managed(kind, found) and found["_meta"].get("source") == _source(kind, name, packaged, days)


def _source(kind: Kind, name: str, packaged: bytes, days: dict[str, int]) -> str:
    return hashlib.sha256(b"%d %b" % (_days(kind, name, days), packaged)).hexdigest()


def _days(kind: Kind, name: str, days: dict[str, int]) -> int:
    """Return the retention that an object holds: a policy, or the component template that stands in for it; else 0."""
    if kind == "component template":
        return days.get(name.removesuffix("-lifecycle"), 0) if name.endswith("-lifecycle") else 0
    return days.get(name, 0) if kind in ("ILM policy", "ISM policy") else 0


def compare(want: Wanted, found: dict[str, Any] | None) -> Change:
    """Return what is to be done, given what is there."""
    if found is None:
        new = tuple((name, None, value) for name, value in _flat(want.body) if name not in _MARKS)
        return Change(want.kind, want.name, "created", new)
    if want.name == CUSTOM:
        return Change(want.kind, want.name, "unchanged", note="yours")
    if not managed(want.kind, found):
        return Change(want.kind, want.name, "foreign", note="was not made by logship, and is left alone")
    if newer(want, found):
        return Change(want.kind, want.name, "newer", note="a newer logship made it")
    there, ours = dict(_flat(found)), dict(_flat(want.body))
    differences = [(name, there.get(name), value) for name, value in ours.items() if there.get(name) != value]
    if want.kind != "ISM policy":  # there the server adds a good deal of its own
        differences += [(name, value, None) for name, value in there.items() if name not in ours and _put(name, value)]
    if not differences:
        return Change(want.kind, want.name, "unchanged")
    shown = tuple(one for one in differences if one[0] not in _MARKS)
    note = "" if shown else "it holds the same; only the mark of the release that it is from changes"
    if any(name.startswith("template.lifecycle.") and value for name, _, value in shown):
        note = "for new data streams: those that are there keep theirs until PUT _data_stream/NAME/_lifecycle"
    return Change(want.kind, want.name, "updated", shown, note)


def newer(want: Wanted, found: dict[str, Any]) -> bool:
    """Return whether a newer logship made an object; policies do not tell."""
    return want.kind.endswith("template") and bool(found.get("version", 0) > want.body.get("version", 0))


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


def _fit(kind: Kind, name: str, packaged: bytes, server: Server, days: dict[str, int]) -> dict[str, Any]:
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
    _retain(body, _days(kind, name, days))
    meta = body["policy"].setdefault("_meta", {}) if "phases" in body.get("policy", {}) else body.get("_meta")
    if meta is not None:
        meta["digest"] = digest(body)
        meta["source"] = _source(kind, name, packaged, days)
    return body


def _retain(body: dict[str, Any], kept: int) -> None:
    """Put the configured days in the places that hold a retention."""
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


def _put(name: str, value: str) -> bool:
    """Return whether somebody put a leaf there that is not in our body, which putting ours would take away."""
    return name not in _DATES and _ECHO.get(name) != value
