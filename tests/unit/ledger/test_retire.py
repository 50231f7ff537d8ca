"""Rows of ended generations are let go, and nothing that they counted or named is."""

from pathlib import Path

import pytest

from logship.ledger.ledger import Ledger
from logship.ledger.retire import GONE, retire
from logship.ledger.status import status
from logship.model import Batch, Progress, Source


@pytest.fixture
def ledger(tmp_path):
    """Give an open ledger."""
    with Ledger.open(tmp_path / "state") as opened:
        yield opened


def live(ledger: Ledger, number: int, head: bytes) -> str:
    """Let a file of one document live and end, and be delivered; return its key."""
    ref = ledger.register(path=Path(f"/logs/{number}"), device=1, inode=2, head=head, source=Source("api")).ref
    body = b'{"create":{"_id":"%b-0"}}\n{}\n' % ref.key.encode()
    batch = Batch("dify.api", body, 1, "2025-11-20T08:00:00Z", "2025-11-20T08:00:00Z", {ref.id: 1})
    step = Progress(ref.id, 10, {}, 10, b"", 2, 1, 6, 3, 1, dropped={"noise": 1})
    ledger.follow("sink")
    (seq,) = ledger.commit([batch], [step])
    (stored,) = ledger.after(seq - 1)
    ledger.settle("sink", stored, delivered={ref.id: 1}, duplicate={}, rejected=[])
    ledger.end(ref.id)
    return ref.key


def test_what_was_counted_is_kept(ledger):
    """After most rows are gone the books close, with the same totals."""
    for number in range(30):
        live(ledger, number, b"%d\n" % number)
    before = status(ledger.directory)
    ledger.prune(archive=False)
    assert 25 == retire(ledger, keep=5)
    assert 0 == retire(ledger, keep=5)
    after = status(ledger.directory)
    assert after.closes, after.problems
    assert (before.documents, before.sinks) == (after.documents, after.sinks)
    assert 6 == len(after.files)
    assert sum(file.read for file in before.files) == sum(file.read for file in after.files)
    assert {"noise": 25} == next(file.dropped for file in after.files if file.state == "gone")
    assert GONE not in {row.ref.id for row in ledger.files()}


def test_no_key_is_given_twice(ledger):
    """A file that has the device, inode and first line of one that was let go gets ids of its own."""
    keys = [live(ledger, number, b"the same first line\n") for number in range(12)]
    ledger.prune(archive=False)
    assert retire(ledger, keep=2)
    keys += [live(ledger, number, b"the same first line\n") for number in range(12)]
    assert len(keys) == len(set(keys))


def test_a_row_is_kept_while_its_documents_wait(ledger):
    """Batches that a sink did not take yet name their files."""
    for number in range(30):
        live(ledger, number, b"%d\n" % number)
    assert 0 == retire(ledger, keep=5)
    ledger.prune(archive=False)
    assert 25 == retire(ledger, keep=5)
