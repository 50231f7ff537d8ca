"""A real ledger in a temporary state directory, and a way to put documents into it."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from logship.ledger.ledger import Ledger
from logship.model import Batch

START = datetime(2025, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    """Give a new ledger; its directory is the state directory."""
    with Ledger.open(tmp_path) as opened:
        yield opened


def stamp(moment):
    """Return a moment as documents hold it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pack(documents, dataset="dify.api"):
    """Return a batch of documents, given by id."""
    times = sorted(document["@timestamp"] for document in documents.values())
    lines = []
    for name, document in documents.items():
        lines += [orjson.dumps({"create": {"_id": name}}), orjson.dumps(document)]
    return Batch(dataset, b"\n".join([*lines, b""]), len(documents), times[0], times[-1], {1: len(documents)})


def numbered(first, count, *, service="api", step=timedelta(seconds=1), start=START):
    """Return documents `n-<first>` and on, one second apart."""
    return {
        f"n-{number}": {
            "@timestamp": stamp(start + number * step),
            "message": f"event number {number}",
            "service": {"name": service},
        }
        for number in range(first, first + count)
    }


@pytest.fixture
def put(ledger):
    """Give a function that commits numbered documents as one batch and returns its sequence number."""

    def commit(first, count, dataset="dify.api", **options):
        return ledger.commit([pack(numbered(first, count, **options), dataset)], [])[0]

    return commit
