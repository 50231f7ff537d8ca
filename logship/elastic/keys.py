"""
API keys with no more rights than their use needs.

Elasticsearch, "Create API key" and "Security privileges". `create_doc` adds
documents and can neither read nor overwrite nor delete any; `auto_configure`
lets the first document of a stream make it, as the templates say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logship.elastic.client import Client
from logship.elastic.server import Server, ask
from logship.errors import LogshipError

STREAMS = ("logs-dify.*-*", "logs-logship.*-*")
#: What a key is for, and its privileges on our streams.
_USES = {
    "write": (("create_doc", "auto_configure"), "LOGSHIP_ELASTICSEARCH__API_KEY"),
    "read": (("read", "view_index_metadata", "read_failure_store"), "LOGSHIP_ELASTICSEARCH__READ_API_KEY"),
}
#: By the variable: Grafana's data source asks for the version of the server.
_CLUSTER = {"LOGSHIP_ELASTICSEARCH__READ_API_KEY": ("monitor",)}
#: Came with the failure store.
_LATE = "read_failure_store"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, shown once."""

    name: str
    id: str
    #: The encoded form: what requests carry.
    encoded: str
    #: The variable that logship reads it from.
    variable: str
    privileges: tuple[str, ...]


def make_keys(client: Client, server: Server, namespace: str) -> list[Key]:
    """Make a key for writing and one for reading; raises LogshipError where the server has no API keys."""
    if server.product == "opensearch":
        raise LogshipError(
            "OpenSearch has no API keys",
            f"make two users there: one with the index permissions create_doc and auto_configure on {STREAMS[0]}, "
            "and one with read",
        )
    late = frozenset({_LATE} if "failure store" in server.lacks else ())
    return [
        _make(client, f"logship-{use}-{namespace}", tuple(one for one in privileges if one not in late), variable)
        for use, (privileges, variable) in _USES.items()
    ]


def _make(client: Client, name: str, privileges: tuple[str, ...], variable: str) -> Key:
    indices = [{"names": list(STREAMS), "privileges": list(privileges)}]
    role = {"cluster": list(_CLUSTER.get(variable, ())), "indices": indices}
    body: dict[str, Any] = {
        "name": name,
        "role_descriptors": {name: role},
        "metadata": {"managed_by": "logship"},
    }
    answer = ask(client, "POST", "/_security/api_key", body)
    if answer.status == 400 and _LATE in privileges and _LATE in answer.error():
        return _make(client, name, tuple(one for one in privileges if one != _LATE), variable)
    made = answer.json() if answer.status == 200 else None
    if not isinstance(made, dict) or "encoded" not in made:
        hint = "security must be on there (xpack.security.enabled), and our own key needs manage_own_api_key"
        raise LogshipError(f"API key {name} was refused: {answer.error()}", hint)
    return Key(name, made["id"], made["encoded"], variable, privileges)


def only_writes(client: Client) -> bool:
    """Return whether who we are may not look after templates, like the key for writing; False where nobody tells."""
    asked = {"cluster": ["manage_index_templates"]}
    answer = ask(client, "POST", "/_security/user/_has_privileges", asked)
    body = answer.json() if answer.status == 200 else None
    cluster = body.get("cluster") if isinstance(body, dict) else None
    return isinstance(cluster, dict) and cluster.get("manage_index_templates") is False
