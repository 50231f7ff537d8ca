"""Search over sealed and unsealed documents, also while they move."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from unit.store.conftest import START, numbered, pack

from logship.errors import LedgerError, LedgerTooNew, QueryError
from logship.ledger.ledger import Ledger
from logship.store.archiver import Archiver
from logship.store.dates import parse_when
from logship.store.search import Search, count, search
from logship.store.segments import retain


@pytest.fixture
def half(ledger, put, tmp_path):
    """Give a state directory with documents 0-9 sealed and 10-19 not."""
    put(0, 10)
    Archiver(tmp_path, ledger).drain()
    put(10, 10, service="web", dataset="dify.web")
    return tmp_path


def numbers(hits):
    """Return the numbers in the ids of documents."""
    return [int(hit.id.removeprefix("n-")) for hit in hits]


def test_the_newest_come_first_across_both(half):
    """Hits are ordered by time, newest first, wherever they lie."""
    assert numbers(search(half, "event", limit=12)) == list(range(19, 7, -1))


def test_reverse_gives_the_oldest_first(half):
    """With `reverse` the oldest come first."""
    assert numbers(search(half, "", limit=11, reverse=True)) == list(range(11))


def test_a_hit_has_its_document(half):
    """A hit carries id, dataset and the whole document."""
    (hit,) = search(half, "_id:n-15")
    assert (hit.id, hit.dataset, hit.document) == ("n-15", "dify.web", numbered(15, 1, service="web")["n-15"])


def test_times_are_half_open(half):
    """`since` is included, `until` is not."""
    since, until = START + timedelta(seconds=8), START + timedelta(seconds=12)
    assert numbers(search(half, "", since=since, until=until)) == [11, 10, 9, 8]
    assert count(half, "", since=since) == 12
    assert count(half, "", until=since) == 8


def test_services_restrict(half):
    """Only documents of the named services are found."""
    assert count(half, "event", services=["web"]) == 10
    assert count(half, "event OR number", services=["web", "api"]) == 20
    assert count(half, "", services=["'; DROP TABLE raw; --"]) == 0


def test_a_histogram_counts_by_interval(half):
    """The histogram gives each interval that has documents, with their number."""
    assert Search(half).histogram("", seconds=15) == [(START, 15), (START + timedelta(seconds=15), 5)]


@pytest.mark.usefixtures("half")
def test_a_document_in_both_places_is_given_once(ledger, tmp_path):
    """A document that is in a segment and in the ledger is found once."""
    ledger.commit([pack(numbered(5, 10))], [])
    assert count(tmp_path, "") == 20
    assert numbers(search(tmp_path, "", limit=15)) == list(range(19, 4, -1))


def test_documents_with_odd_stamps_take_the_batchs_time(ledger, tmp_path):
    """A document without a readable time is found at the time of its batch."""
    batch = pack({"k-1": {"@timestamp": "2025-11-20T08:00:00Z"}, "k-2": {"@timestamp": "never"}})
    ledger.commit([batch], [])
    assert [hit.id for hit in search(tmp_path, "", until=datetime(2025, 11, 21, tzinfo=UTC))] == ["k-2", "k-1"]


def test_a_state_directory_without_ledger_is_an_error(tmp_path):
    """Searching where no agent has run raises LedgerError."""
    with pytest.raises(LedgerError, match="no ledger"):
        search(tmp_path, "x")


def test_an_expression_only_duckdb_refuses_is_a_query_error(half):
    """A regular expression that passes the first check and not the second raises QueryError."""
    with pytest.raises(QueryError):
        search(half, "message:/(?<x>a)\\1/")


def test_another_process_can_search(half):
    """A process that did not write the ledger finds the same, while the writer has it open."""
    code = (
        "import sys, pathlib; from logship.store.search import count; print(count(pathlib.Path(sys.argv[1]), 'event'))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(half)], check=True, capture_output=True, text=True)
    assert done.stdout == "20\n"


def test_nothing_is_missing_or_double_while_batches_are_sealed(ledger, put, tmp_path):
    """Every search during commits and seals finds at least what was committed before it, and nothing twice."""
    committed, failures = [0], []

    def write():
        archiver = Archiver(tmp_path, ledger, max_bytes=1)
        try:
            for number in range(60):
                put(number * 50, 50, dataset=f"dify.{number % 2}")
                committed[0] += 50
                archiver.step()
                while archiver.busy and number % 3 == 0:
                    archiver.step()
            archiver.drain()
        except Exception as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    put(3000, 50)
    writer.start()
    engine, searches = Search(tmp_path), 0
    while writer.is_alive():
        before = committed[0]
        rows = engine.hits("event", limit=10_000)
        after = committed[0]
        assert len({hit.id for hit in rows}) == len(rows)
        assert before + 50 <= len(rows) <= after + 100
        searches += 1
    writer.join()
    assert failures == []
    assert searches > 3
    assert engine.count("event") == 3050
    assert ledger.connection.execute("SELECT count(*) FROM batch WHERE segment IS NULL").fetchone() == (0,)


def test_a_search_survives_retention(ledger, put, tmp_path):
    """Segments deleted during a search do not fail it: it finds what is left."""
    for number in range(20):
        put(number * 10, 10, start=START + timedelta(days=number))
        put(number * 10 + 1000, 10, start=START + timedelta(days=number))
    Archiver(tmp_path, ledger, run_bytes=1).drain()
    sizes = [size for (size,) in ledger.connection.execute("SELECT size FROM segment ORDER BY last_time, id")]
    assert len(sizes) == 40

    def shrink():
        for first in range(1, len(sizes)):
            retain(tmp_path, ledger, now=START, max_bytes=sum(sizes[first:]))

    deleter = threading.Thread(target=shrink)
    engine, counts = Search(tmp_path), [400]
    deleter.start()
    while deleter.is_alive():
        counts.append(engine.count("event"))
    deleter.join()
    assert counts == sorted(counts, reverse=True)
    assert engine.count("event") == 10


def test_a_lost_segment_is_an_error(half):
    """A segment that somebody else deleted fails the search, and is named."""
    (path,) = (half / "segments").glob("*/*.parquet")
    path.unlink()
    with pytest.raises(LedgerError, match=r"not on the disk: .*dify\.api-1\.parquet"):
        search(half, "event")
    assert count(half, "event", since=START + timedelta(seconds=10)) == 10


@pytest.mark.parametrize("harm", ["emptied", "flipped", "cut"])
def test_a_damaged_segment_is_named_with_the_next_step(half, harm):
    """Not the query is wrong, but a file that holds other bytes than were written to it."""
    (path,) = (half / "segments").glob("*/*.parquet")
    data = path.read_bytes()
    middle = len(data) // 3
    flipped = data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 400]) + data[middle + 400 :]
    path.write_bytes({"emptied": b"", "flipped": flipped, "cut": data[:-10]}[harm])
    with pytest.raises(LedgerError, match=r"damaged: .*dify\.api-1\.parquet") as error:
        search(half, "event")
    assert "doctor --repair" in error.value.hint


def test_a_ledger_of_a_newer_release_is_not_searched(half, ledger):
    """It may hold what this release would not find."""
    ledger.connection.execute("PRAGMA user_version = 999")
    with pytest.raises(LedgerTooNew):
        search(half, "event")


def test_a_ledger_of_an_earlier_release_is_searched(half, ledger):
    """A copy of an old state directory needs no agent to be looked into."""
    ledger.connection.execute("PRAGMA user_version = 2")
    assert count(half, "event") == 20


def test_a_state_directory_may_hold_pattern_signs(tmp_path):
    """Brackets and stars in the state directory's name are no pattern."""
    state_dir = tmp_path / "a[b]*?'c"
    with Ledger.open(state_dir) as ledger:
        ledger.commit([pack(numbered(0, 3))], [])
        Archiver(state_dir, ledger).drain()
        assert count(state_dir, "event") == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", "2025-11-20T07:45:00+00:00"),
        ("2h", "2025-11-20T06:00:00+00:00"),
        ("7d", "2025-11-13T08:00:00+00:00"),
        ("2025-11-19", "2025-11-19T00:00:00+00:00"),
        ("2025-11-19T10:00", "2025-11-19T10:00:00+00:00"),
        ("2025-11-19 10:00:01.5", "2025-11-19T10:00:01.500000+00:00"),
        ("2025-11-19T10:00:00+08:00", "2025-11-19T02:00:00+00:00"),
        ("now", "2025-11-20T08:00:00+00:00"),
        ("now-1d/d", "2025-11-19T00:00:00+00:00"),
        ("1763625600000", "2025-11-20T08:00:00+00:00"),
        ("1763625600", "2025-11-20T08:00:00+00:00"),
    ],
)
def test_moments_are_read_as_people_write_them(text, expected):
    """Ages, dates, times and date arithmetic give the moment they name."""
    assert parse_when(text, START).isoformat() == expected


