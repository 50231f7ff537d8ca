"""One corpus for all tests here."""

import uuid

import pytest
from views import demo as demos

from logship.elastic.views import model


@pytest.fixture(scope="session")
def views():
    """Give the descriptions."""
    return model.load()


@pytest.fixture(scope="session")
def demo(elasticsearch, elasticsearch_url, tmp_path_factory):
    """Give the corpus, read by the agent into Elasticsearch and its store."""
    namespace = f"v{uuid.uuid4().hex[:12]}"
    state = demos.read(tmp_path_factory.mktemp("demo") / "corpus", elasticsearch_url, namespace)
    elasticsearch.request("POST", f"/logs-*-{namespace}/_refresh")
    return demos.Demo(elasticsearch, namespace, state)
