"""
What a server is, and what it can: asked for, never guessed from its version.

`POST _index_template/_simulate` checks a template as `PUT` does and keeps
nothing (Elasticsearch and OpenSearch, "Simulate index template"), so each
feature is tried on the server itself. That also finds what a plug-in or a
managed service adds or takes away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson
from elastic_transport import TransportError

from logship.elastic.client import Answer, Client
from logship.errors import LogshipError

Product = Literal["elasticsearch", "opensearch", "unknown"]
Lifecycle = Literal["ilm", "data stream lifecycle", "ism", "none"]

#: A feature, and the smallest template that needs it.
_PROBES: dict[str, dict[str, Any]] = {
    "match_only_text": {"template": {"mappings": {"properties": {"a": {"type": "match_only_text"}}}}},
    "wildcard": {"template": {"mappings": {"properties": {"a": {"type": "wildcard"}}}}},
    "constant_keyword": {"template": {"mappings": {"properties": {"a": {"type": "constant_keyword"}}}}},
    "flattened": {"template": {"mappings": {"properties": {"a": {"type": "flattened"}}}}},
    "logsdb": {"template": {"settings": {"index": {"mode": "logsdb"}}}},
    "codec": {"template": {"settings": {"index": {"codec": "best_compression"}}}},
    "shards and replicas": {
        "template": {"settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}}}
    },
    "ignore_dynamic_beyond_limit": {
        "template": {"settings": {"index": {"mapping": {"total_fields": {"ignore_dynamic_beyond_limit": True}}}}}
    },
    "failure store": {"template": {"data_stream_options": {"failure_store": {"enabled": True}}}},
    "index lifecycle": {"template": {"settings": {"index": {"lifecycle": {"name": "logship"}}}}},
    "data stream lifecycle": {"template": {"lifecycle": {"data_retention": "30d"}}},
    "ignore_missing_component_templates": {
        "composed_of": ["logship-absent"], "ignore_missing_component_templates": ["logship-absent"],
    },
}  # fmt: skip
#: What is done where a feature is missing.
INSTEAD = {
    "match_only_text": "fields of that type are text: somewhat more disk",
    "wildcard": "fields of that type are keyword: patterns are slower",
    "constant_keyword": "fields of that type are keyword",
    "flattened": "flat_object",
    "logsdb": "best_compression: up to twice the disk",
    "codec": "the server's own compression",
    "shards and replicas": "the server decides",
    "ignore_dynamic_beyond_limit": "a document with more than 1,000 different fields is refused, and kept by logship",
    "failure store": "what is refused is kept by logship: `logship rejected list`",
    "ignore_missing_component_templates": "an empty component template logship-custom, for you to fill",
}


@dataclass(frozen=True, slots=True)
class Server:
    """One cluster, as far as it matters here."""

    product: Product
    #: `9.5.3`, or "" when it does not say.
    version: str
    serverless: bool
    #: `basic`, `trial`, `platinum` …, or "".
    licence: str
    #: Names of features that it has not.
    lacks: frozenset[str]
    #: What keeps data for a time and then deletes it.
    lifecycle: Lifecycle

    def __str__(self) -> str:
        """Say what it is."""
        names = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}
        name = names.get(self.product, "a server that does not say what it is")
        return " ".join(filter(None, [name, self.version, "serverless" if self.serverless else ""]))

    def notes(self) -> list[tuple[str, str]]:
        """Return what it has not, and what is done instead."""
        found = [(feature, instead) for feature, instead in INSTEAD.items() if feature in self.lacks]
        if self.lifecycle == "none":
            found.append(("index or data stream lifecycle", "nothing deletes old data: do it by hand"))
        elif self.lifecycle != "ilm" and self.product == "elasticsearch":
            found.append(("index lifecycle management", self.lifecycle))
        if self.licence == "basic" and "logsdb" not in self.lacks:
            found.append(("synthetic _source (licence basic)", "documents are also stored as they are"))
        return found


def inspect(client: Client) -> Server:
    """Ask a server what it is and what it can; changes nothing. Raises LogshipError when it cannot be asked."""
    version = _version(client)
    lacks = _lacks(client)
    product = _product(version)
    return Server(
        product=product,
        version=version.get("number", ""),
        serverless=version.get("build_flavor") == "serverless",
        licence="" if product == "opensearch" else _licence(client),
        lacks=lacks,
        lifecycle=_lifecycle(client, lacks),
    )


def product(client: Client) -> Product:
    """Ask a server only what it is; who may not know is told "unknown"."""
    return _product(_version(client))


def manages_indices(client: Client) -> bool:
    """Return whether a server has index lifecycle management, also where we may not ask about it."""
    return ask(client, "GET", "/_ilm/status").status in (200, 401, 403)


def ask(client: Client, method: str, path: str, body: object = None) -> Answer:
    """Send a request; raises LogshipError when nobody answers."""
    try:
        return client.request(method, path, None if body is None else orjson.dumps(body))
    except TransportError as error:
        raise LogshipError(f"cannot reach Elasticsearch: {error.message}", "check its URL, CA and key") from error


def _version(client: Client) -> dict[str, Any]:
    said = ask(client, "GET", "/")
    if said.status == 401:
        raise LogshipError(f"Elasticsearch refuses who we are: {said.error()}", "check the API key or the password")
    body = said.json() if said.status == 200 else None
    version = body.get("version") if isinstance(body, dict) else None
    return version if isinstance(version, dict) and version.get("number") else {}


def _product(version: dict[str, Any]) -> Product:
    if not version:
        return "unknown"
    return "opensearch" if version.get("distribution") == "opensearch" else "elasticsearch"


def _lacks(client: Client) -> frozenset[str]:
    everything: dict[str, Any] = {}
    for name, probe in _PROBES.items():
        if name != "index lifecycle":  # a server with both ways to keep data has one too many for one template
            _merge(everything, probe)
    fields = {name: {"type": name} for name in ("match_only_text", "wildcard", "constant_keyword", "flattened")}
    everything["template"]["mappings"] = {"properties": fields}
    if _takes(client, everything):
        absent = [] if _takes(client, _PROBES["index lifecycle"]) else ["index lifecycle"]
    else:
        if not _takes(client, {}):
            hint = "Elasticsearch 7.17 or OpenSearch 2 or newer is needed"
            raise LogshipError("the server has no data streams", hint)
        absent = [name for name, probe in _PROBES.items() if not _takes(client, probe)]
    return frozenset(absent)


def _takes(client: Client, template: dict[str, Any]) -> bool:
    # A name that no template of anybody matches: two of one priority must not match the same one.
    whole = {"index_patterns": ["logship.probe.of.features"], "data_stream": {}} | template
    answer = ask(client, "POST", "/_index_template/_simulate", whole)
    if answer.status in (401, 403):
        raise LogshipError(
            f"templates may not be read or changed with this key: {answer.error()}",
            "run `logship setup` once with a key that has the cluster privileges monitor and manage_index_templates; "
            "if that was done, all is well",
        )
    if answer.status not in (200, 400):
        raise LogshipError(f"the server does not say what it can: {answer.error()}", "try again when it is healthy")
    return answer.status == 200


def _lifecycle(client: Client, lacks: frozenset[str]) -> Lifecycle:
    if "index lifecycle" not in lacks and manages_indices(client):
        return "ilm"
    if "data stream lifecycle" not in lacks:
        return "data stream lifecycle"
    return "ism" if ask(client, "GET", "/_plugins/_ism/policies?size=1").status in (200, 401, 403) else "none"


def _licence(client: Client) -> str:
    answer = ask(client, "GET", "/_license")
    body = answer.json() if answer.status == 200 else None
    licence = body.get("license") if isinstance(body, dict) else None
    return str(licence.get("type", "")) if isinstance(licence, dict) else ""


def _merge(whole: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(whole.get(name), dict):
            _merge(whole[name], value)
        else:
            whole[name] = orjson.loads(orjson.dumps(value))
