"""A gap is a row and a document, once, and the books close with it."""

import sqlite3
from pathlib import Path

import orjson
import pytest
from isal import igzip

from logship.delivery.bulk import documents
from logship.errors import LedgerError
from logship.ledger.gaps import DATASET, Gap, Gaps
from logship.ledger.ledger import Ledger
from logship.ledger.schema import VERSION
from logship.ledger.status import status
from logship.model import Source


@pytest.fixture
def ledger(tmp_path):
    """Give an open ledger."""
    with Ledger.open(tmp_path / "state") as opened:
        yield opened


def file(ledger: Ledger) -> int:
    """Register a generation."""
    source = Source("api", fields={"container": {"id": "c0ffee"}})
    return ledger.register(path=Path("/logs/a.log"), device=1, inode=2, head=b"first\n", source=source).ref.id


def test_a_gap_is_a_document_that_names_file_range_and_cause(ledger):
    """File, byte range, cause, source and constants are fields of the document."""
    number = file(ledger)
    gaps = Gaps(ledger, {"host": {"name": "here"}, "labels": {"site": "x"}}, "prod")
    assert 1 == gaps.record([Gap(number, 100, 2100, "dropped", documents=7)])
    (batch,) = ledger.after(0)
    assert (DATASET, 1, {number: 1}) == (batch.dataset, batch.count, batch.files)
    document = orjson.loads(igzip.decompress(batch.body).split(b"\n")[1])
    expected = {"cause": "dropped", "first": 100, "behind": 2100, "bytes": 2000, "documents": 7}
    assert expected == document["logship"]["gap"]
    event = document["event"]
    assert ("alert", "log-dropped", "failure") == (event["kind"], event["action"], event["outcome"])
    assert ("here", "c0ffee", "api") == (
        document["host"]["name"], document["container"]["id"], document["service"]["name"],
    )  # fmt: skip
    assert "/logs/a.log" == document["log"]["file"]["path"]
    assert "prod" == document["data_stream"]["namespace"]


def test_a_gap_that_is_recorded_again_is_known(ledger):
    """The same first byte of the same file is one gap: one row, one document, one leaf."""
    number = file(ledger)
    gaps = Gaps(ledger)
    assert [2, 1, 0] == [
        gaps.record(found)
        for found in (
            [Gap(number, 0, 5, "deleted"), Gap(number, 9, None, "deleted")],
            [Gap(number, 0, 5, "deleted"), Gap(number, 20, 21, "truncated")],
            [Gap(number, 20, 30, "truncated"), Gap(404, 0, 5, "deleted")],
        )
    ]
    books = status(ledger.directory)
    assert books.closes, books.problems
    assert (3, 6, 3, 2) == (books.gaps, books.bytes_lost, books.documents, books.leaves)
    assert [20, 9, 0] == [gap.first for gap in books.newest_gaps]


def test_a_gap_is_settled_for_the_file_it_is_about(ledger):
    """Its id leads to the file, so that a sink's outcome counts there."""
    number = file(ledger)
    Gaps(ledger).record([Gap(number, 3, 5, "truncated")])
    (batch,) = ledger.after(0)
    ((name, _),) = documents(batch)
    assert number == ledger.file_of(name)
    ledger.follow("sink")
    ledger.settle("sink", batch, delivered={number: 1}, duplicate={}, rejected=[])
    assert status(ledger.directory).closes


def test_a_ledger_of_format_1_gets_the_tables_of_the_present_one(tmp_path):
    """Opening an older ledger for writing brings it up to date; for reading only, it says what to do."""
    Ledger.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.executescript(
            "DROP TABLE unpaired; DROP TABLE gap; DROP TABLE compressed; DROP TABLE spent; DROP INDEX file_ended; "
            "ALTER TABLE outcome DROP COLUMN dropped; PRAGMA user_version = 1;"
        )
    connection.close()
    with pytest.raises(LedgerError) as refused:
        Ledger.open(tmp_path, readonly=True)
    assert "start the agent once" in refused.value.hint
    with Ledger.open(tmp_path) as ledger:
        assert 1 == Gaps(ledger).record([Gap(file(ledger), 3, 5, "truncated")])
        assert VERSION == ledger.connection.execute("PRAGMA user_version").fetchone()[0]
