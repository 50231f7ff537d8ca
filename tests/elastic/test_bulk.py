"""Bulk requests against a real Elasticsearch: what it answers, and what becomes of each document."""

import random
from contextlib import contextmanager

import orjson
import pytest
from contract.batches import TIME, document, stored

from logship.delivery.bulk import pack
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.model import Receipt, StoredBatch


@pytest.fixture
def sink(elasticsearch, namespace):
    """Give a sink with data streams of its own."""
    return ElasticsearchSink(elasticsearch, namespace=namespace)


def found(client, namespace, dataset="dify.api"):
    """Return the ids of the documents of a data stream."""
    stream = f"logs-{dataset}-{namespace}"
    client.request("POST", f"/{stream}/_refresh")
    answer = client.request("GET", f"/{stream}/_search?size=10000").json()
    return sorted(hit["_id"] for hit in answer["hits"]["hits"])


@contextmanager
def setting(client, values):
    """Change settings of the cluster for a while."""
    assert client.request("PUT", "/_cluster/settings", orjson.dumps({"persistent": values})).status == 200
    try:
        yield
    finally:
        client.request("PUT", "/_cluster/settings", orjson.dumps({"persistent": dict.fromkeys(values)}))


def test_data_streams_appear_by_themselves(elasticsearch, sink, namespace):
    """The first batch of each dataset makes its data stream, as the template says."""
    sink.send(stored(document(1)), None)
    sink.send(stored(document(2), dataset="dify.nginx"), None)
    answer = elasticsearch.request("GET", f"/_resolve/index/logs-*-{namespace}").json()
    assert [one["name"] for one in answer["data_streams"]] == [
        f"logs-dify.{one}-{namespace}" for one in ("api", "nginx")
    ]
    assert found(elasticsearch, namespace, "dify.nginx") == ["k-0"]


def test_created_conflicting_and_refused_documents_are_told_apart(elasticsearch, sink, namespace):
    """In one batch 201 is delivered, 409 a duplicate, 400 rejected with its reason; each document keeps its own id."""
    sink.send(stored(document(1)), None)
    refused = [{"message": "no time"}, document(3, **{"@timestamp": "yesterday"}), b'{"broken']
    receipt = sink.send(stored(document(1), *refused, document(5)), None)
    assert (receipt.delivered, receipt.duplicate, receipt.deferred) == (1, ["k-0"], [])
    assert [(one.id, one.status) for one in receipt.rejected] == [("k-1", 400), ("k-2", 400), ("k-3", 400)]
    assert "[@timestamp] is missing" in receipt.rejected[0].reason
    assert receipt.rejected[0].document == b'{"message":"no time"}'
    assert found(elasticsearch, namespace) == ["k-0", "k-4"]


def test_reasons_do_not_quote_the_document(sink):
    """What the server says of a document that it refused holds none of the document's values."""
    secret = "hunter2hunter2"
    bad = [
        document(**{"@timestamp": secret}),
        document(dify={"attributes": secret}),
        b'{"@timestamp":"%b","message":"%b' % (TIME.encode(), secret.encode()),
    ]
    receipt = sink.send(stored(*bad), None)
    assert len(receipt.rejected) == 3
    assert "caused by date_time_parse_exception" in receipt.rejected[0].reason
    assert [one.reason for one in receipt.rejected if secret in one.reason] == []


def test_a_field_that_does_not_fit_the_mapping_is_moved(elasticsearch, sink, namespace):
    """A document with text where the mapping has an object, or the reverse, is delivered with these fields moved."""
    odd = document(1, source="concrete", http={"response": {"status_code": {"a": 1}, "bytes": 7}})
    receipt = sink.send(stored(document(0), odd, {"message": "no time"}), None)
    assert (receipt.delivered, [one.id for one in receipt.rejected]) == (2, ["k-2"])
    assert found(elasticsearch, namespace) == ["k-0", "k-1"]
    query = "dify.attributes.source:concrete%20AND%20dify.attributes.http.response.status_code.a:1"
    answer = elasticsearch.request("GET", f"/logs-dify.api-{namespace}/_search?q={query}").json()
    (kept,) = [hit["_source"] for hit in answer["hits"]["hits"]]
    assert kept["http"] == {"response": {"bytes": 7}}
    assert sorted(kept["logship"]["moved"]) == ["http.response.status_code", "source"]
    assert kept["logship"]["repaired"] is True


