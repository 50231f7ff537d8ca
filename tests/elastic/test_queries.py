"""Elasticsearch gives the answers of the query table, so what holds for our own search holds there."""

import uuid
from pathlib import Path

import orjson
import pytest
import yaml

from logship.store.fields import KINDS

TABLE = yaml.safe_load(Path(__file__).parents[1].joinpath("data/queries.yaml").read_text(encoding="utf-8"))


def mapping():
    """Return a mapping with the types our search assumes; whatever they do not name is a keyword."""
    root = {"labels": {"properties": {name: {"type": "keyword"} for name in ("team", "flag", "number")}}}
    for name, kind in KINDS.items():
        *parents, leaf = name.split(".")
        level = root
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[leaf] = {"type": kind.value}
    keyword = {"match_mapping_type": ["string", "boolean", "long", "double"], "mapping": {"type": "keyword"}}
    return {"dynamic_templates": [{"keywords": keyword}], "date_detection": False, "properties": root}


@pytest.fixture(scope="module")
def ask(elasticsearch):
    """Give a function that runs a query over the table's documents in an index of their own: the ids, or None."""
    index = f"queries-{uuid.uuid4().hex[:12]}"

    def call(method, path, body=None):
        return elasticsearch.request(method, path, None if body is None else orjson.dumps(body)).json()

    assert call("PUT", f"/{index}", {"mappings": mapping()})["acknowledged"]
    for name, document in TABLE["documents"].items():
        assert call("PUT", f"/{index}/_create/{name}", document)["result"] == "created"
    call("POST", f"/{index}/_refresh")

    def run(query):
        spec = {"query": query, "default_operator": "AND", "default_field": "message"}
        answer = call("POST", f"/{index}/_search", {"size": 100, "query": {"query_string": spec}})
        return None if "error" in answer else sorted(hit["_id"] for hit in answer["hits"]["hits"])

    yield run
    call("DELETE", f"/{index}")


def test_elasticsearch_agrees_with_the_table(ask):
    """Every case of the table has the answer there that it has here."""
    expected = {case["query"]: sorted(case["ids"]) if "ids" in case else None for case in TABLE["cases"]}
    assert {query: ask(query) for query in expected} == expected


def test_what_is_only_ours_is_an_error_there(ask):
    """Queries that only our search takes are refused by Elasticsearch, not answered differently."""
    assert [ask(case["query"]) for case in TABLE["beyond"]] == [None] * len(TABLE["beyond"])


def test_what_is_refused_here_is_taken_there(ask):
    """Queries that our search refuses as unsupported are valid in Elasticsearch."""
    assert None not in [ask(case["query"]) for case in TABLE["refused"]]
