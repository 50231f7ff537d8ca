"""Lines in the layout of LOG_FORMAT and LOG_DATEFORMAT, written by Python's own logging, become what was logged."""

import logging
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.data import data_path
from logship.model import Source
from logship.pipeline.layout import DIFY_DATE_FORMAT, DIFY_FORMAT
from logship.pipeline.logformat import understand
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import documents, get
from logship.pipeline.spec import Pipelines

PIPELINES = Pipelines.load([data_path("pipelines")])
REDACTOR = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)
#: Attribute, a way to write it, and its field; None: no field of its own is asked for.
ATTRIBUTES = {
    "levelname": (["s", "-8s", "8s", "-8.8s"], "log.level"),
    "levelno": (["s", "d", "-4d", "04d"], None),
    "name": (["s", "-30s", "20s"], "log.logger"),
    "filename": (["s", "-20s", "r"], "log.origin.file.name"),
    "pathname": (["s"], None),
    "module": (["s"], "dify.attributes.module"),
    "funcName": (["s", "-10s"], "log.origin.function"),
    "lineno": (["d", "s", "5d", "-5d", "04d"], "log.origin.file.line"),
    "process": (["d", "s", "6d"], "process.pid"),
    "processName": (["s", "-15s"], "process.name"),
    "thread": (["d", "s"], "process.thread.id"),
    "threadName": (["s", "-15s", "20s", "r"], "process.thread.name"),
    "taskName": (["s"], None),
    "req_id": (["s", "-10s"], "http.request.id"),
    "trace_id": (["s", "-32s"], "trace.id"),
    "span_id": (["s"], "span.id"),
    "tenant_id": (["s"], "organization.id"),
    "user_id": (["s"], "user.id"),
    "user_type": (["s"], "dify.user.type"),
    "relativeCreated": (["d", ".0f"], None),
    "colour": (["s"], "dify.attributes.colour"),
}
#: Dates, and the precision that they have; None: they do not say when.
DATES = {
    DIFY_DATE_FORMAT: 0,
    "%Y-%m-%dT%H:%M:%S": 0,
    "%Y-%m-%dT%H:%M:%S%z": 0,
    "%d/%b/%Y:%H:%M:%S %z": 0,
    "%c": 0,
    "%D %r": 0,
    "%A, %d. %B %Y %I:%M:%S %p %Z": 0,
    "%y%m%d-%H%M%S": 0,
    "%Y.%j %T": 0,
    "%-d.%-m.%Y %k:%M:%S": 0,
    "%H:%M:%S %Y-%m-%d": 0,
    "%H:%M %d-%m-%Y": 60,
    "%H:%M:%S": None,
    "%m/%d %I:%M": None,
}
SEPARATORS = [" ", " - ", " | ", ": ", "] [", ", ", " -- ", "\t", ") (", '" "', " 100% ", " 时间 ", " => "]
LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "critical"}
MESSAGES = st.one_of(
    st.sampled_from(
        [
            "cache warmed",
            "",
            "two\nlines",
            'says "no" - [a:1] | (b) 100%',
            "GET /x 200: done",
            "超时 für alle",
            "2025-11-20 08:00:00 quoted",
            "body:\n  {\n    1\n  }",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=1, max_size=30),
)


def formatter(layout, dates, zone):
    """Return the formatter that Dify makes of its variables."""
    made = logging.Formatter(layout, dates)
    made.converter = lambda seconds: datetime.fromtimestamp(seconds, ZoneInfo(zone)).timetuple()
    return made


@st.composite
def layouts(draw):
    """Give a layout of LOG_FORMAT whose parts can be told apart, with its attributes."""
    names = draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), unique=True, max_size=6))
    parts = [f"%({name}){draw(st.sampled_from(ATTRIBUTES[name][0]))}" for name in names]
    stamp = draw(st.sampled_from(["%(asctime)s", "%(asctime)s.%(msecs)03d", "%(asctime)s,%(msecs)d", "%(created)f"]))
    parts.insert(draw(st.integers(0, min(len(parts), 2))), stamp)
    # Where what may hold a space ends at one, nobody can tell the two apart.
    separators = [
        draw(st.sampled_from(SEPARATORS[1 if "threadName" in part or "colour" in part else 0 :])).replace("%", "%%")
        for part in parts
    ]
    before = draw(st.sampled_from(["", "[", "dify ", "> ", '{"log": "']))
    text = before + "".join(f"{part}{separator}" for part, separator in zip(parts, separators, strict=True))
    return f"{text}%(message)s" + draw(st.sampled_from(["", "", "", "]", " <<", '"}'])), names


