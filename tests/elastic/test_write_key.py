"""The agent with the key that `logship setup --only keys` makes for it."""

import subprocess
import sys

import orjson
import pytest
from contract.batches import document, stored
from servers import elasticsearch as server
from structlog.testing import capture_logs

from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.delivery.sinks.prepared import Prepared
from logship.elastic.client import connect
from logship.elastic.identity import Identity, Secret
from logship.elastic.installer import ensure_templates
from logship.elastic.keys import make_keys, only_writes, plan_keys


@pytest.fixture(scope="module")
def secured():
    """Give a server with security and our templates, by its URL and a connection that may do everything."""
    with server.running(security=True) as url:
        client = connect([url], identity=Identity(username=server.USER, password=Secret(server.PASSWORD)))
        ensure_templates(client)
        yield url, client
        client.close()


def test_a_key_that_only_writes_is_no_reason_for_a_warning(secured, namespace):
    """That it cannot look after templates is said once, as information; whoever may does, and is told nothing."""
    url, everything = secured
    write, _ = make_keys(everything, plan_keys(everything, namespace))
    for client, left in ((connect([url], identity=Identity(Secret(write.encoded))), True), (everything, False)):
        sink = Prepared(
            ElasticsearchSink(client, namespace=namespace),
            lambda client=client: ensure_templates(client),
            lambda client=client: only_writes(client),
        )
        with capture_logs() as said:
            assert sink.send(stored(document(1), key=f"k{left}"), None).delivered == 1
            assert sink.send(stored(document(2), key=f"l{left}"), None).delivered == 1
        assert [one["log_level"] for one in said] == ["info"] * left


def test_doctor_says_that_the_key_only_writes(secured, namespace, tmp_path):
    """All is well, and who looks after templates is said there."""
    url, everything = secured
    write, _ = make_keys(everything, plan_keys(everything, namespace))
    env = {
        "LOGSHIP_ELASTICSEARCH__HOSTS": url, "LOGSHIP_ELASTICSEARCH__API_KEY": write.encoded, "PATH": "",
        "LOGSHIP_STATE_DIR": str(tmp_path),
    }  # fmt: skip
    command = [sys.executable, "-m", "logship", "doctor", "--json"]
    done = subprocess.run(command, env=env, capture_output=True, check=False)
    findings = [one for check in orjson.loads(done.stdout)["checks"] for one in check["findings"]]
    (found,) = [one for one in findings if one["subject"] == "elasticsearch"]
    assert found["state"] == "ok"
    assert "templates are left to `logship setup`" in found["what"]
