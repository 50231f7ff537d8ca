"""
Whatever happens to the state directory, the agent runs again, says what it did, and every line is delivered once.

The documents are counted in a real Elasticsearch: an id that had changed would be there as a second document.
"""

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conformance.harness import until
from crash.test_exactly_once import in_elasticsearch

from logship.doctor.recovered import recovered
from logship.ledger.ledger import Ledger
from logship.ledger.recovery import open_whole, recoveries
from logship.ledger.rotations import Rotations, rotation_status
from logship.ledger.status import status
from logship.model import Source
from logship.store.search import search

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - {}\n"
MOVED = "the ledger was damaged; it was moved aside, and what can be read of it was kept"
AGAIN = (
    "documents that somebody waited for are lost with it; every file is read again from its start, and "
    "Elasticsearch knows by the ids what it has; what was lost of files that are gone stays lost"
)
NEWER = "segments are newer than the ledger, which was lost or comes from a backup; they can be searched"


class Shipper:
    """An agent that delivers to Elasticsearch, and the lines that were written for it."""

    def __init__(self, service, url: str, client, namespace: str) -> None:
        self.service = service
        self._url = url
        self._client = client
        self._namespace = namespace
        self.written: list[str] = []
        self.ledger = service.state / "ledger.db"

    def configure(self, *, away: bool = False, store: bool = True, seal: str = "3600") -> None:
        """Deliver to the server, or to a port where nobody is."""
        url = "http://127.0.0.1:9" if away else self._url
        more = f"namespace: {self._namespace}\nelasticsearch: {{hosts: ['{url}']}}\n"
        self.service.configure(more, store=store)
        if store:
            text = self.service.config.read_text()
            self.service.config.write_text(text.replace("{enabled: true}", f"{{enabled: true, seal_seconds: {seal}}}"))

    def write(self, name: str, count: int) -> None:
        """Append numbered lines, each unlike all others."""
        begin = len(self.written)
        self.written += [f"{name} {number} {os.urandom(30).hex()}" for number in range(begin, begin + count)]
        with (self.service.logs / name).open("a") as file:
            file.write("".join(map(LINE.format, self.written[begin:])))

    def delivered(self) -> Counter:
        """Count the texts of all documents in Elasticsearch."""
        return in_elasticsearch(self._client, f"logs-dify.api-{self._namespace}")

    def ship(self) -> None:
        """Start the agent, and wait until everything is delivered."""
        self.service.start()
        until(lambda: status(self.service.state).sinks and sum(self.service_outcomes()) >= len(self.written), 120)

    def service_outcomes(self) -> tuple[int, int, int]:
        """Return delivered, duplicate and pending documents."""
        (sink,) = status(self.service.state).sinks
        return (sink.delivered, sink.duplicate, 0 if not sink.pending else -(1 << 40))

    def check(self, *, searched: bool = True) -> None:
        """Stop the agent; every line is in Elasticsearch once, the search finds it once, and the books close."""
        until(lambda: self.delivered() == Counter(self.written), 120)
        assert 0 == self.service.stop()
        assert Counter(self.written) == self.delivered()
        books = status(self.service.state)
        assert books.closes, books.problems
        if searched:
            hits = search(self.service.state, "*", limit=len(self.written) * 2)
            assert Counter(self.written) == Counter(hit.document["message"] for hit in hits)


@pytest.fixture
def shipper(service, elasticsearch_url, elasticsearch, namespace):
    """Give an agent that delivers to the real Elasticsearch."""
    return Shipper(service, elasticsearch_url, elasticsearch, namespace)


def broken(path: Path) -> bool:
    """Tell whether SQLite finds a ledger damaged, so that no damage can be none."""
    try:
        with sqlite3.connect(path) as connection:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        connection.close()
    except sqlite3.DatabaseError:
        return True
    return said != "ok"