def test_a_field_that_is_moved_may_be_deep(elasticsearch, sink, namespace):
    """What is moved has no more levels than the place takes: deeper objects are texts there."""
    receipt = sink.send(stored(document(0, error={"code": nested(40)})), None)
    assert receipt == Receipt(delivered=1)
    assert found(elasticsearch, namespace) == ["k-0"]


def test_the_reason_names_the_innermost_cause(sink):
    """Of a document that is nested too deep, it says by what limit, and not only that a field cannot be parsed."""
    (rejected,) = sink.send(stored(document(dify={"attributes": nested(40)})), None).rejected
    assert "exceeds the maximum depth limit of [20]" in rejected.reason


def nested(levels):
    """Return objects in one another."""
    return {"a": nested(levels - 1)} if levels else "deep"


def test_a_document_that_cannot_be_repaired_is_kept_as_it_was(sink):
    """When moving fields does not help, the rejected document is the original, with the first reason."""
    odd = document(1, source="concrete") | {"@timestamp": "yesterday"}
    (rejected,) = sink.send(stored(odd), None).rejected
    assert (rejected.document, rejected.status) == (orjson.dumps(odd), 400)


def test_a_value_that_is_not_of_its_fields_type_does_not_lose_the_document(elasticsearch, sink, namespace):
    """A malformed number or address is kept in the document and left out of the index."""
    odd = document(source={"ip": "unix:"}, http={"response": {"status_code": "none"}})
    assert sink.send(stored(odd), None) == Receipt(delivered=1)
    assert found(elasticsearch, namespace) == ["k-0"]


def test_many_different_keys_do_not_grow_the_mapping(elasticsearch, sink, namespace):
    """Two thousand unknown keys under `dify.attributes` are one field, and each can be searched."""
    sink.send(stored(*(document(place, dify={"attributes": {f"key{place}": "v"}}) for place in range(2000))), None)
    stream = f"logs-dify.api-{namespace}"
    elasticsearch.request("POST", f"/{stream}/_refresh")
    answer = elasticsearch.request("GET", f"/{stream}/_search?q=dify.attributes.key1234:v").json()
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["k-1234"]
    mapping = elasticsearch.request("GET", f"/{stream}/_mapping").body
    assert b"key1234" not in mapping


