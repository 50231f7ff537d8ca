"""Events that are in a container's output and in LOG_FILE."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logship.ledger.ledger import Ledger
from logship.ledger.unpaired import Unpaired
from logship.model import Events, FileRef, Source
from logship.pipeline.twins import Twins

STDOUT, LOG_FILE = 1, -1
A, B = ("2025-11-20 08:00:00.123 INFO [MainThread] [app.py:1]  - " + text for text in "ab")


@pytest.fixture
def ledger(tmp_path):
    """Return a ledger of its own."""
    with Ledger.open(tmp_path / "state") as ledger:
        yield ledger


def twins(ledger: Ledger, path: str = "/logs/server.log", unpaired: Unpaired | None = None, has_output=True) -> Twins:
    """Return what is known of the two copies of one service."""
    return Twins(
        ["api"],
        [path, f"{path}.*"],
        key=b"k" * 32,
        unpaired=unpaired or Unpaired(ledger),
        outputs=lambda _: has_output,
    )


def left(both: Twins, side: int, *texts: str) -> list[str]:
    """Return the events that are delivered of a copy."""
    count = len(texts)
    events = Events(list(range(count)), [7] * count, list(texts), [""] * count, [""] * count, {count - 1: {"a": 1}})
    gone, size = both.take_out(side, events)
    assert (gone, size) == (count - len(events.texts), 7 * gone)
    assert len(events.offsets) == len(events.sizes) == len(events.times) == len(events.streams) == len(events.texts)
    assert events.extra == ({len(events.texts) - 1: {"a": 1}} if events.offsets[-1:] == [count - 1] else {})
    return events.texts


def commit(ledger: Ledger, unpaired: Unpaired) -> None:
    """Write what changed, as the documents' transaction does."""
    ledger.commit([], [], beside=unpaired.write)
    unpaired.written()


def rows(ledger: Ledger) -> list[tuple]:
    """Return what the table has."""
    return ledger.connection.execute("SELECT key, ahead FROM unpaired").fetchall()


@pytest.mark.parametrize("between", ["one commit", "many commits", "a restart"])
def test_the_kth_event_of_a_text_pairs_with_the_kth_in_the_other_copy(ledger, between):
    """Of two equal events here and three there, three are delivered, whoever is read first and whenever."""
    unpaired = Unpaired(ledger)

    def step(side: int, *texts: str) -> list[str]:
        nonlocal unpaired
        found = left(twins(ledger, unpaired=unpaired), side, *texts)
        if between != "one commit":
            commit(ledger, unpaired)
        if between == "a restart":
            unpaired = Unpaired(ledger)
        return found

    assert [A, B, A] == step(STDOUT, A, B, A)
    assert [A] == step(LOG_FILE, A, A, B, A)
    assert [] == step(STDOUT, A)
    assert [A] == step(STDOUT, A)
    assert [] == step(LOG_FILE, A)
    commit(ledger, unpaired)
    assert [] == rows(ledger)


def test_what_was_not_committed_is_read_again_alike(ledger):
    """After a crash before the commit, the events of both copies are where they were."""
    both = twins(ledger, unpaired=(unpaired := Unpaired(ledger)))
    left(both, STDOUT, A)
    commit(ledger, unpaired)
    assert [] == left(both, LOG_FILE, A)
    assert [] == left(twins(ledger), LOG_FILE, A)


def test_what_only_one_copy_has_is_delivered(ledger):
    """An event that the other copy lacks is delivered, before and after those that both have."""
    both = twins(ledger)
    only_here, only_there = f"{A} here", f"{A} there"
    assert [only_here, B] == left(both, STDOUT, only_here, B)
    assert [only_there, A] == left(both, LOG_FILE, only_there, B, A)
    assert [] == left(both, STDOUT, A)


def test_what_does_not_say_when_it_was_is_never_a_copy(ledger):
    """A text without a time may have been written at any: it is delivered from both copies, and not kept."""
    both = twins(ledger, unpaired=(unpaired := Unpaired(ledger)))
    assert ["Bye"] == left(both, STDOUT, "Bye")
    assert ["Bye"] == left(both, LOG_FILE, "Bye")
    early = '127.0.0.1 - - [20/Nov/2025:08:00:00 +0000] "GET / HTTP/1.1" 200 1'
    assert ([early], []) == (left(both, STDOUT, early), left(both, LOG_FILE, early))
    commit(ledger, unpaired)
    assert [] == rows(ledger)


