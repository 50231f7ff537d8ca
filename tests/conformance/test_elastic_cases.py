"""Group K: delivery to a real Elasticsearch; answers that no server can be made to give come from a fixed one."""

import threading

import orjson
import pytest
from conformance.harness import lines
from contract.batches import document, stored

from logship.delivery.courier import Courier
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.model import Receipt


@pytest.fixture
def sink(elasticsearch, namespace):
    """Give a sink with data streams of its own."""
    return ElasticsearchSink(elasticsearch, namespace=namespace)


@pytest.fixture
def through_proxy(elasticsearch, proxy, namespace):
    """Give a sink that speaks to the server through a proxy, and is not patient."""
    assert elasticsearch
    made = ElasticsearchSink(connect([proxy.url], timeout=4.0), namespace=namespace)
    yield made
    made.close()


def there(client, namespace) -> dict[str, dict]:
    """Return the documents of all of a namespace's data streams, by id."""
    client.request("POST", f"/logs-dify.*-{namespace}/_refresh")
    answer = client.request("GET", f"/logs-dify.*-{namespace}/_search?size=10000").json()
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}


def deliver(agent, sink) -> None:
    """Let a courier of an agent deliver what waits."""
    courier = Courier(agent.ledger, sink, threading.Event(), wait=lambda _: None)
    for _ in range(50):
        if not courier.step():
            return
    raise AssertionError("delivery does not come to an end")


def test_case_102_only_the_document_that_was_put_off_is_sent_again(elasticsearch, sink, namespace):
    """
    Of a batch for two streams the documents of a full one are put off (429): only they are sent again, with their ids.

    In spirit: the server puts off all documents of a stream, not one of three.
    """
    sink.send(stored(document(1)), None)
    block = f"/logs-dify.api-{namespace}/_settings"
    elasticsearch.request("PUT", block, b'{"index.blocks.read_only_allow_delete":true}')
    batch = stored(document(2), document(3), key="b")
    receipt = sink.send(batch, None)
    assert ["b-0", "b-1"] == receipt.deferred
    elasticsearch.request("PUT", block, b'{"index.blocks.read_only_allow_delete":null}')
    assert Receipt(delivered=1) == sink.send(batch, frozenset(["b-1"]))
    assert Receipt(delivered=1) == sink.send(batch, frozenset(["b-0"]))
    assert ["b-0", "b-1", "k-0"] == sorted(there(elasticsearch, namespace))


def test_case_103_a_document_that_does_not_fit_the_mapping_is_repaired_or_kept(elasticsearch, sink, namespace):
    """A field that does not fit is moved, and the document delivered; what cannot be repaired is kept with a reason."""
    receipt = sink.send(stored(document(0), document(1, source="concrete"), {"message": "no time"}), None)
    assert (2, ["k-2"]) == (receipt.delivered, [one.id for one in receipt.rejected])
    assert "[@timestamp] is missing" in receipt.rejected[0].reason
    assert b'{"message":"no time"}' == receipt.rejected[0].document
    assert ["source"] == there(elasticsearch, namespace)["k-1"]["logship"]["moved"]


def test_case_104_documents_that_are_all_there_already_are_success(site, elasticsearch, sink, namespace):
    """Every document conflicts with itself (409): counted as duplicate, the cursor moves, nothing is tried again."""
    site.write("app.log", *lines("line", 20))
    with site.agent() as agent:
        agent.settle()
        for batch in agent.ledger.after(0, limit=100):
            assert batch.count == sink.send(batch, None).delivered
        deliver(agent, sink)
    (books,) = site.books().sinks
    assert (0, 20, 0, 0) == (books.delivered, books.duplicate, books.rejected, books.pending)
    assert 20 == len(there(elasticsearch, namespace))
    site.check(lines("line", 20))


