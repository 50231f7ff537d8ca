"""
Put the packaged index templates into a cluster, as far as the cluster knows their parts.

`elk/index-templates/<name>.json` is the body of `PUT _index_template/<name>`
(Elasticsearch reference, "Create or update index template"). A server that
lacks a field type or a setting says so, and gets the next best instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from elastic_transport import TransportError

from logship.data import data_path
from logship.elastic.client import Answer, Client
from logship.errors import LogshipError

#: Field types that some servers lack, and what to use there.
_SUBSTITUTES = {
    "match_only_text": "text",
    "wildcard": "keyword",
    "constant_keyword": "keyword",
    "flattened": "flat_object",
}
#: Parts of a template that some servers lack: as they name them, and where they stand.
_DISPENSABLE = {
    "data_stream_options": ("template", "data_stream_options"),
    "logsdb": ("template", "settings", "index", "mode"),
    "index.mode": ("template", "settings", "index", "mode"),
    "ignore_dynamic_beyond_limit": (
        "template", "settings", "index", "mapping", "total_fields", "ignore_dynamic_beyond_limit",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of one template."""

    name: str
    state: Literal["created", "updated", "unchanged"]
    #: Field types and settings that the server lacks.
    without: tuple[str, ...]


def ensure_templates(client: Client, directory: Path | None = None) -> list[Installed]:
    """Install the index templates that are missing or old; raises LogshipError when one is somebody else's."""
    files = sorted((directory or data_path("elk") / "index-templates").glob("*.json"))
    return [_ensure(client, path.stem, path.read_bytes()) for path in files]


def _ensure(client: Client, name: str, packaged: bytes) -> Installed:
    template = orjson.loads(packaged)
    digest = hashlib.sha256(packaged).hexdigest()
    answer = _request(client, "GET", name)
    if answer.status not in (200, 404):
        raise _failure(name, answer)
    found = _template_in(answer, name) if answer.status == 200 else None
    meta = found.get("_meta", {}) if found else {}
    if found and meta.get("managed_by") != "logship":
        raise LogshipError(f"index template {name} was not made by logship", "rename it, or delete it")
    if meta.get("digest") == digest and not meta.get("without"):
        return Installed(name, "unchanged", ())
    without: list[str] = []
    while True:
        template["_meta"] |= {"digest": digest, "without": without}
        answer = _request(client, "PUT", name, orjson.dumps(template))
        if answer.status == 200:
            break
        lacks = _adapt(template, answer.body.decode(errors="replace")) if answer.status == 400 else ""
        if not lacks:
            raise _failure(name, answer)
        without.append(lacks)
    if meta.get("digest") == digest and meta.get("without") == without:
        return Installed(name, "unchanged", tuple(without))
    return Installed(name, "updated" if found else "created", tuple(without))


def _template_in(answer: Answer, name: str) -> dict[str, Any]:
    try:
        template: dict[str, Any] = answer.json()["index_templates"][0]["index_template"]
    except (TypeError, KeyError, IndexError) as error:
        reason = f"asked for index template {name}, the server answered something else"
        raise LogshipError(reason, "is it Elasticsearch?") from error
    return template


def _adapt(template: dict[str, Any], complaint: str) -> str:
    """Take out what the server complains of, and return its name; "" when there is nothing of the kind."""
    for kind, substitute in _SUBSTITUTES.items():
        if f"[{kind}]" in complaint:
            fields = [field for field in _fields(template) if field["type"] == kind]
            for field in fields:
                field["type"] = substitute
                if substitute == "flat_object":
                    field.pop("ignore_above", None)
            if fields:
                return kind
    for name, (*parents, last) in _DISPENSABLE.items():
        if name in complaint:
            part = template
            for parent in parents:
                part = part.get(parent, {})
            if part.pop(last, None) is not None:
                return name
    return ""


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


def _request(client: Client, method: str, name: str, body: bytes | None = None) -> Answer:
    try:
        return client.request(method, f"/_index_template/{name}", body)
    except TransportError as error:
        raise LogshipError(f"cannot reach Elasticsearch: {error.message}", "check its URL, CA and key") from error


def _failure(name: str, answer: Answer) -> LogshipError:
    hint = (
        "the key needs manage_index_templates" if answer.status in (401, 403) else "Elasticsearch 8 or newer is needed"
    )
    return LogshipError(f"index template {name} was refused: {answer.error(innermost=True)}", hint)
