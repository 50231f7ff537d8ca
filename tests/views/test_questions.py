"""The 25 questions have one answer, whatever language they are asked in."""

import shlex
import subprocess
import sys

import orjson
import pytest
from views.languages import BadEsql, Esql, kql

from logship.elastic import fields
from logship.elastic.views.body import lucene
from logship.elastic.views.model import STREAMS
from logship.elastic.views.questions import load

QUESTIONS = load()
NAMED = pytest.mark.parametrize("one", QUESTIONS, ids=[one.question.en for one in QUESTIONS])


def ask(demo, query) -> list[str]:
    """Return the ids of the documents that match a query in Elasticsearch."""
    found = demo.search(STREAMS["logs"], {"size": 5000, "_source": False, "query": query})["hits"]
    assert found["total"] == len(found["hits"])
    return sorted(hit["_id"] for hit in found["hits"])


@pytest.fixture(scope="module")
def in_kibana(demo):
    """Give the answers to the Lucene queries, asked as Kibana asks."""
    return {one.lucene: ask(demo, lucene(one.lucene)) for one in QUESTIONS}


def test_there_are_25():
    """As many as the page's title says, no two the same."""
    assert 25 == len(QUESTIONS) == len({one.lucene for one in QUESTIONS})


@NAMED
def test_a_shell_takes_the_command_line_as_it_is(one):
    """Quoted so that the query arrives whole, with the fields to look at."""
    fields_asked = ",".join(("@timestamp", *one.fields))
    assert ["logship", "search", one.lucene, "--fields", fields_asked] == shlex.split(one.command)


@NAMED
def test_kibana_finds_something(one, in_kibana):
    """There is an answer, and it is not everything."""
    assert 0 < len(in_kibana[one.lucene]) < 1500


@NAMED
def test_logship_search_finds_the_same(one, in_kibana, demo):
    """The Lucene finds the same documents in the store, by the library that the command uses."""
    query = f"({one.lucene}) AND NOT event.dataset:logship.agent"  # which Kibana's data view leaves out
    assert in_kibana[one.lucene] == sorted(hit.id for hit in demo.store.hits(query, limit=5000))


@NAMED
def test_kql_finds_the_same(one, in_kibana, demo):
    """The KQL, translated as Kibana does, finds the same documents."""
    assert in_kibana[one.lucene] == ask(demo, kql(one.kql))


@NAMED
def test_esql_means_the_same(one, in_kibana, demo):
    """The condition parses, names known fields only, and its translation finds the same documents."""
    parsed = Esql(one.esql)
    known = {field.name for field in fields.load()}
    assert parsed.fields | set(one.fields) <= known
    assert in_kibana[one.lucene] == ask(demo, parsed.query)


@pytest.mark.parametrize("text", ['a = "error"', "a == error", "a == 1 AND", "(a == 1", "a IS NUL", "a == 'x'"])
def test_what_is_no_esql_is_found(text):
    """The parser refuses what Elasticsearch's does: single signs and quotes, bare words, loose ends."""
    with pytest.raises(BadEsql):
        Esql(text)


def test_every_answer_shows_the_fields_that_are_asked_for(demo, in_kibana):
    """Each field to look at has a value in one of the documents found."""
    empty = []
    for one in QUESTIONS:
        query = {"bool": {"filter": [{"ids": {"values": in_kibana[one.lucene]}}]}}
        aggregations = {name: {"filter": {"exists": {"field": name}}} for name in one.fields}
        answer = demo.search(STREAMS["logs"], {"size": 0, "query": query, "aggs": aggregations})
        empty += [(one.question.en, name) for name in one.fields if not answer["aggregations"][name]["doc_count"]]
    assert [] == empty


def test_the_command_line_prints_the_answer(demo, in_kibana):
    """`logship search` as the page has it, made to print ids, prints those of the documents."""
    one = QUESTIONS[0]
    command = [sys.executable, "-m", *shlex.split(one.command)[:3], "--json", "--state-dir", str(demo.state_dir)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert in_kibana[one.lucene] == sorted(orjson.loads(line)["_id"] for line in done.stdout.splitlines())


def test_who_was_invited_is_in_the_answer(demo, in_kibana):
    """The request names who invited, the worker's line whom: the answer has both."""
    (one,) = [one for one in QUESTIONS if one.question.en.startswith("Who was invited")]
    found = demo.store.hits(one.lucene, limit=5000)
    assert sorted(hit.id for hit in found) == in_kibana[one.lucene]
    assert "mallory@example.org" in " ".join(str(hit.document["message"]) for hit in found)
    assert any(hit.document.get("user", {}).get("id") for hit in found)
