"""Sealing batches into segments, by a real child process."""

import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
from datetime import timedelta

import duckdb
import orjson
import pytest
from isal import igzip
from unit.store.conftest import START, numbered, pack, stamp

from logship.errors import LedgerError
from logship.model import Batch
from logship.store import segments
from logship.store.archiver import Archiver
from logship.store.seal import seal
from logship.store.search import Search

SECOND = timedelta(seconds=1)


def catalogue(ledger):
    """Return the paths the catalogue names and the files there are."""
    named = {path for (path,) in ledger.connection.execute("SELECT path FROM segment")}
    present = {str(path.relative_to(ledger.directory)) for path in (ledger.directory / "segments").glob("*/*")}
    return named, present


def finish(archiver, now=None):
    """Step until the running child has been collected; return what it made."""
    while archiver.busy:
        made = archiver.step(now)
    return made


def test_a_segment_holds_the_columns_and_the_exact_documents(ledger, tmp_path):
    """A sealed batch can be rebuilt from its segment byte for byte, and its columns are typed."""
    document = {
        "@timestamp": "2025-11-20T08:00:00.123456Z",
        "message": "超时\n\tat x",
        "log": {"level": "error"},
        "http": {"response": {"status_code": 500}},
        "source": {"ip": "::1"},
        "number": 1.10,
    }
    batch = pack({"k-10": document, "k-2": numbered(0, 1)["n-0"]})
    ledger.commit([batch], [])
    (sealed,) = Archiver(tmp_path, ledger).drain()
    path = str(tmp_path / sealed.path)
    rows = duckdb.sql(f"SELECT id, document FROM '{path}' ORDER BY seq, row").fetchall()
    body = "".join(f'{{"create":{{"_id":"{name}"}}}}\n{text}\n' for name, text in rows)
    assert body.encode() == batch.body
    columns = duckdb.sql(
        f"SELECT epoch_us(time), level, status, source_ip, message, seq FROM '{path}' WHERE id = 'k-10'"
    )
    assert columns.fetchall() == [(1763625600123456, "error", 500, "::1", "超时\n\tat x", 1)]


def test_the_catalogue_describes_the_file(ledger, put, tmp_path):
    """The catalogue row gives path, batches, times, size and digest of the file, which only its owner reads."""
    put(0, 10), put(10, 5, dataset="dify.nginx"), put(15, 5)
    Archiver(tmp_path, ledger).drain()
    rows = ledger.connection.execute(
        "SELECT path, dataset, first_seq, last_seq, count, first_time, last_time, size, sha256 FROM segment ORDER BY id"
    ).fetchall()
    assert [row[:7] for row in rows] == [
        ("segments/2025-11-20/dify.api-1.parquet", "dify.api", 1, 3, 15, stamp(START), stamp(START + 19 * SECOND)),
        (
            "segments/2025-11-20/dify.nginx-2.parquet",
            "dify.nginx",
            2,
            2,
            5,
            stamp(START + 10 * SECOND),
            stamp(START + 14 * SECOND),
        ),
    ]
    for path, *_, size, digest in rows:
        content = (tmp_path / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, digest)
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o600
    assert ledger.connection.execute("SELECT seq, segment FROM batch ORDER BY seq").fetchall() == [
        (1, 1),
        (2, 2),
        (3, 1),
    ]


def test_sealing_is_due_by_size_or_by_age(ledger, put):
    """Nothing is due while nothing waits; then the bytes decide, or the time since the last seal."""
    asked = {"max_bytes": 1 << 20, "max_age": 60}
    assert not segments.due(ledger, now=1000, since=0, **asked)
    put(0, 10)
    assert not segments.due(ledger, now=59, since=0, **asked)
    assert segments.due(ledger, now=60, since=0, **asked)
    assert segments.due(ledger, now=0, since=0, max_bytes=10, max_age=60)


def test_step_starts_a_child_and_collects_it_later(ledger, put, tmp_path):
    """A step returns at once; the segment is entered by the step that finds the child ended."""
    put(0, 10)
    archiver = Archiver(tmp_path, ledger, max_age=60)
    assert (archiver.step(1000.0), archiver.busy) == ([], False)
    assert (archiver.step(1060.0), archiver.busy) == ([], True)
    assert [sealed.seqs for sealed in finish(archiver, 1061.0)] == [[1]]
    put(10, 10)
    assert (archiver.step(1100.0), archiver.busy) == ([], False)


def test_one_run_seals_no_more_than_its_share(ledger, put, tmp_path):
    """A backlog is sealed in several runs, each bounded, and nothing is left."""
    for number in range(6):
        put(number * 100, 100)
    (size,) = ledger.connection.execute("SELECT max(length(body)) FROM batch").fetchone()
    made = Archiver(tmp_path, ledger, run_bytes=2 * size).drain()
    assert [sealed.seqs for sealed in made] == [[1, 2], [3, 4], [5, 6]]


def test_a_document_that_is_no_json_is_kept(ledger, tmp_path):
    """A broken document does not stop the sealing; it is found by its id, as text."""
    body = b'{"create":{"_id":"k-1"}}\n{"message": broken\n'
    ledger.commit([Batch("dify.api", body, 1, "2025-11-20T08:00:00Z", "2025-11-20T08:00:00Z", {1: 1})], [])
    before = Search(tmp_path).hits("_id:k-1")
    Archiver(tmp_path, ledger).drain()
    assert before == Search(tmp_path).hits("_id:k-1")
    assert [hit.document for hit in before] == [{"event": {"original": '{"message": broken'}}]


