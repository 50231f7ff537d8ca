"""
Bring data views, searches, dashboards and alert rules into Kibana, and take them out again.

By Kibana's HTTP interface (Elastic's API reference): saved objects are imported
from 8.9 on; from 9.5 on dashboards go through the Dashboards API. The address
may name a space: `https://kibana.example/s/ops`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from elastic_transport import TransportError

from logship.data import data_path
from logship.elastic.client import Answer, Client
from logship.elastic.views.model import Language
from logship.errors import LogshipError

State = Literal["created", "updated", "kept", "removed", "missing"]
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


def install(client: Client, language: Language, *, dry_run: bool = False) -> list[Outcome]:
    """
    Install or renew everything; raises LogshipError.

    Rules that are there are kept as they are: their thresholds and actions may have been set by hand.
    """
    version = _version(client)
    shared, boards = (_objects(language, name) for name in ("objects", "dashboards"))
    rules = _rules(language)
    if dry_run:
        wanted = [(one["type"], one["id"]) for one in [*shared, *boards]]
        return [Outcome(kind, name, "created") for kind, name in [*wanted, *(("rule", name) for name in rules)]]
    done = list(_import(client, shared))
    if version >= _DASHBOARDS_API:
        done += [_put_dashboard(client, language, one["id"]) for one in boards]
    else:
        done += _import(client, boards)
    return done + [_create_rule(client, name, body) for name, body in rules.items()]


def remove(client: Client, *, dry_run: bool = False) -> list[Outcome]:
    """Delete everything that `install` makes; raises LogshipError."""
    version = _version(client)
    wanted = [("rule", name, f"/api/alerting/rule/{name}") for name in _rules("en")]
    for one in [*_objects("en", "dashboards"), *reversed(_objects("en", "objects"))]:
        path = f"/api/saved_objects/{one['type']}/{one['id']}?force=true"
        if one["type"] == "dashboard" and version >= _DASHBOARDS_API:
            path = f"/api/dashboards/{one['id']}"
        wanted.append((one["type"], one["id"], path))
    if dry_run:
        return [Outcome(kind, name, "removed") for kind, name, _ in wanted]
    return [_delete(client, kind, name, path) for kind, name, path in wanted]


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


def _import(client: Client, objects: list[dict[str, Any]]) -> Iterator[Outcome]:
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
    for one in found.get("successResults", []):
        yield Outcome(one["type"], one["id"], "updated" if one.get("overwrite") else "created")


def _put_dashboard(client: Client, language: Language, name: str) -> Outcome:
    body = (data_path("elk") / "kibana" / language / "dashboards-api" / f"{name}.json").read_bytes()
    answer = _request(client, "PUT", f"/api/dashboards/{name}", body)
    if answer.status not in (200, 201):
        raise _failure(f"was given the dashboard {name}", answer)
    return Outcome("dashboard", name, "created" if answer.status == 201 else "updated")


def _create_rule(client: Client, name: str, body: dict[str, Any]) -> Outcome:
    path = f"/api/alerting/rule/{name}"
    answer = _request(client, "GET", path)
    if answer.status == 200:
        return Outcome("rule", name, "kept")
    if answer.status == 404:
        answer = _request(client, "POST", path, orjson.dumps(body))
    if answer.status != 200:
        raise _failure(f"was given the rule {name}", answer)
    return Outcome("rule", name, "created")


def _delete(client: Client, kind: str, name: str, path: str) -> Outcome:
    answer = _request(client, "DELETE", path)
    if answer.status == 404:
        return Outcome(kind, name, "missing")
    if answer.status not in (200, 204):
        raise _failure(f"was told to delete {kind} {name}", answer)
    return Outcome(kind, name, "removed")


def _objects(language: Language, name: str) -> list[dict[str, Any]]:
    path = data_path("elk") / "kibana" / language / f"{name}.ndjson"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _rules(language: Language) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = orjson.loads(
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