@st.composite
def records(draw):
    """Give a record as Dify's filters leave it, and the level and the message that were logged."""
    level = draw(st.sampled_from(sorted(LEVELS)))
    message = draw(MESSAGES)
    error = draw(st.sampled_from([None, ValueError("boom"), KeyError("x")]))
    path = draw(st.sampled_from(["/app/api/app.py", "/app/api/core/x_y.py", "<string>"]))
    name = draw(st.sampled_from(["root", "celery.app.trace", "httpx", "sqlalchemy.engine.Engine", "a-b_c"]))
    function = draw(st.sampled_from(["handle", "<module>", "__call__"]))
    info = None
    if error:
        try:
            raise error
        except Exception:
            info = sys.exc_info()
    record = logging.LogRecord(name, logging.getLevelName(level), path, draw(st.integers(1, 9999)), message, (), info,
                               func=function)  # fmt: skip
    record.created = draw(st.integers(1_600_000_000_000, 1_900_000_000_000)) / 1000
    record.msecs = float(round(record.created * 1000) % 1000)
    record.threadName = draw(st.sampled_from(["MainThread", "Dummy-7", "Thread-3 (process_request_thread)", "AnyIO w"]))
    record.processName = draw(st.sampled_from(["MainProcess", "ForkPoolWorker-2"]))
    record.taskName = draw(st.sampled_from([None, "Task-1"]))
    record.trace_id = draw(st.sampled_from(["", "6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b"]))
    record.req_id, record.span_id = draw(st.sampled_from([("", ""), ("0a1b2c3d4e", "1234abcd5678ef90")]))
    record.tenant_id = draw(st.sampled_from(["", "aaaaaaaa-1111-4222-8333-444455556666"]))
    record.user_id, record.user_type = record.tenant_id.replace("a", "b"), "account" if record.tenant_id else ""
    record.colour = draw(st.sampled_from(["blue", "dark green", ""]))
    return record


def spec(layout, dates=DIFY_DATE_FORMAT):
    """Return the api's pipeline with a LOG_FORMAT."""
    return understand(PIPELINES, layout, dates).specs["api"]


def written(layout, dates, zone, *several):
    """Return what Python's logging writes of records."""
    made = formatter(layout, dates, zone)
    return "".join(f"{made.format(record)}\n" for record in several)


def stamp(document):
    """Return a document's time as seconds."""
    return datetime.fromisoformat(document["@timestamp"]).timestamp()


def precision(layout, dates):
    """Return how exact the times of a layout are, in seconds; None: they are not the record's."""
    if "%(asctime)" in layout and DATES[dates] is not None:
        return 60 if DATES[dates] else 0.0015 if "msecs" in layout else 1
    return 0.0015 if "%(created)" in layout else None


