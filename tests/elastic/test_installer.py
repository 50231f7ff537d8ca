"""Addresses and servers that cannot be used."""

import pytest

from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates
from logship.errors import ConfigError, LogshipError


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


def test_a_server_without_data_streams_is_refused(answer_with):
    """Where no template may make data streams, nothing is installed, and the error says which versions can."""
    client = connect([answer_with(400, b'{"error":{"type":"x_content_parse_exception","reason":"unknown field"}}')])
    with pytest.raises(LogshipError, match="no data streams") as caught:
        ensure_templates(client)
    client.close()
    assert "7.17" in caught.value.hint
