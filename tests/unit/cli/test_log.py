"""The agent's own log: no secret, no log's text at error level, no flood."""

import io
import json
import logging

import pytest
import structlog

from logship import log
from logship.errors import LedgerError


@pytest.fixture
def lines():
    """Give a call that logs something as JSON and returns what was written."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.level, root.handlers[:]

    def written(level="info"):
        log.configure(level, "json", stream)
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield written
    structlog.reset_defaults()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_a_line_is_json_with_utc_time_and_level(lines):
    """Every line has timestamp, level and message."""
    read = lines()
    structlog.get_logger().info("started", files=3)
    (line,) = read()
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["message"], line["files"]) == ("info", "started", 3)


def test_the_level_holds(lines):
    """What is below the level is not written."""
    read = lines("warning")
    structlog.get_logger().info("no")
    structlog.get_logger().warning("yes")
    assert [line["message"] for line in read()] == ["yes"]


def test_secrets_are_masked_wherever_they_are(lines):
    """Values of telling keys, nested ones too, logins in URLs and header values are masked."""
    read = lines()
    structlog.get_logger().info(
        "connect",
        api_key="hunter2",
        headers={"Authorization": "ApiKey hunter2hunter2", "x": "Bearer hunter2hunter2"},
        url="https://me:hunter2@elastic:9200",
        hosts=["http://me:hunter2@b"],
        max_tokens=5,
        tokens_left="many",
    )
    (line,) = read()
    assert "hunter2" not in json.dumps(line)
    assert line["url"] == "https://me:********@elastic:9200"
    assert (line["max_tokens"], line["tokens_left"]) == (5, "many")


def test_a_logs_text_is_withheld_at_error_level(lines):
    """At error level only the length of a text is written; below, it may be seen."""
    read = lines("debug")
    structlog.get_logger().debug("parsed", line="her diary")
    structlog.get_logger().error("refused", document="her diary", reason="no such field")
    seen, withheld = read()
    assert seen["line"] == "her diary"
    assert (withheld["document"], withheld["reason"]) == ("(9 withheld)", "no such field")


def test_an_exception_names_its_place_but_not_its_text(lines):
    """A foreign exception's message may quote a log, ours and the system's do not."""
    read = lines()
    logger = structlog.get_logger()
    try:
        raise ValueError("her diary")
    except ValueError as error:
        logger.error("failed", exc_info=True)
        cause = error
    logger.error("ledger", exc_info=LedgerError("/state is full"))
    logger.error("system", exc_info=OSError(28, "No space left on device"))
    failed, ledger, system = (line["exception"] for line in read())
    assert failed.startswith("ValueError at ")
    assert "test_log.py" in failed
    assert str(cause) not in failed
    assert "/state is full" in ledger
    assert "No space left" in system


def test_debugging_shows_whole_tracebacks(lines):
    """At level debug nothing is kept back."""
    read = lines("debug")
    structlog.get_logger().error("failed", exc_info=ValueError("what"))
    assert "ValueError: what" in read()[0]["exception"]


def test_what_libraries_log_arrives_in_the_same_form(lines):
    """A warning of a library is a line like ours; its chatter is not, since it may hold documents."""
    read = lines("debug")
    logging.getLogger("urllib3").warning("node %s is dead", "a")
    logging.getLogger("urllib3").info("> {document}")
    logging.getLogger("elastic_transport").warning("said by the courier, in its terms")
    (line,) = read()
    assert (line["message"], line["logger"], line["level"]) == ("node a is dead", "urllib3", "warning")


def test_what_a_library_repeats_is_held_back_whatever_its_numbers(lines):
    """Lines that differ in counts and seconds only are one kind; another node is another kind."""
    read = lines()
    for node in ("a", "b"):
        for times in range(1, 9):
            logging.getLogger("urllib3.pool").warning(
                "Node %r has failed for %i times in a row, putting on %.1f second timeout", node, times, times * 2.0
            )
    log.close()
    written = read()
    assert [line["message"][:24] for line in written] == [
        *["Node 'a' has failed for "] * 5, *["Node 'b' has failed for "] * 5, "repeated", "repeated"
    ]  # fmt: skip
    assert (3, 3) == tuple(line["times"] for line in written[-2:])
    assert "failed for 1 times" in written[-2]["of"]
    assert not any("_form" in line for line in written)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def events(repeats: log.Repeats, count: int, **fields) -> int:
    """Log an event some times and return how often it came through."""
    passed = 0
    for _ in range(count):
        try:
            repeats(None, "warning", {"event": "sink is away", **fields})
        except structlog.DropEvent:
            continue
        passed += 1
    return passed


def test_what_repeats_is_counted_and_reported_once():
    """Of 100 equal events in a minute 5 are written; the rest is one line when the minute is over."""
    clock, reports = Clock(), []
    repeats = log.Repeats(clock=clock, report=lambda name, times: reports.append((name, times)))
    assert events(repeats, 100) == 5
    assert reports == []
    clock.now = 61.0
    assert events(repeats, 1) == 1
    assert reports == [("sink is away", 95)]
    repeats.close()
    assert reports == [("sink is away", 95)]


def test_different_subjects_do_not_hide_each_other():
    """The same event about another file or sink is another event."""
    repeats = log.Repeats(clock=Clock())
    assert events(repeats, 9, sink="a") == 5
    assert events(repeats, 9, sink="b") == 5


def test_what_is_held_back_is_reported_at_the_end():
    """Closing reports every count that is still open."""
    reports = []
    repeats = log.Repeats(limit=1, clock=Clock(), report=lambda name, times: reports.append((name, times)))
    events(repeats, 4, file="x")
    repeats.close()
    assert reports == [("sink is away", 3)]


def test_a_held_back_event_is_reported_in_the_log_itself(lines):
    """The line `repeated` names the event and how often."""
    read = lines()
    for _ in range(8):
        structlog.get_logger().warning("again")
    log.close()
    assert [line["message"] for line in read()] == ["again"] * 5 + ["repeated"]
    assert (read()[-1]["of"], read()[-1]["times"]) == ("again", 3)
