"""Fixtures for every test: one real Elasticsearch for the run, and a proxy that breaks connections."""

import contextlib
import os
import uuid

import pytest
from servers import elasticsearch as server
from servers import fixed
from servers.proxy import Proxy

from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates


@pytest.fixture(scope="session")
def elasticsearch_url():
    """Give the URL of a server that may be written to: the one named by LOGSHIP_TEST_ELASTICSEARCH_URL, or our own."""
    named = os.environ.get("LOGSHIP_TEST_ELASTICSEARCH_URL")
    if named:
        yield named.rstrip("/")
        return
    with server.running() as url:
        yield url


@pytest.fixture(scope="session")
def elasticsearch(elasticsearch_url):
    """Give a connection to the server, with logship's index templates installed."""
    client = connect([elasticsearch_url])
    ensure_templates(client)
    yield client
    client.close()


@pytest.fixture
def namespace():
    """Give a namespace of data streams that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def proxy(elasticsearch_url):
    """Give a proxy in front of the server that passes everything until it is given a script."""
    with Proxy(elasticsearch_url) as running:
        yield running


@pytest.fixture
def answer_with():
    """Give a function that starts a server with one answer for every request, and returns its URL."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(fixed.answering(*arguments, **options))
