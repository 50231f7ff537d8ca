"""Broken connections in front of a real Elasticsearch: what arrives is what was sent, each document once."""

import contextlib
import random
import threading
import time
from collections import Counter

import orjson
import pytest
from contract.batches import commit, document, outcomes, register, stored
from elastic_transport import ConnectionError
from isal import isal_zlib
from urllib3.exceptions import NewConnectionError

from logship.delivery.courier import Courier
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import Answer, connect
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


@pytest.mark.parametrize("fault", ["c", "h", "s", "f", "r"])
def test_a_reply_that_is_lost_makes_no_second_copy(elasticsearch, proxy, sink, namespace, fault):
    """Cut, halved, never sent, half closed or reset: nobody knows the outcome, and the repetition finds all there."""
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


def test_a_connection_half_closed_between_requests_loses_nothing(elasticsearch, proxy, sink, namespace, tmp_path):
    """Where the server's side has ended after an answer, the next request is not lost in it, and nothing is doubled."""
    proxy.play("e" * 30)
    with Ledger.open(tmp_path) as ledger:
        file = register(ledger)
        for number in range(20):
            commit(ledger, file, documents=5, start=number * 5)
        assert Courier(ledger, sink, threading.Event(), longest_pause=0.1).drain(time.monotonic() + 60)
        delivered, duplicate, rejected = outcomes(ledger, "elasticsearch")[file.id]
    assert (delivered + duplicate, rejected) == (100, 0)
    assert messages(elasticsearch, namespace) == {f"line {number}": 1 for number in range(100)}


def test_everything_arrives_once_through_a_bad_network(elasticsearch, proxy, sink, namespace, tmp_path):
    """Forty batches through a proxy that breaks two answers in three: each document is there once, and is counted."""
    proxy.play("".join(random.Random(7).choices("ppccchhnnnferr", k=90)))
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


class Sequence:
    """A server's answers, one after the other, and the bodies that it was sent."""

    def __init__(self, *answers):
        self.answers, self.bodies = list(answers), []

    def request(self, _method, _path, body=None, **_):
        """Answer."""
        self.bodies.append(isal_zlib.decompress(body, 31) if body else b"")
        return Answer(200, self.answers.pop(0))

    def close(self):
        """Do nothing."""


def test_what_the_failure_store_took_is_repaired_once():
    """A document with a field that the table of fields knows differently is sent again with it moved, and delivered."""
    client = Sequence(
        b'{"errors":false,"items":[{"create":{"status":201,"failure_store":"used"}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}}]}',
    )
    odd = document(1, source="concrete", surprise={"a": 1})
    assert ElasticsearchSink(client).send(stored(odd), None) == Receipt(delivered=1)
    sent = orjson.loads(client.bodies[1].splitlines()[1])
    assert sent["dify"]["attributes"] == {"source": "concrete", "surprise": {"a": 1}}
    assert sent["logship"] == {"moved": ["source", "surprise"], "repaired": True}
    assert {name: sent[name] for name in ("@timestamp", "message", "log")} == document(1)


@pytest.mark.parametrize(
    "answers",
    [
        [b'{"items":[{"create":{"status":403}},{"create":{"status":201}}]}'],
        [
            b'{"items":[{"create":{"status":201}},{"create":{"status":400,"error":{"type":"document_parsing_exception",'
            b'"reason":"[1:2] failed to parse field [source.ip] of type [ip]"}}}]}'
        ],
    ],
    ids=["refused after", "repaired"],
)
def test_a_batch_of_which_some_was_taken_is_in_doubt(answers):
    """Whatever ends the attempt then: another item, or no connection for the rest."""

    class Ending(Sequence):
        def request(self, *arguments, **more):
            if not self.answers:
                raise ConnectionError("refused") from NewConnectionError(None, "refused")
            return super().request(*arguments, **more)

    sink = ElasticsearchSink(Ending(*answers))
    with pytest.raises(SinkUnavailable):
        sink.send(stored(document(1), document(2, source={"ip": "x"}), seq=9), None)
    assert sink.doubtful == {9}


class Older:
    """A server that does not know a parameter; each first request waits until two are under way."""

    def __init__(self):
        self.both = threading.Barrier(2)
        self.first = threading.local()

    def request(self, _method, path, _body=None, **_):
        """Refuse the parameter, as OpenSearch does."""
        if not getattr(self.first, "passed", False):
            self.first.passed = True
            self.both.wait(10)
        if "require_data_stream" in path:
            reason = "request [/x] contains unrecognized parameters: [include_source_on_error], [require_data_stream]"
            return Answer(400, orjson.dumps({"error": {"type": "illegal_argument_exception", "reason": reason}}))
        return Answer(200, b'{"errors":false,"items":[{"create":{"status":201}}]}')

    def close(self):
        """Do nothing."""


