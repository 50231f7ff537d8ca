"""
Find out whether documents are in a data stream already, where `create` cannot tell.

`create` conflicts with a document of the same id in the index that is written
now. After a rollover the earlier attempt may lie in an index before that, so
these are asked by id, which sees what no refresh has shown yet (Elasticsearch,
"Multi get API", realtime).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import orjson

from logship.elastic.client import Client

#: Indices before the present one that are asked; each was written for days.
_GENERATIONS = 3
_CHUNK = 1000


def present(client: Client, stream: str, ids: Sequence[str], generations: int = _GENERATIONS) -> set[str] | None:
    """
    Return the ids that so many earlier indices of a stream hold; None when we may not read there.

    Raises elastic_transport.TransportError.
    """
    answer = client.request("GET", f"/_resolve/index/{quote(stream)}")
    if answer.status == 404:
        return set()
    body = answer.json() if answer.status == 200 else None
    streams = body.get("data_streams") if isinstance(body, dict) else None
    if streams is None:
        return None
    indices = [index for one in streams for index in one.get("backing_indices", [])]
    found: set[str] = set()
    for index in reversed(indices[max(len(indices) - 1 - generations, 0) : -1]):
        rest = [name for name in ids if name not in found]
        for place in range(0, len(rest), _CHUNK):
            more = _held(client, index, rest[place : place + _CHUNK])
            if more is None:
                return None
            found |= more
    return found


def _held(client: Client, index: str, ids: list[str]) -> set[str] | None:
    """Return which ids one index holds."""
    asked = orjson.dumps({"docs": [{"_index": index, "_id": name} for name in ids]})
    answer = client.request("POST", "/_mget?_source=false&filter_path=docs._id,docs.found,docs.error.type", asked)
    body = answer.json() if answer.status == 200 else None
    if not isinstance(body, dict):
        return None
    documents = body.get("docs", [])
    if any(one.get("error", {}).get("type") == "security_exception" for one in documents):
        return None
    return {one["_id"] for one in documents if one.get("found")}
