"""
What we may do on a server, asked of it before anything is changed.

`POST _security/user/_has_privileges` and `GET _security/_authenticate`
(Elasticsearch, security APIs) are open to everybody whom the server knows.
Where there is no security, and on OpenSearch, there is no such thing to ask:
then nothing is missing, as far as can be told.
"""

from __future__ import annotations

from collections.abc import Sequence

from logship.elastic.client import Client
from logship.elastic.keys import STREAMS, privileges_of_keys
from logship.elastic.server import ask, manages_indices
from logship.errors import LogshipError

KEYS = "manage_own_api_key"


def require(client: Client, parts: Sequence[str], *, removing: bool = False) -> None:
    """Raise LogshipError that names everything which parts of `logship setup` need and we have not."""
    making = "keys" in parts and not removing
    cluster, index = needed(client, parts), sorted(privileges_of_keys()) if making else []
    what, hints = [], []
    if making and _is_key(client):
        # Elasticsearch, "Create API key": a key that a key makes can have no privileges.
        what.append("an API key makes no API keys with privileges, and an API key is who we are")
        hints.append(
            "make keys as a user: elasticsearch.username and elasticsearch.password (or password_file) in place "
            f"of the API key, with the cluster privilege {KEYS}"
        )
        cluster, index = [name for name in cluster if name != KEYS], []
    absent, ungiven = missing(client, cluster, index)
    if absent:
        what.append(f"we have not the cluster privileges {', '.join(absent)}")
    if ungiven:  # what a key may do is cut down to what its maker may
        what.append(f"we have not, and so can give no key, the index privileges {', '.join(ungiven)}")
    if absent or ungiven:
        hints.append("use a key or a user that has them; `logship setup --help` lists all")
    if what:
        raise LogshipError("\n".join(f"nothing was changed: {one}" for one in what), "; ".join(hints))


def needed(client: Client, parts: Sequence[str]) -> list[str]:
    """Return the cluster privileges that parts need, by their names in Elasticsearch's security reference."""
    objects = "templates" in parts or "lifecycle" in parts
    cluster = ["monitor", "manage_index_templates"] if objects else []  # also what asks a server for its features
    if "lifecycle" in parts and manages_indices(client):
        cluster.append("manage_ilm")
    return [*cluster, KEYS] if "keys" in parts else cluster


def missing(client: Client, cluster: Sequence[str], index: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Return which privileges we have not, on the cluster and on some of our streams; none where nothing is told."""
    body: dict[str, object] = {"cluster": list(cluster)}
    if index:
        body["index"] = [{"names": list(STREAMS), "privileges": list(index)}]
    answer = ask(client, "POST", "/_security/user/_has_privileges", body)
    said = answer.json() if answer.status == 200 else None
    if not isinstance(said, dict):
        return [], []
    places = said.get("index", {}).values()
    absent = [name for name in cluster if not said.get("cluster", {}).get(name)]
    return absent, [name for name in index if not all(place.get(name) for place in places)]


def _is_key(client: Client) -> bool:
    answer = ask(client, "GET", "/_security/_authenticate")
    body = answer.json() if answer.status == 200 else None
    return isinstance(body, dict) and body.get("authentication_type") == "api_key"
