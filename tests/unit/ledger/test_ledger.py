"""The ledger keeps documents, positions and leaves together."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from isal import igzip

from logship.audit.tree import leaf_hash, root_hash
from logship.errors import LedgerError, LedgerLocked, LedgerTooNew
from logship.ledger import rejects
from logship.ledger.ledger import Ledger
from logship.ledger.status import status
from logship.model import Batch, Progress, Rejected, Source


def file(ledger: Ledger, path: str = "/logs/a.log", head: bytes = b"2025-11-20 08:00:00 first\n"):
    """Register a generation."""
    return ledger.register(path=Path(path), device=1, inode=2, head=head, source=Source("api"))


def batch(key: str, offsets: list[int], number: int) -> Batch:
    """Make a batch of one file's documents."""
    body = b"".join(b'{"create":{"_id":"%b-%d"}}\n{"message":"m"}\n' % (key.encode(), offset) for offset in offsets)
    return Batch("dify.api", body, len(offsets), "2025-11-20T08:00:00Z", "2025-11-20T08:00:01Z", {number: len(offsets)})


def progress(number: int, position: int, events: int) -> Progress:
    """Account for every byte up to a position."""
    return Progress(number, position, {}, position, b"tail", lines=events, events=events, bytes_documents=position)


@pytest.fixture
def ledger(tmp_path):
    """Give an open ledger."""
    with Ledger.open(tmp_path / "state") as opened:
        yield opened


def test_documents_and_positions_are_committed_together(ledger):
    """After a commit both the batch and the position are there, and a failing commit leaves neither."""
    row = file(ledger)
    ledger.commit([batch(row.ref.key, [0, 10], row.ref.id)], [progress(row.ref.id, 20, 2)])
    broken = Progress(999, 5, {}, 5, b"")
    with pytest.raises(TypeError):
        ledger.commit([batch(row.ref.key, [20], row.ref.id)], [progress(row.ref.id, 30, 1), broken])
    assert [20] == [found.position for found in ledger.files()]
    assert [1] == [stored.seq for stored in ledger.after(0, limit=9)]


def test_a_batch_is_stored_as_the_bulk_body_that_is_sent(ledger):
    """The blob of a batch is gzip of exactly the bytes that were committed."""
    row = file(ledger)
    made = batch(row.ref.key, [0], row.ref.id)
    ledger.commit([made], [])
    assert made.body == igzip.decompress(ledger.after(0)[0].body)


def test_the_key_of_a_file_survives_the_loss_of_the_ledger(tmp_path):
    """Two ledgers name the same file alike, and a second generation with the same first line gets another name."""
    keys = []
    for name in ("one", "two"):
        with Ledger.open(tmp_path / name, host="h") as ledger:
            keys.append([file(ledger).ref.key, file(ledger).ref.key])
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[0][1]
    assert "691eca80" == keys[0][0][:8]


def test_one_process_writes(tmp_path):
    """A second writer is refused by name of the first, and readers are not."""
    with Ledger.open(tmp_path):
        with pytest.raises(LedgerLocked, match=str(os.getpid())):
            Ledger.open(tmp_path)
        with Ledger.open(tmp_path, readonly=True) as reader:
            assert [] == reader.files()
    Ledger.open(tmp_path).close()


def test_a_newer_ledger_is_refused(tmp_path):
    """A ledger of a later format is not touched."""
    Ledger.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerTooNew, match="99"):
        Ledger.open(tmp_path)


def test_a_directory_without_ledger_cannot_be_read(tmp_path):
    """Reading where no agent ran says so."""
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.open(tmp_path, readonly=True)