def flip(path: Path) -> None:
    """Invert the heads of pages in the middle third."""
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        for page in range(pages // 3, pages * 2 // 3 + 1):
            file.seek(page * 4096)
            head = file.read(64)
            file.seek(page * 4096)
            file.write(bytes(byte ^ 0xFF for byte in head))
    assert broken(path)


def cut(path: Path) -> None:
    """Cut the second half off."""
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
    assert broken(path)


def overwrite(path: Path) -> None:
    """Put something else in its place."""
    path.write_bytes(os.urandom(100_000))
    assert broken(path)


def empty(path: Path) -> None:
    """Leave nothing of its content."""
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [flip, cut, overwrite, empty, Path.unlink])
@pytest.mark.parametrize("away", [False, True], ids=["delivered", "undelivered"])
def test_a_ledger_that_is_damaged(shipper, damage: Callable[[Path], None], away: bool):
    """What was delivered is known by its ids; what was not is read again."""
    shipper.configure(away=away)
    shipper.write("a.log", 3000)
    shipper.write("b.log", 10)
    shipper.service.start()
    until(lambda: sum(shipper.service.messages().values()) == 3010)
    if not away:
        until(lambda: shipper.delivered().total() == 3010)
    assert 0 == shipper.service.stop()
    damage(shipper.ledger)
    shipper.write("b.log", 10)
    shipper.configure()
    shipper.service.start()
    shipper.check()
    if damage in (flip, cut, overwrite):
        (moved,) = shipper.service.log(MOVED)
        assert Path(moved["aside"]).exists()
        (known,) = recoveries(shipper.service.state)
        assert known["aside"] == Path(moved["aside"]).name
        if away and damage is overwrite:
            assert shipper.service.log(AGAIN)


@pytest.mark.parametrize("damage", ["zeros", "removed", "flipped"])
def test_a_write_ahead_log_that_is_damaged(shipper, damage: str):
    """The ledger is as it was before, and the lines after that are read again and known by their ids."""
    shipper.configure()
    shipper.write("a.log", 500)
    shipper.ship()
    shipper.service.process.kill()
    shipper.service.process.wait()
    log = shipper.ledger.with_name("ledger.db-wal")
    size = log.stat().st_size
    assert size > 10_000
    if damage == "zeros":
        log.write_bytes(bytes(size))
    elif damage == "removed":
        log.unlink()
    else:
        data = bytearray(log.read_bytes())
        data[size // 2] ^= 0xFF
        log.write_bytes(data)
    shipper.write("a.log", 500)
    shipper.service.start()
    shipper.check()


def test_a_state_directory_from_an_older_backup(shipper):
    """What was done since the backup is done again, and Elasticsearch has it already."""
    shipper.configure(seal="1")
    shipper.write("a.log", 500)
    shipper.ship()
    assert 0 == shipper.service.stop()
    shutil.copytree(shipper.service.state, shipper.service.folder / "backup")
    shipper.write("a.log", 500)
    shipper.write("new.log", 100)
    shipper.ship()
    assert 0 == shipper.service.stop()
    shutil.rmtree(shipper.service.state)
    (shipper.service.folder / "backup").rename(shipper.service.state)
    shipper.write("new.log", 100)
    shipper.service.start()
    shipper.check()


def test_segments_outlive_their_ledger(shipper):
    """A ledger that is gone takes nothing of the archive with it, not even of files that are gone."""
    shipper.configure(seal="1")
    shipper.write("gone.log", 500)
    shipper.ship()
    (shipper.service.logs / "gone.log").unlink()
    segments = shipper.service.state / "segments"
    until(lambda: list(segments.glob("*/*.parquet")))
    assert 0 == shipper.service.stop()
    for path in shipper.service.state.glob("ledger.db*"):
        path.unlink()
    shipper.write("a.log", 10)
    shipper.service.start()
    shipper.check()
    (said,) = shipper.service.log(NEWER)
    assert (500, 0) == (said["documents"], said["damaged"])


def test_what_is_lost_for_good_is_named(shipper):
    """Documents that were not delivered, of a file that is gone, are counted when the ledger loses them."""
    shipper.configure(away=True, store=False)
    shipper.write("gone.log", 3000)
    shipper.service.start()
    until(lambda: sum(shipper.service.messages().values()) == 3000)
    assert 0 == shipper.service.stop()
    (shipper.service.logs / "gone.log").unlink()
    with sqlite3.connect(shipper.ledger) as connection:
        (seq,) = connection.execute("SELECT max(seq) FROM batch").fetchone()
        (count,) = connection.execute("SELECT count FROM batch WHERE seq = ?", (seq,)).fetchone()
        connection.execute("UPDATE batch SET body = x'1f8b' WHERE seq = ?", (seq,))
    connection.close()
    with shipper.ledger.open("r+b") as file:  # an index, so that nothing else is hurt
        page = root_page(shipper.ledger, "file_inode")
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 8)
    assert broken(shipper.ledger)
    shipper.written = shipper.written[: 3000 - count]
    shipper.configure(store=False)
    shipper.service.start()
    until(lambda: shipper.delivered() == Counter(shipper.written), 120)
    assert 0 == shipper.service.stop()
    (said,) = shipper.service.log(AGAIN)
    assert (1, count) == (said["batches"], said["at_most_documents"])


