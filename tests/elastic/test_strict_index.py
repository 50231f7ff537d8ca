"""Every document that logship makes fits the index, on a real server that takes known fields only."""

import orjson
import pytest
from contract.batches import stored

from logship.data import data_path
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic import fields
from logship.model import Receipt, Source
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import documents
from logship.pipeline.spec import Pipelines

#: Types that small test servers lack, and what is used in their place.
LESS = {"match_only_text": "text", "wildcard": "keyword", "constant_keyword": "keyword"}


@pytest.fixture
def strict(elasticsearch, namespace):
    """Give a sink into a stream whose mapping is the table of fields, and which refuses what is not or is malformed."""
    properties = orjson.dumps(fields.properties(fields.load())).decode()
    for known, less in LESS.items():
        properties = properties.replace(f'"type":"{known}"', f'"type":"{less}"')
    body = {
        "index_patterns": [f"logs-{namespace}-*"],
        "data_stream": {},
        "priority": 900,
        "template": {
            "settings": {"index.mapping.total_fields.limit": 2000},
            "mappings": {"dynamic": "strict", "date_detection": False, "properties": orjson.loads(properties)},
        },
    }
    answer = elasticsearch.request("PUT", f"/_index_template/{namespace}", orjson.dumps(body))
    assert answer.status == 200, answer.body
    yield ElasticsearchSink(elasticsearch, namespace="x")
    elasticsearch.request("DELETE", f"/_data_stream/logs-{namespace}-x")


def test_every_sample_is_taken_by_a_strict_index(elasticsearch, strict, namespace):
    """All documents of all pipelines' samples are created: no field is unknown, no value malformed, none is moved."""
    redactor = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)
    made = [
        {name: value for name, value in document.items() if name != "data_stream"}
        for name, spec in Pipelines.load([data_path("pipelines")]).specs.items()
        for sample in spec.samples
        for document in documents(spec, Source(name), sample.input, redactor)
    ]
    assert len(made) > 500
    assert strict.send(stored(*made, dataset=namespace), None) == Receipt(delivered=len(made))
    elasticsearch.request("POST", f"/logs-{namespace}-x/_refresh")
    answer = elasticsearch.request("GET", f"/logs-{namespace}-x/_count?q=_exists_:logship.moved").json()
    assert answer["count"] == 0


def test_the_example_of_every_field_is_taken(strict, namespace):
    """One document holds an example of each field of the table, and a strict index takes it."""
    document: dict = {}
    for field in fields.load():
        *parents, leaf = field.name.split(".")
        level = document
        for parent in parents:
            level = level.setdefault(parent, {})
        level[leaf] = {"key": field.example} if field.type == "flattened" else field.example
    assert strict.send(stored(document, dataset=namespace), None) == Receipt(delivered=1)