def test_requests_that_find_out_together_what_an_older_server_does_not_know_all_go_on():
    """Each is sent again without it, whoever was first."""
    sink, receipts = ElasticsearchSink(Older(), in_flight=2), []
    threads = [
        threading.Thread(target=lambda seq=seq: receipts.append(sink.send(stored(document(seq), seq=seq), None)))
        for seq in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert receipts == [Receipt(delivered=1)] * 2


def test_an_audit_event_is_never_changed():
    """What an audit stream refuses is rejected as it is, for its bytes are sealed."""
    client = Sequence(
        b'{"errors":true,"items":[{"create":{"status":400,"error":{"type":"document_parsing_exception",'
        b'"reason":"failed to parse field [source.ip] of type [ip]"}}}]}'
    )
    receipt = ElasticsearchSink(client).send(stored(document(1), dataset="dify.audit"), None)
    assert ([one.id for one in receipt.rejected], len(client.bodies)) == (["k-0"], 1)


def rolled_over(client, proxy, sink, namespace):
    """Lose the answer to a batch that arrived, then roll the stream over; give the batch."""
    batch = stored(document(1), document(2), seq=7)
    sink.send(stored(document(0), key="a", seq=6), None)
    proxy.play("c")
    with pytest.raises(SinkUnavailable) as caught:
        sink.send(batch, None)
    assert caught.value.unknown
    assert client.request("POST", f"/logs-dify.api-{namespace}/_rollover").status == 200
    return batch


def test_a_rollover_between_a_lost_answer_and_its_repetition_makes_no_second_copy(
    elasticsearch, proxy, sink, namespace
):
    """`create` cannot see the index before; the documents are looked up there, and count as duplicates."""
    batch = rolled_over(elasticsearch, proxy, sink, namespace)
    assert sink.send(batch, None) == Receipt(duplicate=["k-0", "k-1"])
    assert messages(elasticsearch, namespace) == {"line 0": 1, "line 1": 1, "line 2": 1}


def test_where_nothing_can_be_looked_up_a_repetition_is_marked(elasticsearch, proxy, answer_with, namespace):
    """A key that may not read: what is sent again is counted, and found by its mark, once for each second copy."""
    forbidden = connect([answer_with(403, b'{"error":"no"}')])
    sink = ElasticsearchSink(connect([proxy.url], timeout=4.0), namespace=namespace, reader=forbidden)
    batch = rolled_over(elasticsearch, proxy, sink, namespace)
    assert sink.send(batch, None) == Receipt(delivered=2, redelivered=2)
    assert messages(elasticsearch, namespace) == {"line 0": 1, "line 1": 2, "line 2": 2}
    answer = elasticsearch.request("GET", f"/logs-dify.api-{namespace}/_search?q=logship.redelivered:true").json()
    assert sorted(hit["_id"] for hit in answer["hits"]["hits"]) == ["k-0", "k-1"]
    sink.close()


def test_a_batch_that_an_earlier_run_may_have_sent_is_looked_up(elasticsearch, namespace):
    """After a crash the batches that were under way are looked up before they are sent, also across a rollover."""
    batch = stored(document(1), document(2), seq=7)
    ElasticsearchSink(elasticsearch, namespace=namespace).send(batch, None)
    elasticsearch.request("POST", f"/logs-dify.api-{namespace}/_rollover")
    later = ElasticsearchSink(elasticsearch, namespace=namespace, doubtful=[7])
    assert later.send(batch, None) == Receipt(duplicate=["k-0", "k-1"])
    assert messages(elasticsearch, namespace) == {"line 1": 1, "line 2": 1}


def test_what_surely_did_not_arrive_is_in_no_doubt(elasticsearch, answer_with, namespace):
    """Nobody listens, the key is refused, or the stream is blocked: the next run need not ask, nor mark anything."""
    batch = stored(document(1), document(2), seq=7)
    for url in ("http://127.0.0.1:1", answer_with(401, b'{"error":"no"}'), answer_with(429, b'{"error":"busy"}')):
        sink = ElasticsearchSink(connect([url], timeout=4.0), namespace=namespace)
        with contextlib.suppress(SinkUnavailable):
            sink.send(batch, None)
        assert sink.doubtful == frozenset()
        sink.close()
    sink = ElasticsearchSink(elasticsearch, namespace=namespace)
    sink.send(batch, None)
    stream = f"logs-dify.api-{namespace}"
    blocked = elasticsearch.request("PUT", f"/{stream}/_settings", b'{"index.blocks.write": true}')
    assert blocked.status == 200
    with pytest.raises(SinkUnavailable):
        sink.send(stored(document(3), seq=8), None)
    assert sink.doubtful == {7}


def test_what_may_have_arrived_is_in_doubt_for_the_next_run(elasticsearch, proxy, sink, namespace):
    """An answer that was lost, and a batch that was taken in part."""
    rolled_over(elasticsearch, proxy, sink, namespace)
    assert sink.doubtful == {6, 7}


def test_many_batches_under_way_arrive_once_through_a_bad_network(elasticsearch, proxy, namespace, tmp_path):
    """Four requests at a time, two answers in three broken: each document is there once, and the books close."""
    proxy.play("".join(random.Random(11).choices("ppccchhnnnferr", k=60)))
    sink = ElasticsearchSink(connect([proxy.url], timeout=4.0), namespace=namespace, in_flight=4)
    with Ledger.open(tmp_path) as ledger:
        file = register(ledger)
        for start in range(0, 60, 2):
            commit(ledger, file, start=start)
        courier = Courier(ledger, sink, threading.Event(), jitter=lambda: 0.0, first_pause=0.0)
        while courier.step():
            pass
        assert sum(outcomes(ledger, sink.name)[file.id]) == 60
    assert messages(elasticsearch, namespace) == {f"line {number}": 1 for number in range(60)}
    sink.close()


def test_a_host_that_does_not_answer_is_left_out(elasticsearch, elasticsearch_url, namespace):
    """Of two hosts, of which one is down, every batch is delivered at the first attempt."""
    assert elasticsearch  # the templates are there
    sink = ElasticsearchSink(connect(["http://127.0.0.1:1", elasticsearch_url]), namespace=namespace)
    for number in range(6):
        assert sink.send(stored(document(number), key=f"h{number}"), None) == Receipt(delivered=1)
    sink.close()
