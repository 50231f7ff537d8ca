"""The agent's report of itself is counted as everything else, and says what is true."""

import threading
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from logship.app import build
from logship.config.settings import Settings
from logship.delivery.bulk import documents
from logship.delivery.courier import Courier
from logship.delivery.sinks.file import FileSink
from logship.ledger.ledger import Ledger
from logship.ledger.status import status
from logship.report import DATASET, Reporter

START = datetime(2025, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    """Give a ledger."""
    with Ledger.open(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def courier(ledger, tmp_path):
    """Give a courier to a file."""
    sink = FileSink(tmp_path / "out.ndjson", name="out")
    yield Courier(ledger, sink, threading.Event())
    sink.close()


def reporter(ledger, now=START):
    """Return one that reports every minute."""
    return Reporter(ledger, every=60, namespace="n", constants={"host": {"name": "h"}}, now=now)


def after(minutes):
    """Return a moment after the start."""
    return START + timedelta(minutes=minutes)


def reports(ledger):
    """Return what the reports say, the newest batch last, each by sink ("" for the agent's own)."""
    found = [[orjson.loads(text) for _, text in documents(batch)] for batch in ledger.after(0, limit=100)]
    return [{one["logship"].get("sink", ""): one["logship"] for one in batch} for batch in found]


def test_it_reports_when_it_is_time(ledger):
    """Before the interval is over there is no report, and then there is one."""
    one = reporter(ledger)
    due = [one.step(START + timedelta(seconds=seconds)) for seconds in (59, 60, 61, 119, 120)]
    assert [False, True, False, False, True] == due
    assert [DATASET] * 2 == [batch.dataset for batch in ledger.after(0, limit=10)]


def test_the_books_close_over_reports(ledger, courier):
    """Reports are documents of a file that is in the ledger alone, closed to the tailer, and they add up."""
    one = reporter(ledger)
    for minute in (1, 2, 3):
        assert one.step(after(minute))
        assert courier.step()
    found = status(ledger.directory)
    assert [] == found.problems
    assert [6] == [sink.delivered for sink in found.sinks]
    assert [] == ledger.files("open")


def test_counts_are_those_since_the_last_report(ledger, courier):
    """What was delivered is said once, also when another agent goes on with the ledger."""
    one = reporter(ledger)
    one.step(after(1))
    courier.step()
    one.step(after(2))
    courier.step()
    reporter(ledger, now=after(2)).step(after(3))
    assert [0, 2, 2] == [report["out"]["delivered"] for report in reports(ledger)]


def test_a_late_sink_is_said_to_be_late(ledger, courier):
    """The lag is the time that the oldest document waits; a sink that has everything is not late."""
    one = reporter(ledger)
    one.step(after(1))
    courier.step()
    for minute in (2, 3, 4):
        one.step(after(minute))
    while courier.step():
        pass
    one.step(after(5))
    assert [0, 0, 60, 120, 0] == [report["out"]["lag_seconds"] for report in reports(ledger)]
    assert [0, 0, 2, 4, 0] == [report["out"]["pending"] for report in reports(ledger)]


def test_what_was_redacted_is_counted(ledger):
    """Secrets taken out since the last report, whatever the rule."""
    one = reporter(ledger)
    for minute, counts in enumerate(({"api_key": 2}, {"api_key": 1, "jwt": 2}), 1):
        ledger.commit([], [], redacted=counts)
        one.step(after(minute))
    assert [2, 3] == [report[""]["redacted"] for report in reports(ledger)]


def test_ids_are_never_used_twice(ledger):
    """Two agents, one after the other, give ids of their own."""
    for begin in (0, 5):
        one = reporter(ledger, now=after(begin))
        one.step(after(begin + 1))
        one.step(after(begin + 2))
    names = [name for batch in ledger.after(0, limit=10) for name, _ in documents(batch)]
    assert len(names) == len(set(names))


def test_the_running_agent_reports_and_does_not_show_it(tmp_path):
    """The service commits reports by itself; who watches the live view sees the logs alone."""
    (tmp_path / "api.log").write_text("2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - hello\n")
    files = [{"path": str(tmp_path / "api.log"), "service": "api"}]
    values = {"state_dir": tmp_path / "state", "containers": {"enabled": False}, "files": files}
    stop, shown = threading.Event(), []
    agent = build(Settings.model_validate(values | {"report_seconds": 0.001}))
    thread = threading.Thread(target=agent.run, args=(stop, shown.append))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not ({"logship.agent", "dify.api"} <= datasets(tmp_path / "state") and shown):
            assert time.monotonic() < deadline
            stop.wait(0.05)
    finally:
        stop.set()
        thread.join()
    assert {"dify.api"} == {batch.dataset for batch in shown}


def datasets(state):
    """Return the datasets that a ledger holds documents of."""
    with Ledger.open(state, readonly=True) as ledger:
        return {batch.dataset for batch in ledger.after(0, limit=100)}


def test_a_clock_that_is_set_back_stops_no_report(ledger):
    """An hour back is the beginning of the next minute, and not an hour without reports."""
    one = reporter(ledger)
    assert [True, True, False, True] == [one.step(after(minutes)) for minutes in (1, -59, -58.5, -58)]
    assert len(reports(ledger)) == 3