def test_what_is_known_of_managed_rotation_survives(tmp_path):
    """Backups that logship made are not read as files of somebody's, and a removal that was begun is ended."""
    for name in ("a.log", "a.log.1"):
        (tmp_path / name).write_text("some bytes")
    found = (tmp_path / "a.log.1").stat()
    with Ledger.open(tmp_path / "state") as ledger:
        source, path = Source("api"), tmp_path / "a.log"
        file = ledger.register(path=path, device=1, inode=2, head=b"some bytes", source=source).ref.id
        rotations = Rotations(ledger)
        rotations.note(path, "collapse", "")
        rotations.copied(path, found, 10)
        rotations.begin(path, found, file, 4096, b"before", b"after")
        before = (rotations.backups(), rotations.intents(), rotation_status(ledger.connection))
    with (tmp_path / "state" / "ledger.db").open("r+b") as damaged:  # an index, so that nothing else is hurt
        damaged.seek((root_page(tmp_path / "state" / "ledger.db", "file_inode") - 1) * 4096)
        damaged.write(b"\xff" * 8)
    assert broken(tmp_path / "state" / "ledger.db")
    with open_whole(tmp_path / "state", lambda *_: [], archive=False) as ledger:
        again = Rotations(ledger)
        assert before == (again.backups(), again.intents(), rotation_status(ledger.connection))
    assert recoveries(tmp_path / "state")


def root_page(path: Path, name: str) -> int:
    """Return the page at which a table or an index begins."""
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    connection.close()
    return page


def test_a_damaged_batch_is_read_again(shipper):
    """Documents that do not fit their checksum are made again of their file, and nothing waits for them."""
    shipper.configure(away=True, store=False)
    shipper.write("a.log", 100)
    shipper.service.start()
    until(lambda: sum(shipper.service.messages().values()) == 100)
    assert 0 == shipper.service.stop()
    with sqlite3.connect(shipper.ledger) as connection:
        (seq, body) = connection.execute("SELECT seq, body FROM batch ORDER BY seq LIMIT 1").fetchone()
        damaged = bytearray(body)
        damaged[len(body) // 2] ^= 0xFF
        connection.execute("UPDATE batch SET body = ? WHERE seq = ?", (bytes(damaged), seq))
    connection.close()
    shipper.write("b.log", 10)
    shipper.configure(store=False)
    shipper.service.start()
    shipper.check(searched=False)
    assert shipper.service.log(AGAIN)


def test_the_doctor_tells_of_a_recovery_and_removes_the_copy(service):
    """What was kept and where the damaged ledger lies is a finding; a person's word removes it."""
    (service.logs / "a.log").write_text(LINE.format("x"))
    service.start()
    until(lambda: service.messages())
    assert 0 == service.stop()
    overwrite(service.state / "ledger.db")
    service.start()
    until(lambda: service.messages())
    assert 0 == service.stop()
    told, copy = recovered(service.state)
    assert "the ledger was damaged" in told.what
    assert Path(copy.subject).exists()
    assert copy.repair is not None
    copy.repair.act()
    assert not Path(copy.subject).exists()
    assert [told] == list(recovered(service.state))
