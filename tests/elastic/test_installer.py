"""The packaged index templates on a real Elasticsearch."""

import orjson
import pytest

from logship.data import data_path
from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates
from logship.errors import ConfigError, LogshipError

TEMPLATE = orjson.loads((data_path("elk") / "index-templates/logship-dify.json").read_bytes())


@pytest.fixture
def folder(tmp_path, elasticsearch, namespace):
    """Give a folder with one template of a name that no other test uses."""
    name = f"logship-{namespace}"
    body = TEMPLATE | {"index_patterns": [f"logs-{namespace}.*-*"]}
    (tmp_path / f"{name}.json").write_bytes(orjson.dumps(body))
    yield tmp_path
    elasticsearch.request("DELETE", f"/_index_template/{name}")


def installed(client, namespace):
    """Return the template as the server has it."""
    answer = client.request("GET", f"/_index_template/logship-{namespace}").json()
    return answer["index_templates"][0]["index_template"]


def test_templates_are_installed_once(elasticsearch, folder, namespace):
    """The first run creates a template, the second changes nothing, a newer file updates it."""
    assert [one.state for one in ensure_templates(elasticsearch, folder)] == ["created"]
    assert [one.state for one in ensure_templates(elasticsearch, folder)] == ["unchanged"]
    path = folder / f"logship-{namespace}.json"
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"priority": 502}))
    assert [one.state for one in ensure_templates(elasticsearch, folder)] == ["updated"]
    assert installed(elasticsearch, namespace)["priority"] == 502


def test_field_types_that_the_server_lacks_are_replaced(elasticsearch, folder, namespace):
    """What the server does not know is replaced by the next best, and the result names what is missing."""
    (result,) = ensure_templates(elasticsearch, folder)
    template = installed(elasticsearch, namespace)
    message = template["template"]["mappings"]["properties"]["message"]["type"]
    assert message == ("text" if "match_only_text" in result.without else "match_only_text")
    assert template["_meta"]["without"] == list(result.without)


def test_a_template_of_somebody_else_is_left_alone(elasticsearch, folder, namespace):
    """A template of the same name that logship did not make is never overwritten."""
    theirs = {"index_patterns": [f"logs-{namespace}.x-*"], "priority": 7, "data_stream": {}}
    elasticsearch.request("PUT", f"/_index_template/logship-{namespace}", orjson.dumps(theirs))
    with pytest.raises(LogshipError, match="was not made by logship"):
        ensure_templates(elasticsearch, folder)
    assert installed(elasticsearch, namespace)["priority"] == 7


def test_a_template_that_no_server_takes_is_an_error(elasticsearch, folder, namespace):
    """A mistake in a template is told, with the server's words."""
    path = folder / f"logship-{namespace}.json"
    body = orjson.loads(path.read_bytes())
    body["template"]["mappings"]["properties"]["message"]["type"] = "nonsense"
    path.write_bytes(orjson.dumps(body))
    with pytest.raises(LogshipError, match="nonsense"):
        ensure_templates(elasticsearch, folder)


def test_an_unreachable_server_is_an_error_with_a_next_step():
    """Where nobody listens, the error says so and what to check."""
    with pytest.raises(LogshipError, match="cannot reach Elasticsearch") as caught:
        ensure_templates(connect(["http://127.0.0.1:1"]))
    assert "URL" in caught.value.hint


@pytest.mark.parametrize("host", ["localhost", "localhost:9200", "ftp//x", ""])
def test_an_address_that_is_no_url_is_a_mistake_in_the_configuration(host):
    """A host without scheme is told before anything is sent."""
    with pytest.raises(ConfigError, match="cannot connect to Elasticsearch"):
        connect([host])
