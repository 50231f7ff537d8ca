"""Elasticsearch is made ready by the agent itself, or by `logship setup`."""

import orjson
from contract.batches import document, stored

from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.delivery.sinks.prepared import Prepared
from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates


def test_setup_says_what_it_did(elasticsearch_url, setup):
    """The command installs the templates, and the second time finds nothing to do."""
    for _ in range(2):
        done = setup(f'["{elasticsearch_url}"]', "--json")
    assert {"unchanged"} == {one["state"] for one in orjson.loads(done.stdout)["changes"]}


def test_the_agent_prepares_the_server_before_its_first_batch(elasticsearch_url, namespace):
    """A batch sent to a server without the template lands in a data stream."""
    client = connect([elasticsearch_url])
    client.request("DELETE", "/_index_template/logship-dify")
    sink = Prepared(ElasticsearchSink(client, namespace=namespace), lambda: ensure_templates(client))
    receipt = sink.send(stored(document(1), document(2), document(3)), None)
    sink.close()
    assert 3 == receipt.delivered
