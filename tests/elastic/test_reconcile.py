"""`logship reconcile` tells what is missing, there twice, altered or unknown in Elasticsearch."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import orjson
import pytest
from contract.batches import commit, register
from servers.proxy import Proxy

from logship.delivery.courier import Courier
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates
from logship.elastic.reconcile import reconcile
from logship.ledger.ledger import Ledger
from logship.ledger.status import status
from logship.store.search import Search


@pytest.fixture
def shipped(elasticsearch_url, elasticsearch, namespace, tmp_path):
    """Give a way to call `logship` on a state whose fifty documents were delivered."""
    ensure_templates(elasticsearch)
    env = {
        "LOGSHIP_ELASTICSEARCH__HOSTS": elasticsearch_url, "LOGSHIP_NAMESPACE": namespace, "PATH": "",
        "LOGSHIP_STATE_DIR": str(tmp_path / "state"),
    }  # fmt: skip

    def call(*arguments, **more):
        command = [sys.executable, "-m", "logship", *map(str, arguments)]
        return subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)

    lines = [f"2025-11-20 08:00:{number:02d}.412 INFO [T] [app.py:1]  - event {number}" for number in range(50)]
    (tmp_path / "api.log").write_text("\n".join(lines) + "\n")
    call.log = tmp_path / "api.log"
    done = call("tail", "--once", "--output", "none", "--service", "api", call.log)
    assert done.returncode == 0, done.stderr
    call.stream = f"/logs-dify.api-{namespace}"
    return call


def reconciled(shipped):
    """Return exit code and what was found."""
    done = shipped("reconcile", "--since", "2025-11-20", "--until", "2025-11-21", "--json")
    return done.returncode, orjson.loads(done.stdout)


def hits(elasticsearch, stream):
    """Return the documents of a stream by their message."""
    elasticsearch.request("POST", f"{stream}/_refresh")
    answer = elasticsearch.request("GET", f"{stream}/_search?size=1000").json()
    return {hit["_source"]["message"]: hit for hit in answer["hits"]["hits"]}


def test_what_was_delivered_agrees(shipped):
    """Nothing is missing, twice, altered or unknown, and the exit code is 0."""
    code, found = reconciled(shipped)
    assert (code, found["compared"], found["agrees"]) == (0, 50, True)
    shown = shipped("reconcile", "--since", "2025-11-20", "--until", "2025-11-21").stdout
    assert "each document that was delivered is there, once, as it was" in shown


def test_each_difference_is_counted_and_named(shipped, elasticsearch):
    """A deleted, an altered and a foreign document, and one in two backing indices, are told apart."""
    there = hits(elasticsearch, shipped.stream)
    gone, changed, again = there["event 1"], there["event 2"], there["event 3"]
    elasticsearch.request("DELETE", f"/{gone['_index']}/_doc/{gone['_id']}")
    forged = orjson.dumps(changed["_source"] | {"message": "nothing to see"})
    place = f"/{changed['_index']}/_doc/{changed['_id']}"
    version = elasticsearch.request("GET", place).json()
    condition = f"if_seq_no={version['_seq_no']}&if_primary_term={version['_primary_term']}"
    assert elasticsearch.request("PUT", f"{place}?{condition}", forged).status == 200
    assert elasticsearch.request("POST", f"{shipped.stream}/_rollover").status == 200
    for name, source in ((again["_id"], again["_source"]), ("stranger", again["_source"])):
        answer = elasticsearch.request("PUT", f"{shipped.stream}/_create/{name}", orjson.dumps(source))
        assert answer.status == 201
    elasticsearch.request("POST", f"{shipped.stream}/_refresh")
    code, found = reconciled(shipped)
    assert (code, found["agrees"]) == (9, False)
    assert (found["missing"], found["altered"], found["twice"], found["unknown"]) == (1, 1, 1, 1)
    assert found["ids"] == {"missing": [gone["_id"]], "altered": [changed["_id"]], "twice": [again["_id"]]}


def test_what_waits_is_not_missing(shipped):
    """Documents that were not delivered yet are counted as such, and everything agrees."""
    with shipped.log.open("a") as file:
        file.write("2025-11-20 08:01:00.412 INFO [T] [app.py:1]  - not there yet\n")
    nobody = {"LOGSHIP_ELASTICSEARCH__HOSTS": "http://127.0.0.1:9", "LOGSHIP_SHUTDOWN__DRAIN_SECONDS": "0.1"}
    away = shipped("tail", "--once", "--output", "none", "--service", "api", shipped.log, **nobody)
    assert away.returncode == 7
    code, found = reconciled(shipped)
    assert (code, found["waiting"], found["missing"], found["agrees"]) == (0, 1, 0, True)


def test_a_second_copy_across_a_rollover_is_counted_and_found(
    elasticsearch, elasticsearch_url, answer_with, namespace, tmp_path
):
    """A lost answer, a rollover, a key that may not read: status counts what may be there twice, and it is found."""
    ensure_templates(elasticsearch)
    forbidden = connect([answer_with(403, b'{"error":"no"}')])
    with Proxy(elasticsearch_url) as proxy, Ledger.open(tmp_path) as ledger:
        sink = ElasticsearchSink(connect([proxy.url], timeout=4.0), namespace=namespace, reader=forbidden)
        file = register(ledger)
        commit(ledger, file, documents=1)
        courier = Courier(ledger, sink, threading.Event(), first_pause=0.01)
        assert courier.drain(time.monotonic() + 20)
        commit(ledger, file, documents=2, start=1)
        proxy.play("c")
        assert courier.step()
        assert courier.pause
        assert elasticsearch.request("POST", f"/logs-dify.api-{namespace}/_rollover").status == 200
        assert courier.drain(time.monotonic() + 20)
        sink.close()
        forbidden.close()
    (found,) = status(tmp_path).sinks
    assert (found.delivered, found.redelivered) == (3, 2)
    span = {"since": datetime(2026, 1, 2, tzinfo=UTC), "until": datetime(2026, 1, 3, tzinfo=UTC)}
    elasticsearch.request("POST", f"/logs-dify.api-{namespace}/_refresh")
    there = reconcile(
        Search(tmp_path), elasticsearch, namespace=namespace, **span, undelivered=lambda _: (set(), set()),
        wait=lambda _: None, told=lambda *_: None,
    )  # fmt: skip
    assert (there.compared, there.missing, there.twice) == (3, 0, 2)
    assert there.ids["twice"] == [f"{file.key}-1", f"{file.key}-2"]


def test_without_a_store_there_is_nothing_to_compare(shipped):
    """The error says so, and what to set."""
    done = shipped("reconcile", LOGSHIP_STORE__ENABLED="false")
    assert done.returncode == 2
    assert "set store.enabled to true" in done.stderr


def test_a_span_without_documents_compares_nothing(shipped):
    """That nothing was kept here of that time is said, and not that all of it is there."""
    done = shipped("reconcile", "--since", "2025-11-10", "--until", "2025-11-11")
    assert done.returncode == 0
    assert "nothing was compared" in done.stdout
    assert "each document" not in done.stdout
