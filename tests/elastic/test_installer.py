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
