"""
Search the cluster with the query language of the embedded search.

Elasticsearch, "Query string query" and "Scroll"; what the embedded search
refuses is refused here too, so that a query means the same in both places.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from logship.elastic.client import Answer, Client
from logship.elastic.server import ask
from logship.errors import LogshipError, QueryError
from logship.model import by_time
from logship.store.query import translate
from logship.store.search import ALL, Hit, Scope

_PAGE = 5000
_ALL = 1 << 30
#: Streams, and backing indices of one, that are told apart.
_INDICES = 1000
_OPTIONS = "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false"


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
        found: dict[str, tuple[tuple[int, str, str], Hit]] = {}
        edge = 0
        with closing(self._rows({"query": _query(query, scope)}, limit + 1, reverse=reverse)) as rows:
            for row in rows:
                name, source, (moment,) = row["_id"], row["_source"], row["sort"]
                if name in found:  # what is there twice is one event
                    continue
                if len(found) >= limit and moment != edge:
                    break  # of one millisecond all are read: the server gives them in any order
                edge = moment
                place = (moment, by_time(str(source.get("@timestamp", ""))), name)
                found[name] = place, Hit(name, _dataset(row), source)
        ordered = sorted(found.values(), key=lambda one: one[0], reverse=not reverse)
        return [hit for _, hit in ordered[:limit]]

    def count(self, query: str, scope: Scope = ALL) -> int:
        """Return how many documents match; one that is there twice is one."""
        asked = _query(query, scope)
        edges = {name: {name: {"field": "@timestamp"}} for name in ("min", "max")}
        indices = {"terms": {"field": "_index", "size": _INDICES}, "aggs": edges}
        streams = {"terms": {"field": "data_stream.dataset", "size": _INDICES}, "aggs": {"indices": indices}}
        body = {"size": 0, "track_total_hits": True, "query": asked, "aggs": {"streams": streams}}
        page = self._read(ask(self._client, "POST", f"{self._streams}/_search?{_OPTIONS}", body))
        count = int(page["hits"]["total"]["value"])
        for stream in page.get("aggregations", {}).get("streams", {}).get("buckets", []):
            buckets = stream["indices"]["buckets"]
            first, last = (sorted(one[edge]["value"] for one in buckets) for edge in ("min", "max"))
            if len(buckets) > 1 and first[1] <= last[-2]:  # an id is there once in each backing index
                count -= self._again(asked, stream["key"], int(first[1]), int(last[-2]))
        return count

    def _again(self, asked: dict[str, Any], dataset: str, first: int, last: int) -> int:
        """Count second copies from one millisecond to another; both copies are of the same."""
        span = {"range": {"@timestamp": {"gte": first, "lte": last, "format": "epoch_millis"}}}
        query = {"bool": {"filter": [asked, {"term": {"data_stream.dataset": dataset}}, span]}}
        again, edge, names = 0, -1, set[str]()
        for row in self._rows({"query": query, "_source": False}, _ALL, reverse=True):
            if row["sort"][0] != edge:
                (edge,), names = row["sort"], set()
            again += row["_id"] in names
            names.add(row["_id"])
        return again

    def _rows(self, body: dict[str, Any], wanted: int, *, reverse: bool) -> Generator[dict[str, Any], None, None]:
        """Yield what a search finds, by time; who goes on after `wanted` gets it again from the beginning, and more."""
        body |= {"sort": [{"@timestamp": {"order": "asc" if reverse else "desc", "unmapped_type": "date"}}]}
        path = f"{self._streams}/_search?{_OPTIONS}"
        if wanted <= self._page:
            page = self._read(ask(self._client, "POST", path, body | {"size": wanted, "track_total_hits": False}))
            yield from page["hits"]["hits"]
            if len(page["hits"]["hits"]) < wanted:
                return
        # A scroll insists on the total.
        body |= {"size": self._page, "track_total_hits": True}
        page = self._read(ask(self._client, "POST", f"{path}&scroll=1m", body))
        try:
            while rows := page["hits"]["hits"]:
                yield from rows
                more = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
                page = self._read(ask(self._client, "POST", "/_search/scroll", more))
        finally:
            if "_scroll_id" in page:
                ask(self._client, "DELETE", "/_search/scroll", {"scroll_id": page["_scroll_id"]})

    def _read(self, answer: Answer) -> dict[str, Any]:
        body = answer.json()
        if answer.status == 200 and isinstance(body, dict):
            return body
        if answer.status == 400 and "query" in answer.error(innermost=True).lower():
            raise QueryError(f"Elasticsearch cannot run the query: {answer.error(innermost=True)}")
        raise LogshipError(f"the cluster cannot be searched: {answer.error()}", reading_hint(answer.status))


def reading_hint(status: int) -> str:
    """Return the next step after a refused search."""
    if status == 401:
        return "check elasticsearch.username and elasticsearch.password, or the key"
    if status == 403:
        return "we may not read there: `logship setup --only keys` makes a key that may; set elasticsearch.read_api_key"
    return "try again when the cluster is healthy"


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
