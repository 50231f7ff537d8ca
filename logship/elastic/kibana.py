"""
Bring data views, searches, dashboards and alert rules into Kibana, and take them out again.

By Kibana's HTTP interface (Elastic's API reference): saved objects are imported
from 8.9 on; from 9.5 on dashboards go through the Dashboards API. The address
may name a space: `https://kibana.example/s/ops`. What somebody else has changed
since we wrote it (`kibana_record`) is left alone unless that is forced.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from elastic_transport import TransportError

from logship.data import data_path
from logship.elastic.client import Answer, Client
from logship.elastic.kibana_record import Record
from logship.elastic.views.model import Language
from logship.elastic.views.saved_objects import LONGEST_DAYS, TAG, trace_link
from logship.errors import LogshipError

State = Literal["created", "updated", "unchanged", "kept", "removed", "missing"]
Key = tuple[str, str]
Json = dict[str, Any]
#: Why something is kept.
EDITED = "was edited since logship wrote it; --force replaces it"
UNKNOWN = "was not made by `logship setup`; --force replaces it"
FOREIGN = "was not made by logship"
#: Sent with every request, or Kibana refuses it.
HEADERS = {"kbn-xsrf": "true"}
OLDEST = (8, 9)
_DASHBOARDS_API = (9, 5)
_BOUNDARY = "logship-saved-objects"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object."""

    kind: str
    name: str
    state: State
    #: Why, where that is not plain.
    note: str = ""


def install(
    client: Client, language: Language, *, days: int = LONGEST_DAYS, dry_run: bool = False, force: bool = False
) -> list[Outcome]:
    """
    Install or renew what nobody else has changed, with `force` everything; raises LogshipError.

    `days` is how long anything is kept in Elasticsearch. Rules that are there are kept as they are in any
    case: their thresholds and actions are set by hand.
    """
    version = _version(client)
    shared, boards = _objects(language, "objects", days), _objects(language, "dashboards")
    wanted = {(one["type"], one["id"]): one for one in [*shared, *boards]}
    found = _export(client, list(wanted))
    record = Record.read(found.get(("tag", TAG)))
    digest = hashlib.sha256(orjson.dumps([version >= _DASHBOARDS_API, *wanted.values()])).hexdigest()[:12]
    done = {key: _becomes(want, found.get(key), record, digest, force=force) for key, want in wanted.items()}
    writes = [wanted[key] for key, outcome in done.items() if outcome.state in ("created", "updated")]
    rules = [_rule(client, name) for name in _rules(language)]
    if dry_run:
        return [*done.values(), *rules]
    try:
        _write(client, version, language, writes, tagged=("tag", TAG) in found)
    finally:
        if writes:  # also of a run that fails half-way: what it wrote is ours
            _remember(client, wanted, digest, frozenset(one.name for one in done.values() if one.state == "kept"))
    for rule in rules:
        if rule.state == "created":
            _create_rule(client, rule.name, _rules(language)[rule.name])
    return [*done.values(), *rules]


def _becomes(want: Json, found: Json | None, record: Record, digest: str, *, force: bool) -> Outcome:
    """Return what a run makes of an object."""
    kind, name = want["type"], want["id"]
    if found is None:
        return Outcome(kind, name, "created")
    ours = kind == "tag" or record.untouched(found) or _same_view(want, found)
    if not ours and not force:
        return Outcome(kind, name, "kept", EDITED if record.at and _tagged(found) else UNKNOWN)
    return Outcome(kind, name, "unchanged" if ours and record.digest == digest else "updated")


def _same_view(want: Json, found: Json) -> bool:
    """Return whether a data view is as wanted: Discover writes to it, and says how often a field was looked at."""
    told = ("title", "name", "timeFieldName", "fieldFormatMap")
    return want["type"] == "index-pattern" and all(
        found["attributes"].get(key) == want["attributes"][key] for key in told
    )