def test_a_request_that_is_too_large_is_halved_until_it_fits(elasticsearch, sink, namespace):
    """After 413 the halves are sent; a document that is too large by itself is rejected; the size is remembered."""
    nodes = elasticsearch.request("GET", "/_nodes/_local/http").json()["nodes"]
    limit = next(iter(nodes.values()))["http"]["max_content_length_in_bytes"]
    part = "x" * (limit // 6)
    batch = stored(*(document(message=part) for _ in range(8)), document(message="x" * limit), document(9))
    receipt = sink.send(batch, None)
    assert (receipt.delivered, [(one.id, one.status) for one in receipt.rejected]) == (9, [("k-8", 413)])
    assert sink.send(batch, None).duplicate == [f"k-{place}" for place in (0, 1, 2, 3, 4, 5, 6, 7, 9)]
    assert len(found(elasticsearch, namespace)) == 9


def test_one_document_that_spoils_the_request_is_found(elasticsearch, sink, namespace):
    """A whole-request 400 (here: an id too long) is bisected: that document is rejected, all others delivered."""
    names = [f"k-{place}" for place in range(7)]
    names[4] = "k" * 600
    body = pack([(name, orjson.dumps(document(place))) for place, name in enumerate(names)])
    receipt = sink.send(StoredBatch(1, "dify.api", 7, TIME, TIME, {1: 7}, body), None)
    assert (receipt.delivered, [(one.id, one.status) for one in receipt.rejected]) == (6, [(names[4], 400)])
    assert found(elasticsearch, namespace) == ["k-0", "k-1", "k-2", "k-3", "k-5", "k-6"]


def test_a_wrong_address_blames_no_document(elasticsearch_url, namespace):
    """When the server refuses every request (a path that is not there: 400), no document is rejected for it."""
    client = connect([f"{elasticsearch_url}/_nonsense"])
    with pytest.raises(SinkUnavailable, match="no handler found"):
        ElasticsearchSink(client, namespace=namespace).send(stored(document(1)), None)
    client.close()


def test_without_a_template_nothing_is_created(elasticsearch, namespace):
    """Where no template makes a data stream, no plain index appears, and the reason says what to run."""
    sink = ElasticsearchSink(elasticsearch, namespace=namespace)
    with pytest.raises(SinkUnavailable, match="logship setup"):
        sink.send(stored(document(1), dataset="foreign"), None)
    assert elasticsearch.request("GET", f"/logs-foreign-{namespace}").status == 404


def test_a_stream_that_may_not_be_written_is_left_alone(elasticsearch, sink, namespace):
    """A write block (403) rejects nothing: the courier pauses for long, and delivers when it is lifted."""
    sink.send(stored(document(1)), None)
    block = f"/logs-dify.api-{namespace}/_settings"
    elasticsearch.request("PUT", block, b'{"index.blocks.write":true}')
    with pytest.raises(SinkUnavailable, match="403") as caught:
        sink.send(stored(document(2), key="b"), None)
    assert caught.value.pause == 60
    elasticsearch.request("PUT", block, b'{"index.blocks.write":false}')
    assert sink.send(stored(document(2), key="b"), None) == Receipt(delivered=1)


def test_a_full_disk_defers_the_documents(elasticsearch, sink, namespace):
    """The block of a full disk (429 for each document) defers them, and they are delivered when it is lifted."""
    sink.send(stored(document(1)), None)
    block = f"/logs-dify.api-{namespace}/_settings"
    elasticsearch.request("PUT", block, b'{"index.blocks.read_only_allow_delete":true}')
    batch = stored(document(2), document(3), key="b")
    receipt = sink.send(batch, None)
    assert (receipt.deferred, receipt.reason[:8]) == (["b-0", "b-1"], "HTTP 429")
    elasticsearch.request("PUT", block, b'{"index.blocks.read_only_allow_delete":null}')
    assert sink.send(batch, frozenset(receipt.deferred)) == Receipt(delivered=2)


def test_an_overloaded_server_is_given_less_at_once(elasticsearch, sink, namespace):
    """After a whole-request 429 a repetition sends half as much at once, until it fits, and everything arrives."""
    sink.send(stored(document(1)), None)
    batch = stored(*(document(place, message=random.randbytes(2000).hex()) for place in range(8)), key="b")
    with setting(elasticsearch, {"rest.incremental_bulk": False, "network.breaker.inflight_requests.limit": "20kb"}):
        receipts = [sink.send(batch, None)]
        while receipts[-1].deferred and len(receipts) < 20:
            receipts.append(sink.send(batch, frozenset(receipts[-1].deferred)))
    assert receipts[0].deferred == [f"b-{place}" for place in range(8)]
    assert "circuit_breaking_exception" in receipts[0].reason
    assert receipts[0].delivered == 0
    assert max(receipt.delivered for receipt in receipts) < 8
    assert sum(receipt.delivered for receipt in receipts) == 8
    assert len(found(elasticsearch, namespace)) == 9


def test_nobody_listens(namespace):
    """A port where nobody listens is unavailable, with a reason for the status page."""
    with pytest.raises(SinkUnavailable, match="refused"):
        ElasticsearchSink(connect(["http://127.0.0.1:1"]), namespace=namespace).send(stored(document()), None)