def test_case_105_a_request_that_is_too_large_is_halved(elasticsearch, sink, namespace):
    """After 413 the halves are sent; a document that is too large by itself is rejected, all others are delivered."""
    nodes = elasticsearch.request("GET", "/_nodes/_local/http").json()["nodes"]
    limit = next(iter(nodes.values()))["http"]["max_content_length_in_bytes"]
    big = [document(message="x" * (limit // 3)) for _ in range(4)]
    receipt = sink.send(stored(*big, document(message="x" * limit), document(5)), None)
    assert (5, [("k-4", 413)]) == (receipt.delivered, [(one.id, one.status) for one in receipt.rejected])
    assert 5 == len(there(elasticsearch, namespace))


def test_case_106_the_document_that_spoils_a_whole_request_is_found(elasticsearch, namespace, sink):
    """A 400 for the whole request, here for an id that is too long, is bisected: only that document is rejected."""
    key = "k" * 600
    bad, good = stored(document(1), key=key), stored(*(document(number) for number in range(6)))
    assert [(f"{key}-0", 400)] == [(one.id, one.status) for one in sink.send(bad, None).rejected]
    assert Receipt(delivered=6) == sink.send(good, None)
    assert 6 == len(there(elasticsearch, namespace))


@pytest.mark.parametrize("store", ["used", "not_enabled", "failed"])
def test_case_107_the_failure_store_is_no_delivery(answer_with, namespace, store):
    """A document that the failure store took or did not take (`failure_store`) is rejected, not delivered."""
    good, kept = b'{"create":{"status":201}}', b'{"create":{"status":201,"failure_store":"%b"}}' % store.encode()
    client = connect([answer_with(200, b'{"errors":false,"took":1,"items":[%b,%b]}' % (good, kept))])
    receipt = ElasticsearchSink(client, namespace=namespace).send(stored(document(1), document(2)), None)
    client.close()
    assert (1, ["k-1"]) == (receipt.delivered, [one.id for one in receipt.rejected])
    assert store in receipt.rejected[0].reason


@pytest.mark.parametrize("fault", ["c", "h", "s", "n"])
def test_case_108_a_broken_answer_makes_no_second_copy(site, elasticsearch, proxy, through_proxy, namespace, fault):
    """The connection is reset before or after sending, or the answer cut short: sent again, each document once."""
    site.write("app.log", *lines("line", 30))
    with site.agent() as agent:
        agent.settle()
        proxy.play(fault)
        deliver(agent, through_proxy)
    found = [body["message"] for body in there(elasticsearch, namespace).values()]
    assert sorted(line.rstrip() for line in lines("line", 30)) == sorted(found)
    (books,) = site.books().sinks
    assert (30, 0, 0) == (books.delivered + books.duplicate, books.rejected, books.pending)
    site.check(lines("line", 30))


@pytest.mark.parametrize(("status", "body"), [(503, b"{}"), (200, b"<html>Bad gateway</html>")])
def test_case_108_a_page_of_a_proxy_settles_nothing(answer_with, namespace, status, body):
    """503, and a proxy's page with status 200: the outcome is unknown, and everything is sent again later."""
    client = connect([answer_with(status, body)])
    with pytest.raises(SinkUnavailable):
        ElasticsearchSink(client, namespace=namespace).send(stored(document(1)), None)
    client.close()


def test_case_109_after_an_outage_everything_arrives_in_order(site, elasticsearch, sink, namespace):
    """
    Nobody listens while 1,000 lines are read in ten portions: delivered in their order when the server is back.

    In spirit: the outage lasts for ten attempts; the clock does not matter to the cursor.
    """
    away = ElasticsearchSink(connect(["http://127.0.0.1:1"]), namespace=namespace)
    with site.agent() as agent:
        courier = Courier(agent.ledger, away, threading.Event(), wait=lambda _: None)
        for start in range(0, 1000, 100):
            site.write("app.log", *lines("line", 100, start=start))
            agent.settle()
            courier.step()
            assert courier.pause
        deliver(agent, sink)
    (books,) = site.books().sinks
    assert (1000, 0, 0) == (books.delivered, books.rejected, books.pending)
    assert 1000 == len(there(elasticsearch, namespace))
    site.check(lines("line", 1000))


@pytest.mark.parametrize("status", [401, 403])
def test_case_110_a_refused_key_pauses_for_long_and_burns_nothing(site, answer_with, namespace, status):
    """401 and 403: nothing is rejected or lost, the next attempt is a minute away, and the reason stands in status."""
    client = connect([answer_with(status, b'{"error":{"type":"security_exception","reason":"no such key"}}')])
    refused = ElasticsearchSink(client, namespace=namespace)
    site.write("app.log", *lines("line", 5))
    with site.agent() as agent:
        agent.settle()
        courier = Courier(agent.ledger, refused, threading.Event(), wait=lambda _: None)
        courier.step()
        assert 60 <= courier.pause
    client.close()
    (books,) = site.books().sinks
    assert (0, 0, 5) == (books.delivered, books.rejected, books.pending)
    assert "no such key" in books.last_error
    site.check(lines("line", 5))


FORGED = '"}}\\n{"create":{"_index":"logs-forged","_id":"forged"}}\\n{"message":"forged"}'


def test_case_111_a_text_cannot_forge_lines_of_a_request(site, elasticsearch, sink, namespace):
    """Texts that look like action lines, with quotes and escapes, stay texts: as many documents as lines."""
    written = [FORGED, '{"create":{"_id":"x"}}', '\\", "_id": "y', "\u2028 and \u0085"]
    site.write("app.log", *(f"{text}\n" for text in written))
    with site.agent() as agent:
        agent.settle()
        deliver(agent, sink)
    found = there(elasticsearch, namespace)
    assert 4 == len(found)
    assert {document.id for document in site.documents()} == set(found)
    assert 404 == elasticsearch.request("GET", "/logs-forged").status
    (books,) = site.books().sinks
    assert (4, 0) == (books.delivered, books.rejected)


def test_case_112_two_thousand_keys_are_one_field(site, elasticsearch, sink, namespace):
    """Lines with 2,000 different JSON keys: each can be searched, and the mapping does not grow."""
    site.write("app.log", *(orjson.dumps({"message": f"m{n}", f"key{n}": "v"}).decode() + "\n" for n in range(2000)))
    with site.agent() as agent:
        agent.settle()
        deliver(agent, sink)
    assert 2000 == len(there(elasticsearch, namespace))
    mapping = elasticsearch.request("GET", f"/logs-*-{namespace}/_mapping").body
    assert b"key1234" not in mapping
    answer = elasticsearch.request("GET", f"/logs-*-{namespace}/_search?q=dify.attributes.key1234:v").json()
    assert 1 == answer["hits"]["total"]["value"]


def test_case_113_a_field_that_is_a_string_here_and_an_object_there_is_delivered(site, elasticsearch, sink, namespace):
    """`user` as a string and as an object: both are delivered and searchable, nothing is rejected."""
    site.write("app.log", '{"message": "a", "user": "ann"}\n', '{"message": "b", "user": {"name": "bob"}}\n')
    with site.agent() as agent:
        agent.settle()
        deliver(agent, sink)
    (books,) = site.books().sinks
    assert (2, 0) == (books.delivered, books.rejected)
    assert 2 == len(there(elasticsearch, namespace))
    for query in ("user:ann", "user.name:bob"):
        answer = elasticsearch.request("GET", f"/logs-*-{namespace}/_search?q=dify.attributes.{query}").json()
        assert 1 == answer["hits"]["total"]["value"], query
