"""
API keys with no more rights than their use needs.

Elasticsearch, "Create API key", "Get API key information", "Invalidate API
keys" and "Security privileges". `create_doc` adds documents and can neither
read nor overwrite nor delete any; `auto_configure` lets the first document of
a stream make it, as the templates say. Names are not unique there: ours are
known by their metadata.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from logship.elastic.client import Answer, Client
from logship.elastic.objects import Change
from logship.elastic.server import ask, product
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
_PATH = "/_security/api_key"
_OURS = f"{_PATH}?name=logship-*"
_OTHERS = "only our own were looked for; those of other users: with manage_api_key"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: to be made, made and shown this once, or there already."""

    name: str
    #: The variable that logship reads it from.
    variable: str
    privileges: tuple[str, ...]
    state: Literal["created", "kept"]
    id: str = ""
    #: The encoded form: what requests carry.
    encoded: str = ""

    @property
    def change(self) -> Change:
        """What is done about it, beside what is done about other objects."""
        note = f"{', '.join(self.privileges)} on {', '.join(STREAMS)}"
        if cluster := _CLUSTER.get(self.variable):
            note += f", {', '.join(cluster)} on the cluster"
        if self.state == "kept":
            note = f"it is there already (id {self.id}), and was shown when it was made; --new-keys makes another"
        return Change("API key", self.name, self.state, note=note)


def privileges_of_keys() -> set[str]:
    """Return the privileges on our streams that keys have on every server."""
    return {privilege for privileges, _ in _USES.values() for privilege in privileges} - {_LATE}


def plan_keys(client: Client, namespace: str, *, anew: bool = False) -> list[Key]:
    """
    Return a key for writing and one for reading: those to make, and those that are there, unless all are wanted anew.

    Changes nothing. Raises LogshipError where the server has no API keys, or does not let us see ours.
    """
    if product(client) == "opensearch":
        raise LogshipError(
            "OpenSearch has no API keys",
            f"make two users there: one with cluster_composite_ops, and on {' and '.join(STREAMS)} write, create_index "
            "and indices:admin/auto_create; and one with cluster_composite_ops_ro, and read on these",
        )
    answer, _ = _listing(client)
    if answer.status != 200:
        raise LogshipError(f"API keys cannot be made: {answer.error()}", _hint(answer))
    there = {} if anew else {one["name"]: one["id"] for one in _valid(answer)}
    planned = [
        Key(f"logship-{use}-{namespace}", variable, privileges, "created")
        for use, (privileges, variable) in _USES.items()
    ]
    return [replace(key, state="kept", id=there[key.name]) if key.name in there else key for key in planned]


def make_keys(client: Client, planned: Sequence[Key]) -> list[Key]:
    """Make the keys that are not there; raises LogshipError at the first that is refused, and then leaves none."""
    keys: list[Key] = []
    made: list[str] = []
    for key in planned:
        try:
            keys.append(_make(client, key) if key.state == "created" else key)
        except LogshipError:
            if made:  # nobody would ever be shown them
                _invalidate(client, made)
            raise
        made += [keys[-1].id] if key.state == "created" else []
    return keys


def remove_keys(client: Client, *, dry_run: bool = False) -> list[Change]:
    """
    Invalidate every key that logship made and that we may invalidate; say which are left.

    Raises LogshipError when we may not even look for them.
    """
    if product(client) == "opensearch":
        return []
    answer, whole = _listing(client)
    if answer.status in (400, 404, 405):  # without security
        return []
    if answer.status != 200:
        raise LogshipError(f"API keys were not looked for, and stay valid: {answer.error()}", _hint(answer))
    found = _valid(answer)
    gone = {one["id"] for one in found}
    if found and not dry_run:
        gone = _invalidate(client, [one["id"] for one in found])
    changes = []
    for one in found:
        change = Change("API key", one["name"], "removed", note=f"id {one['id']} of user {one.get('username')}")
        if one["id"] not in gone:
            change = replace(change, state="kept", note=f"{change.note}: only with manage_api_key, or by that user")
        changes.append(change)
    return changes if whole else [*changes, Change("API key", "logship-*", "kept", note=_OTHERS)]


def _listing(client: Client) -> tuple[Answer, bool]:
    """Return the answer that lists keys of our names, and whether it is all of them or only those of our user."""
    answer = ask(client, "GET", _OURS)
    return (ask(client, "GET", f"{_OURS}&owner=true"), False) if answer.status == 403 else (answer, True)


def _valid(answer: Answer) -> list[dict[str, Any]]:
    now = time.time() * 1000
    found = [
        one
        for one in answer.json().get("api_keys", [])
        if not one["invalidated"]
        and one.get("expiration", math.inf) > now
        and one.get("metadata", {}).get("managed_by") == "logship"
    ]
    return sorted(found, key=lambda one: one["creation"])


def _invalidate(client: Client, ids: list[str]) -> set[str]:
    answer = ask(client, "DELETE", _PATH, {"ids": ids})
    if answer.status == 403:
        answer = ask(client, "DELETE", _PATH, {"ids": ids, "owner": True})
    if answer.status == 403:
        return set()
    if answer.status != 200:
        raise LogshipError(f"API keys were not invalidated: {answer.error()}", "run `logship setup --remove` again")
    said = answer.json()
    return {*said["invalidated_api_keys"], *said["previously_invalidated_api_keys"]}


def _make(client: Client, key: Key) -> Key:
    indices = [{"names": list(STREAMS), "privileges": list(key.privileges)}]
    role = {"cluster": list(_CLUSTER.get(key.variable, ())), "indices": indices}
    body = {"name": key.name, "role_descriptors": {key.name: role}, "metadata": {"managed_by": "logship"}}
    answer = ask(client, "POST", _PATH, body)
    if answer.status == 400 and _LATE in key.privileges and _LATE in answer.error():
        return _make(client, replace(key, privileges=tuple(one for one in key.privileges if one != _LATE)))
    made = answer.json() if answer.status == 200 else None
    if not isinstance(made, dict) or "encoded" not in made:
        raise LogshipError(f"API key {key.name} was refused: {answer.error()}", _hint(answer))
    return replace(key, id=made["id"], encoded=made["encoded"])


def _hint(answer: Answer) -> str:
    if answer.status in (401, 403):
        return "use a user with the cluster privilege manage_own_api_key, or for keys of other users manage_api_key"
    return "security must be on there (xpack.security.enabled)"


def only_writes(client: Client) -> bool:
    """Return whether who we are may not look after templates, like the key for writing; False where nobody tells."""
    asked = {"cluster": ["manage_index_templates"]}
    answer = ask(client, "POST", "/_security/user/_has_privileges", asked)
    body = answer.json() if answer.status == 200 else None
    cluster = body.get("cluster") if isinstance(body, dict) else None
    return isinstance(cluster, dict) and cluster.get("manage_index_templates") is False
