"""
Hold what this machine keeps against what Elasticsearch has: missing, there twice, altered, or not ours.

The documents of a span of time are asked for by id, in all backing indices of
their stream. A stream that has more documents of this host in a span than were
found by id has some that are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from logship.elastic.client import Client
from logship.elastic.search import reading_hint
from logship.elastic.server import ask
from logship.errors import LogshipError
from logship.store.search import Hit, Scope, Search

#: Documents of this machine that are looked at together, about; and ids in one request.
_SLICE = 20_000
_IDS = 1000
_SECONDS = 60
#: Ids that are told of each kind.
_TOLD = 20
#: Seconds after which what was written can be searched: five in data streams of logsdb.
_REFRESHED = 6.0
#: Tells which of some ids wait to be delivered, and which were refused.
Undelivered = Callable[[set[str]], tuple[set[str], set[str]]]
_OPTIONS = "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false"


@dataclass(slots=True)
class Reconciled:
    """What was found; ids of the first few of each kind."""

    compared: int = 0
    missing: int = 0
    twice: int = 0
    altered: int = 0
    unknown: int = 0
    #: Not there, and for a reason: not delivered yet, or refused.
    waiting: int = 0
    rejected: int = 0
    ids: dict[str, list[str]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether all that was delivered is there, once, as it was, and nothing else."""
        return not (self.missing or self.twice or self.altered or self.unknown)

    def note(self, kind: str, ids: Sequence[str]) -> None:
        """Remember the first few ids of a kind."""
        told = self.ids.setdefault(kind, []) if ids else []
        told += ids[: _TOLD - len(told)]


def reconcile(
    search: Search,
    client: Client,
    *,
    namespace: str,
    since: datetime,
    until: datetime,
    undelivered: Undelivered,
    wait: Callable[[float], None],
    told: Callable[[datetime, int], None],
) -> Reconciled:
    """
    Compare the documents of a span; `undelivered` tells which of some ids wait, and which were refused.

    `told` hears how far it is, and how many documents were compared; `wait` lets seconds pass, as what
    was just written cannot be searched yet. Raises LogshipError when the cluster cannot be asked.
    """
    found = Reconciled()
    for scope in _slices(search, since, until):
        hits = search.hits("*", scope, limit=1 << 30, reverse=True)
        streams: dict[str, list[Hit]] = {}
        for hit in hits:
            streams.setdefault(hit.dataset, []).append(hit)
        for dataset, ours in streams.items():
            stream = f"/{quote(f'logs-{dataset}-{namespace}')}"
            theirs = _by_id(client, stream, [hit.id for hit in ours])
            if absent := [hit.id for hit in ours if hit.id not in theirs]:
                wait(_REFRESHED)
                theirs |= _by_id(client, stream, absent)
            _compare(found, ours, theirs, undelivered)
            _strangers(found, client, stream, scope, ours, sum(map(len, theirs.values())))
        found.compared += len(hits)
        told(scope.until or until, found.compared)
    return found


def _slices(search: Search, since: datetime, until: datetime) -> Iterator[Scope]:
    """Give spans with not too many documents each."""
    begin, held = since, 0
    for start, count in search.histogram("*", Scope(since, until), seconds=_SECONDS):
        if held and held + count > _SLICE:
            edge = max(start, since)
            yield Scope(begin, edge)
            begin, held = edge, 0
        held += count
    yield Scope(begin, until)


def _by_id(client: Client, stream: str, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the documents that a stream has by these ids; several where several backing indices have one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for place in range(0, len(ids), _IDS):
        body = {"query": {"ids": {"values": ids[place : place + _IDS]}}, "size": 10 * _IDS}
        for hit in _read(client, f"{stream}/_search?{_OPTIONS}", body)["hits"]["hits"]:
            found.setdefault(hit["_id"], []).append(hit["_source"])
    return found


def _compare(
    found: Reconciled,
    ours: Sequence[Hit],
    theirs: dict[str, list[dict[str, Any]]],
    undelivered: Undelivered,
) -> None:
    absent = {hit.id for hit in ours if hit.id not in theirs}
    if absent:
        waiting, rejected = undelivered(absent)
        missing = sorted(absent - waiting - rejected)
        found.waiting += len(waiting)
        found.rejected += len(rejected - waiting)
        found.missing += len(missing)
        found.note("missing", missing)
    twice = [name for name, copies in theirs.items() if len(copies) > 1]
    altered = [hit.id for hit in ours if any(not _same(hit.document, one) for one in theirs.get(hit.id, ()))]
    found.twice += len(twice)
    found.altered += len(altered)
    found.note("twice", twice)
    found.note("altered", altered)


def _strangers(
    found: Reconciled, client: Client, stream: str, scope: Scope, ours: Sequence[Hit], known: int
) -> None:
    """Count what a stream has of our hosts in a span beyond what was found by id."""
    hosts = sorted({host for hit in ours if (host := hit.document.get("host", {}).get("name"))})
    if not hosts or scope.since is None or scope.until is None:
        return
    span = {"gte": _iso(scope.since), "lt": _iso(scope.until), "format": "strict_date_optional_time"}
    filters = [{"range": {"@timestamp": span}}, {"terms": {"host.name": hosts}}]
    answer = _read(client, f"{stream}/_count?ignore_unavailable=true", {"query": {"bool": {"filter": filters}}})
    found.unknown += max(int(answer["count"]) - known, 0)


def _read(client: Client, path: str, body: object) -> Any:  # noqa: ANN401  # JSON
    answer = ask(client, "POST", path, body)
    if answer.status != 200:
        raise LogshipError(f"Elasticsearch cannot be asked: {answer.error()}", reading_hint(answer.status))
    return answer.json()


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """
    Return whether two documents say the same.

    A source that Elasticsearch makes of its columns (synthetic `_source`) has lists in another
    order, each value once, and dates to the millisecond. A document that logship repaired so that it
    was taken has a field elsewhere.
    """
    repaired = isinstance(mark := theirs.get("logship"), dict) and mark.get("repaired")
    return ours == theirs or bool(repaired) or _leaves(ours) == _leaves(theirs)


def _leaves(document: dict[str, Any]) -> dict[str, set[str]]:
    leaves: dict[str, set[str]] = {}

    def walk(value: object, path: str) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, path)
        elif value is not None and path != "logship.redelivered":
            text = orjson.dumps(float(value) if type(value) is int else value).decode()
            leaves.setdefault(path, set()).add(text)

    walk(document, "")
    stamp = str(document.get("@timestamp", ""))
    leaves["@timestamp"] = {f"{stamp[:19]}.{stamp[20:].rstrip('Z')[:3].ljust(3, '0')}Z"}
    return leaves


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
