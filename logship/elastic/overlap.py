"""
Templates of others that match the names of our data streams.

A server takes no two index templates of one priority whose patterns overlap,
and lets the higher of two priorities win. Whether patterns overlap is asked of
the server: `_index_template/_simulate` lists what does (`overlapping`), and
takes a priority that nobody has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logship.elastic.client import Client
from logship.elastic.objects import Wanted
from logship.elastic.server import ask
from logship.errors import LogshipError

_NOBODYS = 1 << 52
_LISTING = "/_index_template?filter_path=index_templates.name,index_templates.index_template.priority"


def rivals(client: Client, objects: Sequence[Wanted]) -> dict[str, dict[str, int]]:
    """
    Return the priority of each template of somebody else's that overlaps one of ours and is not below it.

    By our template's name, then the other's. Raises LogshipError when the server does not tell.
    """
    ours = {want.name: want for want in objects if want.kind == "index template"}
    priorities = _priorities(client, ours) if ours else {}
    found = {}
    for name, want in ours.items():
        above = {other: priority for other, priority in priorities.items() if priority >= want.body["priority"]}
        near = _overlapping(client, want) & above.keys() if above else frozenset[str]()
        found[name] = {other: above[other] for other in sorted(near)}
    return found


def _priorities(client: Client, ours: dict[str, Wanted]) -> dict[str, int]:
    rows = _asked(client, "GET", _LISTING).get("index_templates", [])
    return {row["name"]: row.get("index_template", {}).get("priority", 0) for row in rows if row["name"] not in ours}


def _overlapping(client: Client, want: Wanted) -> frozenset[str]:
    body = {"index_patterns": want.body["index_patterns"], "priority": _NOBODYS, "data_stream": {}}
    rows = _asked(client, "POST", "/_index_template/_simulate", body).get("overlapping", [])
    return frozenset(row["name"] for row in rows)


def _asked(client: Client, method: str, path: str, body: object = None) -> dict[str, Any]:
    answer = ask(client, method, path, body)
    found = answer.json() if answer.status == 200 else None
    if not isinstance(found, dict):
        raise LogshipError(
            f"the server does not tell of its index templates: {answer.error()}", "try again when it is healthy"
        )
    return found
