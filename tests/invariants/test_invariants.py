"""The invariants of the design, each a test on the real agent and real files."""

import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from isal import igzip

from logship.app import build
from logship.audit.tree import leaf_hash
from logship.config.settings import FileSink, FileSource, Settings
from logship.errors import DeliveryError, LedgerLocked
from logship.ledger.ledger import Ledger
from logship.ledger.status import status

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - {}\n"


def settings(folder: Path, **more) -> Settings:
    """Read `logs/*.log*` of a folder into its `state`."""
    (folder / "logs").mkdir(exist_ok=True)
    source = FileSource(path=str(folder / "logs" / "*.log*"), service="api")
    return Settings(state_dir=folder / "state", files=[source], containers={"enabled": False}, **more)


def run(folder: Path, **more) -> None:
    """Let an agent read and deliver everything."""
    build(settings(folder, **more)).once()


def stored(folder: Path) -> dict[str, dict]:
    """Give the ledger's documents by id."""
    found = {}
    with Ledger.open(folder / "state", readonly=True) as ledger:
        for batch in ledger.after(0, limit=10_000):
            lines = igzip.decompress(batch.body).split(b"\n")
            for action, document in zip(lines[:-1:2], lines[1::2], strict=True):
                name = orjson.loads(action)["create"]["_id"]
                assert name not in found
                found[name] = orjson.loads(document)
    return found


def test_1_a_position_is_durable_only_with_its_documents(tmp_path):
    """Any ledger that a crash may leave has every document before its positions: both are of one transaction."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_text("".join(LINE.format(number) for number in range(10)))
    run(tmp_path)
    with sqlite3.connect(tmp_path / "state" / "ledger.db") as connection:
        connection.execute(
            "CREATE TRIGGER stop BEFORE UPDATE OF position ON file BEGIN SELECT raise(abort, 'crash'); END"
        )
    connection.close()
    with log.open("a") as file:
        file.write(LINE.format("more"))
    with pytest.raises(sqlite3.IntegrityError):
        run(tmp_path)
    assert 10 == len(stored(tmp_path))


def test_2_a_cursor_does_not_pass_a_document_without_outcome(tmp_path):
    """While a sink cannot take a batch, its cursor waits before it."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(LINE.format("x"))
    (tmp_path / "no").write_text("a file where a folder is needed")
    agent = build(settings(tmp_path, file_sink=FileSink(path=tmp_path / "no" / "out.ndjson")))
    with pytest.raises(DeliveryError, match="1 documents wait"):
        agent.once(deadline=0.2)
    (sink,) = status(tmp_path / "state").sinks
    assert (0, 1) == (sink.delivered, sink.pending)


def test_3_an_id_depends_only_on_where_the_bytes_were(tmp_path):
    """Without its ledger, the agent gives the same lines the same ids; a rename does not change them either."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_text("".join(LINE.format(number) for number in range(10)) + LINE.format(1))
    run(tmp_path)
    before = stored(tmp_path)
    (tmp_path / "state").rename(tmp_path / "old")
    log.rename(tmp_path / "logs" / "a.log.1")
    run(tmp_path)
    assert before.keys() == stored(tmp_path).keys()
    assert 11 == len(before)


SECRET = "sk-proj-Zz9yXw8vUt7sRq6pOn5mLk4jIh3gFe2d"


def test_4_nothing_unredacted_reaches_the_disk(tmp_path):
    """A secret in a message, a traceback, a broken line and a JSON body is in no file of the agent's."""
    (tmp_path / "logs").mkdir()
    text = LINE.format(f"key {SECRET}") + f"Traceback (most recent call last):\n  File\nValueError: {SECRET}\n"
    text += f"garbage {SECRET}\n" + LINE.format(f'{{"api_key": "{SECRET}"}}')
    # The tail and head marks of a file in the ledger are raw bytes of it: they must not hold the secret either.
    (tmp_path / "logs" / "a.log").write_text(text)
    run(tmp_path, keep_original="always", file_sink=FileSink(path=tmp_path / "out.ndjson"))
    files = [path for path in [*(tmp_path / "state").rglob("*"), tmp_path / "out.ndjson"] if path.is_file()]
    assert [] == [path for path in files if SECRET.encode() in path.read_bytes()]
    assert SECRET not in orjson.dumps(stored(tmp_path)).decode()
    assert "[" in next(iter(stored(tmp_path).values()))["message"]