def _tagged(found: Json) -> bool:
    """Return whether an object has our tag, or is of a kind that takes none."""
    references = [(one["type"], one["id"]) for one in found.get("references", [])]
    return found["type"] in ("tag", "index-pattern") or ("tag", TAG) in references


def _write(
    client: Client, version: tuple[int, int], language: Language, objects: list[Json], *, tagged: bool
) -> None:
    by_api = [one for one in objects if one["type"] == "dashboard" and version >= _DASHBOARDS_API]
    # Our tag is renewed last (`_remember`): until then it says what was written before.
    others = [one for one in objects if one not in by_api and not (one["type"] == "tag" and tagged)]
    if others:
        _import(client, others)
    for one in by_api:
        _put_dashboard(client, language, one["id"])


def _remember(client: Client, wanted: dict[Key, Json], digest: str, kept: frozenset[str]) -> None:
    """Note in our tag what was written, and when."""
    written = [one for key, one in _export(client, list(wanted)).items() if key[1] not in kept and key[0] != "tag"]
    at = max((str(one.get("updated_at", "")) for one in written), default="")
    tag = wanted["tag", TAG]
    attributes = tag["attributes"] | {"description": str(Record(at, digest, kept))}
    _import(client, [tag | {"attributes": attributes}])


def remove(client: Client, *, dry_run: bool = False) -> list[Outcome]:
    """Delete everything that `install` makes, and nothing that only has its name; raises LogshipError."""
    version = _version(client)
    done = []
    for name in _rules("en"):
        path = f"/api/alerting/rule/{name}"
        answer = _request(client, "GET", path)
        found = answer.json() if answer.status == 200 else None
        ours = isinstance(found, dict) and "logship" in found.get("tags", [])
        done.append(_removed(client, ("rule", name), path, there=found is not None, ours=ours, dry_run=dry_run))
    keys = [(one["type"], one["id"]) for one in [*_objects("en", "dashboards"), *reversed(_objects("en", "objects"))]]
    objects = _export(client, keys)
    for kind, name in keys:
        path = f"/api/saved_objects/{kind}/{name}?force=true"
        if kind == "dashboard" and version >= _DASHBOARDS_API:
            path = f"/api/dashboards/{name}"
        one = objects.get((kind, name))
        ours = one is not None and _tagged(one)
        done.append(_removed(client, (kind, name), path, there=one is not None, ours=ours, dry_run=dry_run))
    return done


def _removed(client: Client, key: Key, path: str, *, there: bool, ours: bool, dry_run: bool) -> Outcome:
    kind, name = key
    if not there:
        return Outcome(kind, name, "missing")
    if not ours:
        return Outcome(kind, name, "kept", FOREIGN)
    return Outcome(kind, name, "removed") if dry_run else _delete(client, kind, name, path)


def _export(client: Client, keys: list[Key]) -> dict[Key, Json]:
    """Return what is there of some objects."""
    asked = {"objects": [{"type": kind, "id": name} for kind, name in keys], "excludeExportDetails": True}
    answer = _request(client, "POST", "/api/saved_objects/_export", orjson.dumps(asked))
    if answer.status == 200:
        found = [orjson.loads(line) for line in answer.body.splitlines()]
        return {(one["type"], one["id"]): one for one in found}
    body = answer.json()
    refused = body.get("attributes", {}).get("objects", []) if isinstance(body, dict) else []
    missing = {(one["type"], one["id"]) for one in refused if one.get("error", {}).get("statusCode") == 404}
    if answer.status != 400 or not missing or len(missing) < len(refused):
        raise _failure("was asked for its objects", answer)
    left = [key for key in keys if key not in missing]
    return _export(client, left) if left else {}


