"""A real server that has little room, is full, too busy or killed: in the end each document is there once."""

import threading
import time
from collections import Counter

import orjson
import pytest
from contract.batches import outcomes, register
from servers import elasticsearch as server

from logship.delivery.courier import Courier
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates
from logship.ledger.ledger import Ledger
from logship.model import Batch

TIME = "2026-01-02T03:04:05.678Z"
SECONDS = 120
SMALL = {
    "http__max_content_length": "1mb",
    "indexing_pressure__memory__limit": "300kb",
    "node__processors": "1",
    "thread_pool__write__queue_size": "1",
    "cluster__info__update__interval": "10s",
    "cluster__routing__allocation__disk__threshold_enabled": "true",
}


@pytest.fixture(scope="module")
def machine():
    """Give a server of its own, with little room for requests, that can be killed and started."""
    with server.prepared(**SMALL) as one:
        one.url = one.start()
        yield one


@pytest.fixture
def small(machine):
    """Give a connection to it, with the templates installed."""
    client = connect([machine.url], timeout=20.0)
    ensure_templates(client)
    yield client
    client.close()


class Told(ElasticsearchSink):
    """A sink that notes why documents were put off or a batch was not taken."""

    def __init__(self, url, namespace, in_flight=1):
        super().__init__(connect([url], timeout=20.0, connections=in_flight), namespace=namespace, in_flight=in_flight)
        self.reasons = Counter()

    def send(self, batch, only):
        """Send, and note."""
        try:
            receipt = super().send(batch, only)
        except SinkUnavailable as error:
            self.reasons[str(error)[:60]] += 1
            raise
        if receipt.deferred:
            self.reasons[receipt.reason[:60]] += 1
        return receipt

    def heard(self, *words):
        """Return how often a reason held one of the words."""
        return sum(count for reason, count in self.reasons.items() if any(word in reason for word in words))


class Site:
    """A ledger with batches of numbered documents, and what delivers them."""

    def __init__(self, folder, sink, namespace):
        self.ledger = Ledger.open(folder)
        self.file = register(self.ledger)
        self.sink, self.namespace = sink, namespace
        self.courier = Courier(self.ledger, sink, threading.Event(), first_pause=0.05, longest_pause=1.0)
        self.count = 0

    def write(self, batches, documents, filler=""):
        """Commit batches of documents that no other has."""
        for _ in range(batches):
            lines = []
            for number in range(self.count, self.count + documents):
                body = orjson.dumps({"@timestamp": TIME, "message": f"line {number}", "labels": {"x": filler}})
                lines.append(b'{"create":{"_id":"%b-%d"}}\n%b\n' % (self.file.key.encode(), number, body))
            batch = Batch("dify.api", b"".join(lines), documents, TIME, TIME, {self.file.id: documents})
            self.ledger.commit([batch], [])
            self.count += documents

    def settle(self, client):
        """Deliver everything, and hold against each other what was written, counted and is there."""
        assert self.courier.drain(time.monotonic() + SECONDS), self.sink.reasons
        delivered, duplicate, rejected = outcomes(self.ledger, self.sink.name)[self.file.id]
        assert (delivered + duplicate, rejected) == (self.count, 0)
        stream = f"/logs-dify.api-{self.namespace}"
        client.request("POST", f"{stream}/_refresh")
        found, after = Counter(), []
        while True:
            body = {"size": 5000, "_source": False, "sort": ["_seq_no"], "track_total_hits": False}
            body |= {"search_after": after} if after else {}
            hits = client.request("POST", f"{stream}/_search", orjson.dumps(body)).json()["hits"]["hits"]
            if not hits:
                break
            found.update(hit["_id"] for hit in hits)
            after = hits[-1]["sort"]
        assert found == Counter(f"{self.file.key}-{number}" for number in range(self.count))
        return delivered, duplicate


@pytest.fixture
def site(machine, small, namespace, tmp_path):
    """Give a way to make a site whose sink speaks to the server."""
    made = []

    def make(in_flight=1):
        made.append(Site(tmp_path, Told(machine.url, namespace, in_flight), namespace))
        return made[-1]

    assert small  # the templates are there
    yield make
    for one in made:
        one.sink.close()
        one.ledger.close()


def test_requests_that_are_too_large_for_the_server_are_divided(site, small):
    """Batches of 1.5 MB for a server that takes 1 MB (413), under pressure too (429): everything is there once."""
    place = site()
    place.write(3, 1500, filler="x" * 900)
    place.settle(small)


def test_a_server_without_room_for_requests_gets_smaller_ones(site, small):
    """Beyond `indexing_pressure.memory.limit` a whole request is put off (429); smaller ones are taken."""
    place = site(in_flight=2)
    place.write(6, 1000, filler="x" * 400)
    place.settle(small)
    assert place.sink.heard("429")


def test_a_server_whose_queue_is_full_is_left_to_breathe(site, small):
    """Eight requests for one thread and a queue of one: some documents are put off, and none is lost or doubled."""
    place = site(in_flight=8)
    place.write(60, 300)
    place.settle(small)
    assert place.sink.heard("es_rejected_execution_exception", "429")


def put(client, **settings):
    """Set settings of the cluster, or unset those that are None."""
    body = orjson.dumps({"persistent": {name.replace("__", "."): value for name, value in settings.items()}})
    assert client.request("PUT", "/_cluster/settings", body).status == 200


def test_a_disk_beyond_the_flood_stage_is_waited_for(site, small):
    """
    The server finds its disk too full (watermarks of 1 %) and blocks writes by itself: documents wait.

    When the watermarks are set back it lifts the block by itself, and they are delivered.
    """
    place = site()
    place.write(1, 10)
    assert place.courier.drain(time.monotonic() + SECONDS)
    marks = [f"cluster__routing__allocation__disk__watermark__{name}" for name in ("low", "high", "flood_stage")]
    put(small, **dict.fromkeys(marks, "1%"))
    deadline = time.monotonic() + SECONDS
    try:
        while not place.sink.heard("HTTP 429") and time.monotonic() < deadline:
            place.write(1, 10)
            place.courier.drain(time.monotonic() + 0.5)
    finally:
        put(small, **dict.fromkeys(marks))
    assert place.sink.heard("HTTP 429 cluster_block_exception")
    place.settle(small)


@pytest.mark.parametrize("times", [1, 3])
def test_a_server_that_is_killed_in_mid_request_has_each_document_once(site, machine, small, times):
    """Killed with four requests under way and started again: what it answered is there, what it did not comes again."""
    place = site(in_flight=4)
    for _ in range(times):
        place.write(8, 700, filler="x" * 100)
        assert place.courier.step()  # the oldest is settled, the others are under way
        machine.kill()
        place.courier.step()
        machine.start()
    place.settle(small)
    assert place.sink.reasons
