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
from logship.elastic.server import ask, manages_indices
from logship.errors import LogshipError

KEYS = "manage_own_api_key"


def require(client: Client, parts: Sequence[str], *, removing: bool = False) -> None:
    """Raise LogshipError that names everything which parts of `logship setup` need and we have not."""
    absent = missing(client, needed(client, parts))
    what, hints = [], []
    if "keys" in parts and not removing and _is_key(client):
        # Elasticsearch, "Create API key": a key that a key makes can have no privileges.
        what.append("an API key makes no API keys with privileges, and an API key is who we are")
        hints.append(
            "make keys as a user: elasticsearch.username and elasticsearch.password (or password_file) in place "
            f"of the API key, with the cluster privilege {KEYS}"
        )
        absent = [name for name in absent if name != KEYS]
    if absent:
        what.append(f"we have not the cluster privileges {', '.join(absent)}")
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


def missing(client: Client, cluster: Sequence[str]) -> list[str]:
    """Return which cluster privileges we have not; none where the server does not tell."""
    answer = ask(client, "POST", "/_security/user/_has_privileges", {"cluster": list(cluster)})
    body = answer.json() if answer.status == 200 else None
    found = body.get("cluster") if isinstance(body, dict) else None
    return [name for name in cluster if not found.get(name)] if isinstance(found, dict) else []


def _is_key(client: Client) -> bool:
    answer = ask(client, "GET", "/_security/_authenticate")
    body = answer.json() if answer.status == 200 else None
    return isinstance(body, dict) and body.get("authentication_type") == "api_key"