def _version(client: Client) -> tuple[int, int]:
    answer = _request(client, "GET", "/api/status")
    found = answer.json()
    number = found.get("version", {}).get("number", "") if isinstance(found, dict) else ""
    match = re.match(r"(\d+)\.(\d+)", number)
    if answer.status != 200 or not match:
        raise _failure("asked for its version", answer)
    version = int(match[1]), int(match[2])
    if version < OLDEST:
        raise LogshipError(f"this is Kibana {number}", "the dashboards need Kibana 8.9 or later")
    return version


def _import(client: Client, objects: list[Json]) -> None:
    lines = b"".join(orjson.dumps(one) + b"\n" for one in objects)
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="logship.ndjson"\r\n'
    body = f"{head}Content-Type: application/ndjson\r\n\r\n".encode() + lines + f"\r\n--{_BOUNDARY}--\r\n".encode()
    media_type = f"multipart/form-data; boundary={_BOUNDARY}"
    answer = _request(client, "POST", "/api/saved_objects/_import?overwrite=true", body, media_type=media_type)
    found = answer.json()
    if answer.status != 200 or not isinstance(found, dict):
        raise _failure("was given saved objects", answer)
    if not found.get("success"):
        wrong = found.get("errors") or [{}]
        reason = wrong[0].get("error", {}).get("type", "unknown")
        raise LogshipError(
            f"Kibana did not take {len(wrong)} of {len(objects)} saved objects: "
            f"{wrong[0].get('type')} {wrong[0].get('id')}: {reason}",
            "is an object of another space or a newer Kibana in the way?",
        )


def _put_dashboard(client: Client, language: Language, name: str) -> None:
    body = (data_path("elk") / "kibana" / language / "dashboards-api" / f"{name}.json").read_bytes()
    answer = _request(client, "PUT", f"/api/dashboards/{name}", body)
    if answer.status not in (200, 201):
        raise _failure(f"was given the dashboard {name}", answer)


def _rule(client: Client, name: str) -> Outcome:
    """Return what becomes of a rule."""
    answer = _request(client, "GET", f"/api/alerting/rule/{name}")
    if answer.status not in (200, 404):
        raise _failure(f"was asked for the rule {name}", answer)
    return Outcome("rule", name, "kept" if answer.status == 200 else "created")


def _create_rule(client: Client, name: str, body: Json) -> None:
    answer = _request(client, "POST", f"/api/alerting/rule/{name}", orjson.dumps(body))
    if answer.status != 200:
        raise _failure(f"was given the rule {name}", answer)


def _delete(client: Client, kind: str, name: str, path: str) -> Outcome:
    answer = _request(client, "DELETE", path)
    if answer.status == 404:
        return Outcome(kind, name, "missing")
    if answer.status not in (200, 204):
        raise _failure(f"was told to delete {kind} {name}", answer)
    return Outcome(kind, name, "removed")


def _objects(language: Language, name: str, days: int = LONGEST_DAYS) -> list[Json]:
    text = (data_path("elk") / "kibana" / language / f"{name}.ndjson").read_text(encoding="utf-8")
    return [orjson.loads(line) for line in text.replace(trace_link(), trace_link(days)).splitlines()]


def _rules(language: Language) -> dict[str, Json]:
    found: dict[str, Json] = orjson.loads(
        (data_path("elk") / "kibana" / language / "rules.json").read_bytes()
    )
    return found


def _request(
    client: Client, method: str, path: str, body: bytes | None = None, *, media_type: str = "application/json"
) -> Answer:
    try:
        return client.request(method, path, body, media_type=media_type)
    except TransportError as error:
        raise LogshipError(f"cannot reach Kibana: {error.message}", "check kibana.url and the CA") from error


def _failure(what: str, answer: Answer) -> LogshipError:
    reason = answer.error()
    if answer.status in (401, 403):
        return LogshipError(
            f"Kibana refused: {reason}",
            "the key needs Kibana privileges: all on Dashboards, Discover, Saved Objects Management and Stack Rules",
        )
    return LogshipError(f"Kibana {what} and answered {reason}", "is kibana.url the address of Kibana?")
