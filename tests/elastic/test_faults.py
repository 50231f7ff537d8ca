"""Broken connections in front of a real Elasticsearch: what arrives is what was sent, each document once."""

import random
import threading
from collections import Counter

import pytest
from contract.batches import commit, document, outcomes, register, stored

from logship.delivery.courier import Courier
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.ledger.ledger import Ledger
from logship.model import Receipt


@pytest.fixture
def sink(elasticsearch, proxy, namespace):
    """Give a sink that speaks to the server through the proxy, and is not patient."""
    assert elasticsearch  # the templates are there
    made = ElasticsearchSink(connect([proxy.url], timeout=4.0), namespace=namespace)
    yield made
    made.close()


def messages(client, namespace):
    """Count the messages of a data stream."""
    client.request("POST", f"/logs-dify.api-{namespace}/_refresh")
    answer = client.request("GET", f"/logs-dify.api-{namespace}/_search?size=10000").json()
    return Counter(hit["_source"]["message"] for hit in answer["hits"]["hits"]) if "hits" in answer else Counter()


@pytest.mark.parametrize("fault", ["c", "h", "s"])
def test_a_reply_that_is_lost_makes_no_second_copy(elasticsearch, proxy, sink, namespace, fault):
    """Cut, halved or never sent: the outcome is unknown, and the repetition finds each document there."""
    sink.send(stored(document(0), key="a"), None)
    batch = stored(document(1), document(2))
    proxy.play(fault)
    with pytest.raises(SinkUnavailable):
        sink.send(batch, None)
    assert sink.send(batch, None) == Receipt(duplicate=["k-0", "k-1"])
    assert messages(elasticsearch, namespace) == {"line 0": 1, "line 1": 1, "line 2": 1}


def test_a_request_that_does_not_arrive_is_sent_again(elasticsearch, proxy, sink, namespace):
    """A connection that ends before the server has the request leaves nothing there, and the repetition delivers."""
    proxy.play("n")
    batch = stored(document(1))
    with pytest.raises(SinkUnavailable):
        sink.send(batch, None)
    assert sink.send(batch, None) == Receipt(delivered=1)
    assert messages(elasticsearch, namespace) == {"line 1": 1}


def test_everything_arrives_once_through_a_bad_network(elasticsearch, proxy, sink, namespace, tmp_path):
    """Forty batches through a proxy that breaks two answers in three: each document is there once, and is counted."""
    proxy.play("".join(random.Random(7).choices("ppccchhnnn", k=90)))
    with Ledger.open(tmp_path) as ledger:
        file = register(ledger)
        for number in range(40):
            commit(ledger, file, documents=5, start=number * 5)
        courier = Courier(ledger, sink, threading.Event())
        while courier.step():
            pass
        delivered, duplicate, rejected = outcomes(ledger, "elasticsearch")[file.id]
    assert (delivered + duplicate, rejected) == (200, 0)
    assert duplicate > 0
    assert messages(elasticsearch, namespace) == {f"line {number}": 1 for number in range(200)}


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>502 Bad Gateway</html>",
        b"",
        b'{"took":1,"errors":false,"items":[]}',
        b'{"took":1,"errors":false,"items":[{"create":{"status":201}}]}',
        b'{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{"sta',
        b'{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{}}]}',
        b'{"took":1,"errors":false,"items":[{"create":{"status":201}},{}]}',
        b'{"took":1,"errors":false,"items":[{"create":{"status":201}},null]}',
        b'{"took":1,"errors":false,"items":7}',
        b"[]",
    ],
)
def test_an_answer_that_is_not_elasticsearchs_settles_nothing(answer_with, namespace, answer):
    """A proxy's page, or an answer with too few outcomes, with status 200: the outcome is unknown."""
    client = connect([answer_with(200, answer)])
    with pytest.raises(SinkUnavailable):
        ElasticsearchSink(client, namespace=namespace).send(stored(document(1), document(2)), None)
    client.close()


@pytest.mark.parametrize(
    ("status", "pause"), [(401, 60), (403, 60), (404, 5), (500, 0), (502, 0), (503, 0), (504, 0), (302, 0)]
)
def test_a_status_of_the_whole_request_settles_nothing(answer_with, namespace, status, pause):
    """Every other status is unavailable; a refused key is left alone for a minute."""
    client = connect([answer_with(status, b'{"error":{"type":"some_exception","reason":"some reason"}}')])
    with pytest.raises(SinkUnavailable, match="some reason") as caught:
        ElasticsearchSink(client, namespace=namespace).send(stored(document(1)), None)
    assert caught.value.pause == pause
    client.close()


@pytest.mark.parametrize("store", ["used", "not_enabled", "failed"])
def test_the_failure_store_is_not_delivery(answer_with, namespace, store):
    """A document that went to the failure store (201) is rejected: searches do not look there."""
    good, kept = b'{"create":{"status":201}}', b'{"create":{"status":201,"failure_store":"%b"}}' % store.encode()
    client = connect([answer_with(200, b'{"errors":false,"took":1,"items":[%b,%b]}' % (good, kept))])
    receipt = ElasticsearchSink(client, namespace=namespace).send(stored(document(1), document(2)), None)
    assert (receipt.delivered, [one.id for one in receipt.rejected]) == (1, ["k-1"])
    assert store in receipt.rejected[0].reason
    client.close()
