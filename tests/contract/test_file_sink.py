"""What the file sink promises beyond the contract: rotation, and bytes of an attempt that did not end."""

import orjson
import pytest
from contract.batches import document, stored

from logship.delivery.bulk import documents
from logship.delivery.sinks.file import FileSink
from logship.errors import LedgerError


def lines(path):
    """Return the numbers in the messages of a file."""
    return [int(orjson.loads(line)["message"].split()[1]) for line in path.read_bytes().splitlines()]


def batch(*numbers, seq):
    """Make a batch of numbered documents."""
    return stored(*map(document, numbers), seq=seq, key=f"s{seq}")


def test_full_files_are_moved_aside_and_the_oldest_is_deleted(tmp_path):
    """A file that would exceed its size becomes `.1`, and only so many backups stay."""
    path = tmp_path / "out.ndjson"
    sink = FileSink(path, max_size=200, backups=2)
    for seq in range(1, 6):
        sink.send(batch(seq * 10, seq * 10 + 1, seq=seq), None)
    assert lines(path) == [50, 51]
    assert lines(tmp_path / "out.ndjson.1") == [40, 41]
    assert lines(tmp_path / "out.ndjson.2") == [30, 31]
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "out.ndjson", "out.ndjson.1", "out.ndjson.2", "out.ndjson.state",
    ]  # fmt: skip


def test_no_backups_means_that_a_full_file_is_begun_anew(tmp_path):
    """With no backups allowed, only the newest file is kept."""
    path = tmp_path / "out.ndjson"
    sink = FileSink(path, max_size=100, backups=0)
    sink.send(batch(1, seq=1), None)
    sink.send(batch(2, seq=2), None)
    assert lines(path) == [2]


def test_an_attempt_that_did_not_end_leaves_nothing(tmp_path):
    """Bytes beyond what was settled, as after a power cut, are cut off by the next batch."""
    path = tmp_path / "out.ndjson"
    FileSink(path).send(batch(1, seq=1), None)
    with path.open("ab") as file:
        file.write(b'{"message":"line 2"}\n{"mess')
    FileSink(path).send(batch(2, seq=2), None)
    assert lines(path) == [1, 2]


def test_a_file_that_another_program_rotated_is_not_cut(tmp_path):
    """Where logrotate has put a new file or emptied this one, the sink appends to what is there."""
    path = tmp_path / "out.ndjson"
    sink = FileSink(path)
    sink.send(batch(1, seq=1), None)
    path.rename(tmp_path / "out.ndjson-20260102")
    sink.send(batch(2, seq=2), None)
    path.write_bytes(b"")
    sink.send(batch(3, seq=3), None)
    assert (lines(tmp_path / "out.ndjson-20260102"), lines(path)) == ([1], [3])


def test_a_new_ledger_may_begin_at_one_again(tmp_path):
    """A batch is known by its content too: after the ledger was lost, new documents are not taken for old ones."""
    path = tmp_path / "out.ndjson"
    FileSink(path).send(batch(1, seq=1), None)
    receipt = FileSink(path).send(batch(2, seq=1), None)
    assert (receipt.delivered, lines(path)) == (1, [1, 2])


@pytest.mark.parametrize(("keep", "added"), [(slice(0, -9), b""), (slice(0, 0), b""), (slice(0, 20), b"\0\1\2")])
def test_a_damaged_batch_is_told(keep, added):
    """A batch whose bytes were damaged on disk is an error that names it, never a part of its documents."""
    good = batch(1, 2, 3, seq=9)
    damaged = type(good)(good.seq, good.dataset, good.count, "", "", {}, good.body[keep] + added)
    with pytest.raises(LedgerError, match="batch 9"):
        documents(damaged)
