"""Every query of the table finds the same documents in the ledger and in a segment."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from unit.store.conftest import pack

from logship.errors import QueryError
from logship.ledger.ledger import Ledger
from logship.store import engine
from logship.store.archiver import Archiver
from logship.store.query import translate
from logship.store.search import Search

TABLE = yaml.safe_load(Path(__file__).parents[2].joinpath("data/queries.yaml").read_text(encoding="utf-8"))
FOUND = [case for case in TABLE["cases"] + TABLE["beyond"] if "ids" in case]
WRONG = [case["query"] for case in TABLE["cases"] + TABLE["refused"] if "ids" not in case]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Give a function that runs a query's condition over the documents, as they are read from a batch."""
    with engine.engine(tmp_path_factory.mktemp("spill")) as connection:
        by_dataset = {}
        for name, document in TABLE["documents"].items():
            by_dataset.setdefault(document.get("event", {}).get("dataset", "none"), {})[name] = document
        engine.create_raw(connection)
        for seq, (dataset, documents) in enumerate(by_dataset.items(), 1):
            batch = pack(documents, dataset)
            lines = batch.body.decode().split("\n")[1::2]
            engine.insert_raw(
                connection, seq=seq, dataset=dataset, fallback=batch.first_time, ids=list(documents), documents=lines
            )
        connection.execute("CREATE TABLE documents AS " + engine.projection())

        def run(query):
            condition = translate(query, engine.tokenizer(connection), datetime(2025, 12, 10, tzinfo=UTC))
            rows = connection.execute(f"SELECT id FROM documents WHERE {condition.sql}", condition.parameters)
            return sorted(row[0] for row in rows.fetchall())

        yield run


@pytest.mark.parametrize("case", FOUND, ids=lambda case: case["query"])
def test_a_query_finds_what_elasticsearch_finds(ask, case):
    """A query of the table finds exactly the documents the table names."""
    assert ask(case["query"]) == sorted(case["ids"])


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_query_is_refused_with_a_pointer(ask, query):
    """A query that cannot be run raises QueryError, and the message points into the query."""
    with pytest.raises(QueryError) as raised:
        ask(query)
    reason, shown, pointer = str(raised.value).split("\n")
    assert reason
    assert shown == "  " + query
    assert pointer.strip() == "^"
    assert len(pointer) <= len(shown) + 1


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("a AND AND b", 6),
        ("it's a \"test", 7),
        ("status:(a", 9),
        ("http.response.status_code:abc", 26),
        ("a AND @timestamp:never", 17),
        ("超时 AND )", 9),
        ("'x 'y source.ip:abc", 16),
    ],
)
def test_the_pointer_stands_under_the_mistake(ask, query, column):
    """The caret is at the column where the mistake is, wide characters counted twice."""
    with pytest.raises(QueryError) as raised:
        ask(query)
    assert str(raised.value).split("\n")[2].index("^") - 2 == column


@pytest.mark.parametrize("query", ["(" * 3000 + "a" + ")" * 3000, "a:" * 3000 + "a", "NOT " * 3000 + "a"])
def test_a_query_nested_too_deeply_is_refused(ask, query):
    """Nesting beyond reason raises QueryError rather than exhausting the stack."""
    with pytest.raises(QueryError, match="nested"):
        ask(query)


def test_a_long_list_of_alternatives_is_no_nesting(ask):
    """A thousand alternatives are one level."""
    assert ask(" OR ".join(f"_id:x{number}" for number in range(1000)) + " OR _id:plain") == ["plain"]


def test_the_table_holds_through_ledger_and_segments(tmp_path):
    """Search gives the same answers whether the documents are sealed, unsealed, or half of each."""
    with Ledger.open(tmp_path) as ledger:
        documents = list(TABLE["documents"].items())
        search = Search(tmp_path)
        sample = FOUND[::12]
        for half in (documents[::2], documents[1::2]):
            for name, document in half:
                dataset = document.get("event", {}).get("dataset", "none")
                ledger.commit([pack({name: document}, dataset)], [])
            present = {row.id for row in search.hits("")}
            for case in sample:
                assert {hit.id for hit in search.hits(case["query"])} == present & set(case["ids"]), case["query"]
            Archiver(tmp_path, ledger).drain()
        for case in sample:
            assert search.count(case["query"]) == len(case["ids"]), case["query"]