def test_garbage_is_not_a_ledger(tmp_path):
    """A file that is not SQLite is named in the error."""
    (tmp_path / "ledger.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        Ledger.open(tmp_path)


def test_a_batch_settles_once_and_whole(ledger):
    """A cursor moves only with an outcome for each document, and only once."""
    row = file(ledger)
    ledger.commit([batch(row.ref.key, [0, 10, 20], row.ref.id)], [progress(row.ref.id, 30, 3)])
    ledger.follow("es")
    (stored,) = ledger.after(0)
    with pytest.raises(LedgerError, match="3 documents, but 2"):
        ledger.settle("es", stored, delivered={row.ref.id: 2}, duplicate={}, rejected=[])
    refused = Rejected(f"{row.ref.key}-20", b'{"message":"m"}', 400, "bad")
    ledger.settle("es", stored, delivered={row.ref.id: 1}, duplicate={row.ref.id: 1}, rejected=[refused])
    with pytest.raises(LedgerError, match="before"):
        ledger.settle("es", stored, delivered={row.ref.id: 3}, duplicate={}, rejected=[])
    (sink,) = status(ledger.directory).sinks
    assert (1, 1, 1, 0) == (sink.delivered, sink.duplicate, sink.rejected, sink.pending)


def test_a_batch_stays_until_every_cursor_has_passed_it(ledger):
    """Pruning deletes only what all followers have settled."""
    row = file(ledger)
    ledger.commit([batch(row.ref.key, [0], row.ref.id)], [progress(row.ref.id, 10, 1)])
    ledger.follow("a")
    ledger.follow("b")
    (stored,) = ledger.after(0)
    ledger.settle("a", stored, delivered={row.ref.id: 1}, duplicate={}, rejected=[])
    assert 0 == ledger.prune(archive=False)
    ledger.settle("b", stored, delivered={row.ref.id: 1}, duplicate={}, rejected=[])
    assert 0 == ledger.prune(archive=True)
    assert 1 == ledger.prune(archive=False)


def test_every_batch_has_one_leaf_in_order(ledger):
    """The leaves are numbered without a gap and commit to the exact bytes of their batches."""
    row = file(ledger)
    made = [batch(row.ref.key, [offset], row.ref.id) for offset in range(5)]
    ledger.commit(made[:2], [])
    ledger.commit(made[2:], [])
    leaves = ledger.connection.execute("SELECT number, seq, entry, hash FROM leaf ORDER BY number").fetchall()
    assert [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)] == [leaf[:2] for leaf in leaves]
    assert [hashlib.sha256(one.body).hexdigest() for one in made] == [
        orjson.loads(leaf[2])["sha256"] for leaf in leaves
    ]
    assert [leaf_hash(leaf[2]) for leaf in leaves] == [leaf[3] for leaf in leaves]


def test_the_tree_hash_is_that_of_rfc_6962():
    """The roots equal the published test vectors of Certificate Transparency."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" == root_hash([]).hex()
    assert "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" == root_hash(leaves[:1]).hex()
    assert "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" == root_hash(leaves).hex()


def test_the_books_do_not_close_when_a_byte_is_missing(ledger):
    """A file whose bytes are not all accounted for is a problem in words."""
    row = file(ledger)
    ledger.commit([batch(row.ref.key, [0], row.ref.id)], [progress(row.ref.id, 10, 1)])
    assert status(ledger.directory).closes
    ledger.connection.execute("UPDATE file SET bytes_documents = 9")
    books = status(ledger.directory)
    assert not books.closes
    assert "read 10 bytes" in books.problems[0]


def test_a_rejected_document_can_be_replayed_while_the_agent_runs(ledger):
    """A wish of another process is carried out by the one that writes, and the outcome moves the counts."""
    row = file(ledger)
    ledger.commit([batch(row.ref.key, [0], row.ref.id)], [progress(row.ref.id, 10, 1)])
    ledger.follow("es")
    refused = Rejected(f"{row.ref.key}-0", b'{"message":"m"}', 400, "bad")
    ledger.settle("es", ledger.after(0)[0], delivered={}, duplicate={}, rejected=[refused])
    assert rejects.replay(ledger.directory, [1]) is False
    assert 1 == rejects.requests(ledger)
    (again,) = rejects.to_replay(ledger, "es")
    rejects.replayed(ledger, again, "delivered")
    (sink,) = status(ledger.directory).sinks
    assert (1, 0) == (sink.delivered, sink.rejected)
    assert [] == rejects.list_rejected(ledger.directory)


def test_what_was_committed_survives_sigkill(tmp_path):
    """Batches that commit reported are there after kill -9, with the positions that account for them."""
    script = (
        "import sys; from pathlib import Path; from logship.ledger.ledger import Ledger; from logship.model import *\n"
        "ledger = Ledger.open(Path(sys.argv[1])); number = 0\n"
        "row = ledger.register(path=Path('/a'), device=1, inode=2, head=b'x', source=Source('api'))\n"
        "while True:\n"
        "    number += 1\n"
        "    ledger.commit([Batch('dify.api', b'{}\\n{}\\n', 1, '', '', {row.ref.id: 1})],"
        " [Progress(row.ref.id, number, {}, number, b'', events=1, bytes_documents=1)])\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(20):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    with Ledger.open(tmp_path) as ledger:
        (row,) = ledger.files()
        assert row.position >= said
        assert row.position == len(ledger.after(0, limit=1000))
        assert status(tmp_path).closes