def test_a_dataset_cannot_leave_the_directory(ledger, put, tmp_path):
    """Whatever a dataset is called, its segment lies in the segments directory."""
    put(0, 1, dataset="../../../evil/'x")
    (sealed,) = Archiver(tmp_path, ledger).drain()
    assert sealed.path == "segments/2025-11-20/..%2F..%2F..%2Fevil%2F%27x-1.parquet"
    assert [hit.dataset for hit in Search(tmp_path).hits("")] == ["../../../evil/'x"]


def test_a_failed_child_is_reported_and_tried_again_later(ledger, put, tmp_path):
    """A child that fails raises LedgerError with its last words, and is not started again for a minute."""
    put(0, 1)
    broken = (sys.executable, "-c", "raise SystemExit('no space')")
    archiver = Archiver(tmp_path, ledger, max_bytes=1, command=broken)
    archiver.step(1000.0)
    with pytest.raises(LedgerError, match="status 1: no space"):
        finish(archiver, 1000.0)
    assert (archiver.step(1059.0), archiver.busy) == ([], False)
    assert (archiver.step(1060.0), archiver.busy) == ([], True)
    archiver.close()
    assert not archiver.busy


def test_a_batch_is_never_entered_twice(ledger, put, tmp_path):
    """Entering a segment whose batches are sealed already changes nothing and raises."""
    put(0, 5)
    made = Archiver(tmp_path, ledger).drain()
    twice = [type(made[0])(**{**orjson.loads(orjson.dumps(made[0])), "path": "segments/x"})]
    with pytest.raises(ValueError, match="only 0 of 1"):
        segments.register(ledger, twice)
    assert ledger.connection.execute("SELECT count(*) FROM segment").fetchone() == (1,)


@pytest.mark.parametrize("seed", range(8))
def test_a_child_killed_at_any_moment_loses_nothing(ledger, put, tmp_path, seed):
    """After SIGKILL every document is found once, and the next start sweeps what was left behind."""
    for number in range(20):
        put(number * 500, 500, dataset=f"dify.{number % 4}")
    archiver = Archiver(tmp_path, ledger)
    archiver.step(force=True)
    child = archiver._child
    try:
        child.wait(random.Random(seed).uniform(0.05, 0.8))
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    archiver.close()
    assert Search(tmp_path).count("") == 10_000
    successor = Archiver(tmp_path, ledger)
    successor.drain()
    named, present = catalogue(ledger)
    assert named == present
    assert len(named) == 4
    assert Search(tmp_path).count("") == 10_000
    assert not list((tmp_path / "segments").glob(".duckdb-*"))


def test_a_segment_that_was_never_entered_is_swept(ledger, put, tmp_path):
    """When the agent dies after its child has finished, the file is removed at the next start and made again."""
    put(0, 10)
    subprocess.run([sys.executable, "-m", "logship.store.seal", str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    assert catalogue(ledger) == (set(), {"segments/2025-11-20/dify.api-1.parquet"})
    assert Search(tmp_path).count("") == 10
    put(10, 10)
    archiver = Archiver(tmp_path, ledger)
    assert [sealed.count for sealed in archiver.drain()] == [20]
    assert Search(tmp_path).count("") == 20


def test_a_child_of_a_dead_agent_is_waited_for(ledger, put, tmp_path):
    """While somebody holds the sealing lock nothing is swept and no child is started."""
    put(0, 10)
    (tmp_path / "segments").mkdir()
    archiver = Archiver(tmp_path, ledger, max_bytes=1)
    with segments.locked(tmp_path / "segments"):
        assert (archiver.step(1000.0), archiver.busy) == ([], False)
        with pytest.raises(LedgerError, match="another process"):
            archiver.drain()
    assert (archiver.step(1000.0), archiver.busy) == ([], True)
    assert len(finish(archiver)) == 1


def test_the_agents_process_stays_without_duckdb():
    """Importing and driving the archiver does not import DuckDB."""
    code = "import sys, logship.store.archiver; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bodies_are_read_as_any_gzip(ledger, tmp_path):
    """A body of several gzip members is read whole."""
    batch = pack(numbered(0, 2))
    ledger.commit([batch], [])
    half = batch.body.index(b"\n") + 1
    members = igzip.compress(batch.body[:half]) + igzip.compress(batch.body[half:])
    ledger.connection.execute("UPDATE batch SET body = ?", (members,))
    Archiver(tmp_path, ledger).drain()
    assert Search(tmp_path).count("") == 2


def test_large_documents_are_sealed_in_little_memory(ledger, tmp_path):
    """What does not fit into the memory at once is sealed in smaller runs, down to one batch."""
    for number in range(12):
        document = {"@timestamp": "2025-11-20T08:00:00.000Z", "message": f"{number} " * 400_000}
        ledger.commit([pack({f"k-{number}-{part}": document for part in range(8)})], [])
    (tmp_path / "segments").mkdir()
    made = seal(tmp_path, memory="120MB")
    assert made[0].seqs[0] == 1
    assert len(made[0].seqs) < 12


def test_a_clock_that_is_set_back_stops_no_sealing_and_deletes_nothing(ledger, put, tmp_path):
    """What waits is sealed after its time by a clock that nobody sets back, and young segments are not old then."""
    passed, today = 0.0, START
    archiver = Archiver(
        tmp_path, ledger, max_age=60, keep_age=timedelta(days=1), clock=lambda: passed, today=lambda: today
    )
    put(0, 5)
    for step in range(3):
        assert not archiver.step()
        passed += 59
        today -= timedelta(hours=1)
        assert not archiver.step()
        assert not archiver.busy
        passed += 1
        assert not archiver.step()
        assert archiver.busy
        assert [5] == [one.count for one in finish(archiver)]
        put(5 * (step + 1), 5)
    named, present = catalogue(ledger)
    assert named == present
    assert len(named) == 3