def test_5_no_line_vanishes_for_being_bad(tmp_path):
    """Lines of any bytes become documents with their text and a reason."""
    (tmp_path / "logs").mkdir()
    bad = [b"\xff\xfe\x00binary", b"{broken json", b"x" * 2_000_000, b"\x00" * 100 + b"hole", "超时".encode()]
    (tmp_path / "logs" / "a.log").write_bytes(b"".join(LINE.format("ok").encode() + line + b"\n" for line in bad))
    run(tmp_path)
    documents = stored(tmp_path).values()
    text = orjson.dumps([document["message"] for document in documents]).decode()
    assert all(part in text for part in ("binary", "broken json", "xxxx", "hole", "超时"))
    assert [2_000_000] == [
        document["log"]["original_length"] for document in documents if "original_length" in document["log"]
    ]


def test_6_the_books_close_after_every_step(tmp_path):
    """Read = in documents + dropped + skipped + pending, by file, at every commit of a growing file."""
    config = settings(tmp_path)
    log = tmp_path / "logs" / "a.log"
    for number in range(5):
        with log.open("a") as file:
            file.write(LINE.format(number) + "\n" + "Traceback (most recent call last):\n  File\n"[: number * 9])
        build(config).once()
        books = status(config.state_dir)
        assert books.closes, books.problems
    (file,) = status(config.state_dir).files
    assert file.read == file.bytes_documents + file.bytes_dropped + file.bytes_skipped + file.bytes_pending


def test_7_a_file_is_not_closed_with_unread_bytes(tmp_path):
    """A file that is removed while the agent runs is read to its end through the open descriptor."""
    config = settings(tmp_path, ingest={"scan_seconds": 0.05, "quiet_seconds": 0.1})
    log = tmp_path / "logs" / "a.log"
    log.write_text(LINE.format("first"))
    agent = build(config)
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    until(lambda: (tmp_path / "state" / "ledger.db").exists() and stored(tmp_path))
    with log.open("a") as file:
        log.unlink()
        file.write("".join(LINE.format(number) for number in range(20_000)))
    until(lambda: len(stored(tmp_path)) == 20_001)
    stop.set()
    thread.join()
    messages = Counter(document["message"] for document in stored(tmp_path).values())
    assert Counter(["first", *map(str, range(20_000))]) == messages


def until(true, seconds: float = 30.0) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_8_every_batch_is_covered_by_one_leaf_in_order(tmp_path):
    """The leaves of the audit log are those of the batches, one each, without a gap."""
    config = settings(tmp_path)
    for number in range(3):
        (tmp_path / "logs" / f"{number}.log").write_text(LINE.format(number))
        build(config).once()
    with Ledger.open(tmp_path / "state", readonly=True) as ledger:
        leaves = ledger.connection.execute("SELECT number, seq, entry, hash FROM leaf ORDER BY number").fetchall()
        batches = ledger.after(0, limit=100)
    assert [batch.seq for batch in batches] == [leaf[1] for leaf in leaves]
    assert list(range(len(leaves))) == [leaf[0] for leaf in leaves]
    assert all(leaf_hash(entry) == digest for _, _, entry, digest in leaves)


def test_9_one_process_writes_a_ledger(tmp_path):
    """A second agent on the same state is refused while the first has it."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(LINE.format("x"))
    first = build(settings(tmp_path))
    with pytest.raises(LedgerLocked):
        build(settings(tmp_path))
    first.once()