@pytest.mark.parametrize("text", ["", "soon", "15", "2025-13-01", "2025-11-19T25:00", "now-", "now/x", "999999999999d"])
def test_what_is_no_moment_is_refused(text):
    """Anything else raises ValueError."""
    with pytest.raises(ValueError):
        parse_when(text, START)


SEARCH = """
import sys
from pathlib import Path
from logship.store.search import search
hits = search(Path(sys.argv[1]), sys.argv[2], limit=50)
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
print(len(hits), peak >> 10)
"""


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
def test_many_messages_of_a_megabyte_do_not_fill_the_memory(ledger, tmp_path, sealed):
    """Of 300 documents of a megabyte only those that are given are held: the process stays below 400 MiB."""
    for number, (name, document) in enumerate(numbered(0, 300).items()):
        document["message"] = f"{number} {os.urandom(500).hex()} " * 1000
        ledger.commit([pack({name: document})], [])
    if sealed:
        Archiver(tmp_path, ledger).drain()
        ledger.prune(archive=True)
        assert not ledger.after(0)
    for query in ("*", "service.name:api", "log.logger:other"):
        done = subprocess.run([sys.executable, "-c", SEARCH, tmp_path, query], capture_output=True, check=False)
        assert 0 == done.returncode, done.stderr.decode()
        count, peak = map(int, done.stdout.split())
        assert (0 if "other" in query else 50) == count
        assert peak < 400
    with pytest.raises(LedgerError, match="takes more memory than 40MB"):
        Search(tmp_path, memory="40MB").hits("log.logger:other OR *")
