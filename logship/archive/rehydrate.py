"""
Send archived documents to Elasticsearch again, with the ids that they had.

What a stream still holds, in whatever backing index, is looked up first and
not sent; so where the data exists, nothing happens. A segment that is damaged
is told and passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import duckdb
import orjson
from elastic_transport import TransportError

from logship.archive.place import Place
from logship.archive.shelf import Damaged, Told, entries, verified
from logship.delivery.bulk import Document, pack
from logship.delivery.lookup import present
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import Client
from logship.errors import DeliveryError
from logship.model import Rejected, StoredBatch

_BATCH = 2000
_ALL = 1 << 30
_ATTEMPTS = 6


@dataclass(slots=True)
class Rehydrated:
    """What became of archived documents."""

    sent: int = 0
    #: In the cluster already.
    there: int = 0
    refused: int = 0
    #: Why the first one was refused.
    reason: str = ""


def rehydrate(
    place: Place,
    client: Client,
    reader: Client,
    bad: Told,
    *,
    namespace: str,
    since: datetime | None,
    until: datetime | None,
    wait: Callable[[float], object],
) -> Rehydrated:
    """
    Send the archived documents of a time that the cluster has not.

    `reader` may read the streams. Raises DeliveryError when the cluster cannot be read or written.
    """
    sink, total = ElasticsearchSink(client, namespace=namespace), Rehydrated()
    for entry in entries(place, bad, since, until):
        with ExitStack() as held:
            try:
                path = held.enter_context(verified(place, entry))
            except Damaged as error:
                bad(error)
                continue
            for dataset, archived in _documents(path, since, until):
                pairs = [(name, _of(namespace, document)) for name, document in archived]
                missing = _missing(reader, f"logs-{dataset}-{namespace}", pairs)
                total.there += len(pairs) - len(missing)
                if missing:
                    _send(sink, dataset, missing, total, wait)
    return total


def _documents(path: Path, since: datetime | None, until: datetime | None) -> Iterator[tuple[str, list[Document]]]:
    """Yield a segment's documents, by dataset, some thousands at a time."""
    limits = [f"time {sign} ?" for sign, moment in ((">=", since), ("<", until)) if moment is not None]
    where = f"WHERE {' AND '.join(limits)}" if limits else ""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SET memory_limit = '400MB'; SET TimeZone = 'UTC'")
        moments = [moment for moment in (since, until) if moment is not None]
        found = connection.execute(
            f"SELECT dataset, id, document FROM read_parquet(?) {where} ORDER BY dataset, seq, row",  # noqa: S608
            [str(path), *moments],
        )
        while rows := found.fetchmany(_BATCH):
            for dataset, group in groupby(rows, key=lambda row: str(row[0])):
                yield dataset, [(str(name), str(document).encode()) for _, name, document in group]


def _of(namespace: str, document: bytes) -> bytes:
    """Return a document as one of a namespace: its stream takes no other."""
    try:
        body = orjson.loads(document)
    except ValueError:
        return document
    stream = body.get("data_stream") if isinstance(body, dict) else None
    if not isinstance(stream, dict) or stream.get("namespace", namespace) == namespace:
        return document
    stream["namespace"] = namespace
    return orjson.dumps(body)


def _missing(reader: Client, stream: str, pairs: list[Document]) -> list[Document]:
    try:
        known = present(reader, stream, [name for name, _ in pairs], generations=_ALL)
    except TransportError as error:
        raise DeliveryError(f"the cluster cannot be reached: {error.message}", "check its URL, CA and key") from error
    if known is None:
        raise DeliveryError(
            f"{stream} may not be read, so that nobody knows what is there",
            "check the user or the key; `logship setup --only keys` makes one that may (elasticsearch.read_api_key)",
        )
    return [pair for pair in pairs if pair[0] not in known]


def _send(
    sink: ElasticsearchSink, dataset: str, pairs: list[Document], total: Rehydrated, wait: Callable[[float], object]
) -> None:
    batch = StoredBatch(0, dataset, len(pairs), "", "", {}, pack(pairs))
    only: frozenset[str] | None = None
    for attempt in range(_ATTEMPTS):
        try:
            receipt = sink.send(batch, only)
        except SinkUnavailable as error:
            if error.alarm or attempt == _ATTEMPTS - 1:
                raise DeliveryError(f"archived documents cannot be delivered: {error}") from error
            wait(min(0.5 * 2**attempt, 10.0))
            continue
        total.sent += receipt.delivered
        total.there += len(receipt.duplicate)
        _refuse(total, receipt.rejected)
        if not receipt.deferred:
            return
        only = frozenset(receipt.deferred)
        wait(min(0.5 * 2**attempt, 10.0))
    raise DeliveryError(f"archived documents cannot be delivered: {receipt.reason}", "try again when it is less busy")


def _refuse(total: Rehydrated, rejected: list[Rejected]) -> None:
    total.refused += len(rejected)
    if rejected and not total.reason:
        total.reason = rejected[0].reason