def stamped(at: str) -> str:
    """Return a JSON line of Dify's."""
    return f'{{"ts":"2025-11-20T08:{at}Z","severity":"INFO","message":"m"}}'


def test_json_lines_that_were_stamped_twice_are_one_event(ledger):
    """Dify's JSON formatter asks for the time once for each handler; much later it is another event."""
    both = twins(ledger)
    assert [stamped("00:59.999")] == left(both, LOG_FILE, stamped("00:59.999"))
    assert [stamped("02:39.1")] == left(both, STDOUT, stamped("01:00.001"), stamped("02:39.1"))
    assert [] == left(both, LOG_FILE, stamped("02:39.0"))
    broken = stamped("99:00")
    assert ([broken], []) == (left(both, STDOUT, broken), left(both, LOG_FILE, broken))


@pytest.mark.parametrize("first", [STDOUT, LOG_FILE])
def test_equal_json_lines_across_many_borders_pair_one_by_one(ledger, first):
    """A message each minute whose copies fall on both sides of each border: none is left over."""
    both = twins(ledger)
    log_file, stdout = [stamped(f"0{at}:59.999") for at in range(5)], [stamped(f"0{at}:00.001") for at in range(1, 6)]
    texts = {LOG_FILE: log_file, STDOUT: stdout}
    assert texts[first] == left(both, first, *texts[first])
    assert [] == left(both, -first, *texts[-first])


def test_lines_too_long_are_compared_as_far_as_no_reader_cuts_them(ledger):
    """A line that was cut at different places in the two copies is one event."""
    both = twins(ledger)
    left(both, STDOUT, A + "x" * 100_000)
    assert [] == left(both, LOG_FILE, A + "x" * 90_000)


def test_the_table_is_bounded_and_the_oldest_events_go_first(ledger):
    """Of more unpaired events than are kept, the newest still pair."""
    unpaired = Unpaired(ledger, most=2, often=3)
    both = twins(ledger, unpaired=unpaired)
    texts = [A.replace("08:00:00", f"08:00:0{second}") for second in (2, 1, 3)]
    left(both, STDOUT, *texts)
    commit(ledger, unpaired)
    assert 2 == len(rows(ledger))
    assert [texts[1]] == left(both, LOG_FILE, *texts)


@pytest.mark.parametrize(
    ("side", "path", "source"),
    [
        (STDOUT, "/c-json.log", Source("api", "docker")),
        (STDOUT, "/var/log/pods/x/api/0.log", Source("api", "cri")),
        (LOG_FILE, "/logs/server.log", Source("api")),
        (LOG_FILE, "/logs/server.log.1", Source("server")),
        (0, "/c-json.log", Source("worker", "docker")),
        (0, "/logs/server.logs", Source("api")),
        (0, "/other/server.log", Source("api")),
    ],
)
def test_a_file_is_a_copy_by_its_path_or_its_container(ledger, side, path, source):
    """LOG_FILE is known by its path, whatever found it; stdout by the service of the container."""
    assert side == twins(ledger).side(FileRef(1, "a", path, source))


def iso(seconds: float) -> str:
    """Return a time as Docker writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def test_stdout_costs_nothing_while_log_file_is_not_written(ledger, tmp_path):
    """Events of stdout are looked at only if LOG_FILE is there and was written since, or shortly before."""
    path = tmp_path / "server.log"
    both, now = twins(ledger, str(path)), time.time()
    assert not both.awaited(STDOUT, iso(now))
    path.touch()
    assert both.awaited(STDOUT, iso(now))
    assert both.awaited(STDOUT, "")
    os.utime(path, (now - 3600, now - 3600))
    stale = twins(ledger, str(path))
    assert not stale.awaited(STDOUT, iso(now))
    assert stale.awaited(STDOUT, iso(now - 4000))
    Path(f"{path}.1").touch()
    assert stale.awaited(STDOUT, iso(now))


def test_log_file_costs_nothing_while_no_container_is_read(ledger):
    """Events of LOG_FILE are looked at only if a container of the service is there."""
    assert twins(ledger).awaited(LOG_FILE, "")
    assert not twins(ledger, has_output=False).awaited(LOG_FILE, "")