@settings(max_examples=100, deadline=None)
@given(layouts(), st.sampled_from(sorted(DATES)), st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kolkata"]), records())
def test_what_logging_writes_is_what_was_logged(made, dates, zone, record):
    """Level, logger, time, message, traceback and every attribute of the layout are the record's own."""
    layout, names = made
    text = written(layout, dates, zone, record, record)
    found = documents(spec(layout, dates), Source("api", zone=zone), text, REDACTOR)
    assert len(found) == 2
    for document in found:
        check(document, record, layout, dates, names)


def check(document, record, layout, dates, names):
    """Hold a document against the record that it came from."""
    message = record.getMessage()
    if record.exc_info:
        assert document["error"]["type"] == record.exc_info[0].__name__
        message = message or document["message"]
    assert document["message"].rstrip() == message.rstrip()
    exact = precision(layout, dates)
    if exact is not None:
        assert 0 <= record.created - stamp(document) + 0.001 < exact + 0.001
    for name in names:
        field = ATTRIBUTES[name][1]
        if field is None:
            continue
        expected = LEVELS[record.levelname] if name == "levelname" else getattr(record, name)
        value = get(document, field)
        assert value == (expected if expected != "" else None), (name, layout)


def parsed(layout, text, dates=DIFY_DATE_FORMAT, zone="UTC"):
    """Return the documents of lines of an api with a LOG_FORMAT."""
    return documents(spec(layout, dates), Source("api", zone=zone), text, REDACTOR)


def test_difys_own_formats_change_nothing():
    """Who sets what Dify has anyway gets the built-in pipelines."""
    assert understand(PIPELINES, DIFY_FORMAT, DIFY_DATE_FORMAT) is PIPELINES


def test_only_services_that_heed_it_get_the_format():
    """LOG_FORMAT is Dify's Python services' own: nginx and the plugin daemon are read as before."""
    found = understand(PIPELINES, "%(asctime)s %(message)s", DIFY_DATE_FORMAT).specs
    assert {"api"} == {name for name, one in found.items() if one != PIPELINES.specs[name]}


@pytest.mark.parametrize("line", ["2025-11-20 08:00:07 INFO x: hot", "2025-11-20 08:00:07,412 INFO x: hot"])
def test_milliseconds_of_asctime_may_be_there(line):
    """Without LOG_DATEFORMAT it is Dify's release that decides whether asctime has them."""
    (found,) = parsed("%(asctime)s %(levelname)s %(name)s: %(message)s", f"{line}\n")
    assert found["@timestamp"] in {"2025-11-20T08:00:07Z", "2025-11-20T08:00:07.412Z"}
    assert ("hot", "x") == (found["message"], found["log"]["logger"])


def test_other_lines_of_the_service_are_read_as_before():
    """gunicorn, JSON, Dify's own format in files from before the change, and what was printed: all are known."""
    text = (
        "2025-11-20 08:00:07 | INFO | hot\n"
        "[2025-11-20 08:00:08 +0000] [1] [INFO] Booting worker with pid: 7\n"
        '{"ts":"2025-11-20T08:00:09.901Z","severity":"WARN","service":"d","caller":"a.py:7","message":"json"}\n'
        "2025-11-20 08:00:10.412 ERROR [Dummy-7] [x.py:88]  - before\n"
        "Running migrations\n"
    )
    found = parsed("%(asctime)s | %(levelname)s | %(message)s", text)
    assert [one["message"] for one in found] == [
        "hot", "Booting worker with pid: 7", "json", "before", "Running migrations",
    ]  # fmt: skip
    assert ["info", "info", "warning", "error"] == [one["log"]["level"] for one in found[:4]]


def test_offset_that_strftime_writes_is_not_log_tz():
    """Dify's time says no zone, so strftime writes +0000 whatever LOG_TZ is; another offset is one."""
    layout, dates = "%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"
    text = "2025-11-20T16:00:00+0000 a\n2025-11-20T16:00:00+0200 b\n"
    assert [one["@timestamp"] for one in parsed(layout, text, dates, "Asia/Shanghai")] == [
        "2025-11-20T08:00:00Z",
        "2025-11-20T14:00:00Z",
    ]


def test_layout_that_looks_like_json_keeps_its_traceback():
    """What Python writes behind the closing brace belongs to the event."""
    text = (
        '{"time": "2025-11-20 08:00:07", "level": "ERROR", "msg": "it "broke""}\n'
        "Traceback (most recent call last):\nValueError: boom\n"
        '{"time": "2025-11-20 08:00:08", "level": "INFO", "msg": "on"}\n'
    )
    one, two = parsed('{"time": "%(asctime)s", "level": "%(levelname)s", "msg": "%(message)s"}', text)
    assert ('it "broke"', "error", "ValueError") == (one["message"], one["log"]["level"], one["error"]["type"])
    assert ("on", "2025-11-20T08:00:08Z") == (two["message"], two["@timestamp"])


def test_tracebacks_belong_to_an_event_without_time_and_level():
    """Where only a name or the message begins an event, no line of a traceback does."""
    text = (
        "app.py:7 it broke\nTraceback (most recent call last):\n  File \"/a.py\", line 1, in f\n    f()\n"
        "KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\nsqlalchemy.exc.OperationalError: (psycopg2) no\napp.py:8 goes on\n"
    )
    for layout in ("%(filename)s:%(lineno)d %(message)s", "%(message)s"):
        one, two = parsed(layout, text)
        assert "sqlalchemy.exc.OperationalError" == one["error"]["type"]
        assert one["message"].endswith("it broke") and two["message"].endswith("goes on")


def test_levels_that_are_cut_or_numbers_are_known():
    """`%(levelname).1s`, `%(levelname).4s` and `%(levelno)d` say the level too."""
    said = {
        "%(levelname).1s %(message)s": "E x\n",
        "%(asctime)s %(levelname).4s %(message)s": "2025-11-20 08:00:07 ERRO x\n",
        "%(levelno)d %(message)s": "40 x\n",
    }
    assert ["error"] * 3 == [parsed(layout, text)[0]["log"]["level"] for layout, text in said.items()]


def test_without_day_and_minute_the_time_is_dockers():
    """A time of day alone is kept as it stands; the event's own is the container engine's, else that of reading."""
    made = spec("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    data = b"".join(
        b'{"log":"%b\\n","stream":"stdout","time":"2025-11-20T08:00:0%d.5Z"}\n' % (line, number)
        for number, line in enumerate([b"[2025-11-20 07:00:00 +0000] [1] [INFO] up", b"08:00:01 INFO x"])
    )
    plain = "[2025-11-20 07:00:00 +0000] [1] [INFO] up\n08:00:01 INFO x\n"
    for envelope, text in (("docker", data.decode()), ("plain", plain)):
        before = datetime.now(UTC).timestamp()
        up, found = documents(made, Source("api", envelope), text, REDACTOR)
        assert ("08:00:01", "info") == (found["dify"]["attributes"]["asctime"], found["log"]["level"])
        assert "2025-11-20T07:00:00Z" == up["@timestamp"]
        assert found["@timestamp"] == "2025-11-20T08:00:01.5Z" if envelope == "docker" else stamp(found) >= before - 1


def test_a_date_without_a_year_gets_one():
    """It is the year that puts it nearest before tomorrow."""
    now = datetime.now(UTC).replace(microsecond=0)
    (found,) = parsed("%(asctime)s %(message)s", f"{now:%b %d %H:%M:%S} x\n", "%b %d %H:%M:%S")
    assert stamp(found) == now.timestamp()


def test_ids_of_request_and_trace_have_fields_of_their_own():
    """With both in the layout, each is what it says; a request's id alone gives the trace's, as in Dify."""
    both = parsed("%(asctime)s %(req_id)s %(trace_id)s %(message)s", f"2025-11-20 08:00:07 0a1b2c3d4e {'ab' * 16} x\n")
    assert ("0a1b2c3d4e", "ab" * 16) == (both[0]["http"]["request"]["id"], both[0]["trace"]["id"])
    (alone,) = parsed("%(asctime)s %(req_id)s %(message)s", "2025-11-20 08:00:07 0a1b2c3d4e x\n")
    assert ("0a1b2c3d4e", 32) == (alone["http"]["request"]["id"], len(alone["trace"]["id"]))
