"""An outage of an hour, on a clock of the test's own, in front of a real Elasticsearch."""

import threading

import pytest
from contract.batches import commit, document, register
from crash.test_exactly_once import in_elasticsearch
from servers.proxy import Proxy

from logship.delivery.courier import Courier
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.ledger.ledger import Ledger
from logship.ledger.status import status


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds since the beginning."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.mark.parametrize("fault", ["n", "c"], ids=["requests do not arrive", "answers are lost"])
def test_an_hour_of_outage_ends_within_a_minute_of_the_server_s_return(
    elasticsearch, elasticsearch_url, namespace, tmp_path, fault
):
    """Attempts go on once a minute at least and not oftener than needed; then all is there, in order and once."""
    with Proxy(elasticsearch_url) as proxy, Ledger.open(tmp_path / "state") as ledger:
        file, clock = register(ledger), Clock()
        sink = ElasticsearchSink(connect([proxy.url], timeout=4.0), namespace=namespace)
        courier = Courier(ledger, sink, threading.Event(), wait=clock.wait, clock=clock)
        pauses = []
        while clock.now < 3600:
            commit(ledger, file, start=len(pauses) * 2)
            proxy.play(fault * 10)
            assert courier.step()
            pauses.append(courier.pause)
            clock.wait(courier.pause)
        assert 60 <= len(pauses) < 200
        assert max(pauses) <= 60
        proxy.play("")
        back = clock.now
        assert courier.drain(back + 60)
        assert clock.now - back < 5  # the clock stands still while requests are answered
        found = in_elasticsearch(elasticsearch, f"logs-dify.api-{namespace}")
        assert {document(number)["message"]: 1 for number in range(len(pauses) * 2)} == found
        (books,) = status(ledger.directory).sinks
        assert (len(pauses) * 2, 0) == (books.delivered + books.duplicate, books.pending)
        sink.close()
