"""
Search the cluster with the query language of the embedded search.

Elasticsearch, "Query string query" and "Scroll"; what the embedded search
refuses is refused here too, so that a query means the same in both places.
"""

from __future__ import annotations

from typing import Any

from logship.elastic.client import Answer, Client
from logship.elastic.server import ask
from logship.errors import LogshipError, QueryError
from logship.store.query import translate
from logship.store.search import ALL, Hit, Scope

_PAGE = 5000


class ClusterSearch:
    """Searches our data streams of one namespace, by pages of so many documents."""

    def __init__(self, client: Client, *, namespace: str = "default", page: int = _PAGE) -> None:
        self._client = client
        self._page = page
        self._streams = f"/logs-dify.*-{namespace},logs-logship.*-{namespace}"

    def hits(self, query: str, scope: Scope = ALL, *, limit: int = 50, reverse: bool = False) -> list[Hit]:
        """
        Return the newest documents that match, newest first; with `reverse` the oldest, oldest first.

        Raises QueryError for what is no query, LogshipError when the cluster cannot be asked.
        """
        order = "asc" if reverse else "desc"
        body = {
            "size": min(limit, self._page),
            "sort": [{"@timestamp": {"order": order, "unmapped_type": "date"}}],
            "query": _query(query, scope),
            "track_total_hits": limit > self._page,  # a scroll insists on it
        }
        options = "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false"
        paged = limit > self._page
        found: dict[str, Hit] = {}
        page = self._read(
            ask(self._client, "POST", f"{self._streams}/_search?{options}{'&scroll=1m' if paged else ''}", body)
        )
        while rows := page["hits"]["hits"]:
            for row in rows:  # a document that is there twice is one event
                found.setdefault(row["_id"], Hit(row["_id"], _dataset(row), row["_source"]))
            if not paged or len(found) >= limit:
                break
            more = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
            page = self._read(ask(self._client, "POST", "/_search/scroll", more))
        if paged and "_scroll_id" in page:
            ask(self._client, "DELETE", "/_search/scroll", {"scroll_id": page["_scroll_id"]})
        ordered = sorted(found.values(), key=_place, reverse=not reverse)
        return ordered[:limit]

    def count(self, query: str, scope: Scope = ALL) -> int:
        """Return how many documents match."""
        path = f"{self._streams}/_count?ignore_unavailable=true&allow_no_indices=true"
        return int(self._read(ask(self._client, "POST", path, {"query": _query(query, scope)}))["count"])

    def _read(self, answer: Answer) -> dict[str, Any]:
        body = answer.json()
        if answer.status == 200 and isinstance(body, dict):
            return body
        if answer.status == 400 and "query" in answer.error(innermost=True).lower():
            raise QueryError(f"Elasticsearch cannot run the query: {answer.error(innermost=True)}")
        hint = "try again when the cluster is healthy"
        if answer.status in (401, 403):
            hint = (
                "the key may not read: `logship setup --only keys` makes one that may; set elasticsearch.read_api_key"
            )
        raise LogshipError(f"the cluster cannot be searched: {answer.error()}", hint)


def _query(query: str, scope: Scope) -> dict[str, Any]:
    translate(query, str.split)  # the same errors as at home
    must: list[dict[str, Any]] = []
    if query.strip() not in ("", "*"):
        must.append({"query_string": {"query": query, "default_operator": "AND", "default_field": "message"}})
    limits = {
        name: moment.isoformat() for name, moment in (("gte", scope.since), ("lt", scope.until)) if moment is not None
    }
    if limits:
        must.append({"range": {"@timestamp": limits}})
    if scope.services:
        must.append({"terms": {"service.name": list(scope.services)}})
    return {"bool": {"filter": must}}


def _dataset(row: dict[str, Any]) -> str:
    stream = row["_source"].get("data_stream")
    return str(stream.get("dataset", "")) if isinstance(stream, dict) else ""


def _place(hit: Hit) -> tuple[str, str]:
    return str(hit.document.get("@timestamp", "")), hit.id
