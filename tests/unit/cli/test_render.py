"""How events look, and which of them the live stream shows."""

import io
import os
import re
import threading

import orjson
import pytest

from logship.cli import render
from logship.cli.grep import Grep
from logship.cli.live import Live
from logship.delivery.bulk import pack
from logship.model import StoredBatch


def document(message: str = "m", service: str = "api", level: str | None = "info", **fields) -> dict:
    """Make a document."""
    log = {} if level is None else {"log": {"level": level}}
    return {"@timestamp": "2025-11-20T08:00:07.412Z", "message": message, "service": {"name": service}} | log | fields


def batch(*documents: dict) -> StoredBatch:
    """Make a batch as the ledger gives it."""
    body = pack((f"k-{place}", orjson.dumps(one)) for place, one in enumerate(documents))
    return StoredBatch(1, "dify.api", len(documents), "", "", {1: len(documents)}, body)


def shown(*documents: dict, **options) -> list[str]:
    """Return the lines that the live stream shows of some documents."""
    stream = io.BytesIO()
    Live(stream, threading.Event(), **options)(batch(*documents))
    return stream.getvalue().decode().splitlines()


@pytest.mark.parametrize(
    "found",
    [{"log": {"level": "info"}}, {"log.level": "info"}, {"a": 1, "log": {"level": "info", "level.x": 2}}],
)
def test_a_field_is_found_nested_or_dotted(found):
    """ECS fields may be written either way."""
    assert render.field(found, "log.level") == "info"
    assert render.field(found, "log.level.none") is None


def test_a_deep_field_may_be_dotted_in_the_middle():
    """Any mixture of nesting and dots is one field."""
    assert render.field({"a.b": {"c": {"d.e": 1}}}, "a.b.c.d.e") == 1


def test_a_plain_event_is_one_line():
    """Without colours there is no escape sequence at all."""
    line = render.event(document("hello", level="error"), colour=False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.412 api           ERROR hello", line)


def test_a_service_keeps_its_colour_and_others_differ():
    """Colour is a function of the name; Dify's main services can be told apart."""
    hues = {
        name: re.search(r"\x1b\[38;5;(\d+)m", render.event(document(service=name), colour=True))[1]
        for name in ("api", "worker", "nginx", "web", "plugin_daemon", "worker_beat")
    }
    assert hues["api"] == re.search(r"\x1b\[38;5;(\d+)m", render.event(document("other"), colour=True))[1]
    assert len(set(hues.values())) >= 5


def test_grave_levels_are_red():
    """An error's message is coloured, an info's is not."""
    assert "\x1b[31mbad" in render.event(document("bad", level="ERROR"), colour=True)
    assert render.event(document("fine"), colour=True).endswith(" fine")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
        ("a\rb", "a\\x0db"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("zero\x00", "zero\\x00"),
        ("tab\tüber 超时", "tab\tüber 超时"),
    ],
)
def test_control_characters_are_shown(text, safe):
    """What would move the cursor, recolour or reorder is written out; text is left alone."""
    assert render.visible(text) == safe


def test_broken_fields_are_shown_all_the_same():
    """A document with odd types or without fields still has its line."""
    assert render.event({}, colour=False).split() == ["-"]
    assert render.event({"@timestamp": "x", "message": {"a": 1}}, colour=False).endswith('{"a":1}')


def test_the_live_stream_filters():
    """--service, --level and --grep each hide what they should; events without a level count as info."""
    events = [
        document("one"),
        document("two", level="error"),
        document("three", service="worker", level="debug"),
        document("four", service="nginx", level=None),
        document("five", level="warning", error={"stack_trace": "Traceback\nKeyError: x"}),
    ]

    def words(**options):
        return [line.split()[-1] for line in shown(*events, **options) if not line.startswith(" ")]

    assert words(services=frozenset({"worker", "nginx"})) == ["three", "four"]
    assert words(level="warning") == ["two", "five"]
    assert words(level="info") == ["one", "two", "four", "five"]
    assert words(grep=Grep("t[wh]|KeyError")) == ["two", "three", "five"]


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?P<x>a|aa)+$", r"(.*a){20}$"])
def test_no_pattern_and_no_line_holds_the_stream_up(pattern):
    """What backtracks for ever elsewhere is looked for in one pass."""
    assert not Grep(pattern).search("a" * 5000 + "!")


@pytest.mark.parametrize(
    ("pattern", "text"), [
        (r"\bKey", "a Key"), ("ü.ß", "üäß"), ("(?i)ERROR", "error"), ("^$", ""), (r"\d{3}", "1234"),
        (r"^\w+错误\s", "有错误 b"), (r"[(?P<a>]q", "Pq"), (r"\(\?P<q>", "(?P<q>"), ("ab{,2}c", "abbc"),
    ],
)
def test_patterns_mean_what_they_mean_in_python(pattern, text):
    """Words, letters of any script, flags, ends and repetitions."""
    assert Grep(pattern).search(text)
    assert not Grep(pattern).search("x y z")


def test_the_live_stream_indents_what_follows_the_first_line():
    """Further lines of a message and the traceback are set in."""
    (_, *rest) = shown(document("a\nb", error={"stack_trace": "Traceback\nKeyError: x\n"}))
    assert rest == ["    b", "    Traceback", "    KeyError: x"]


def test_the_live_stream_as_json_is_the_documents():
    """--output json writes each document as it is delivered."""
    events = [document("one"), document("two")]
    assert [orjson.loads(line) for line in shown(*events, output="json")] == events


def test_a_reader_that_goes_away_stops_the_agent():
    """The first write that nobody reads sets the stop; later batches are not written."""
    reader, writer = os.pipe()
    os.close(reader)
    stop = threading.Event()
    with os.fdopen(writer, "wb", buffering=0) as stream:
        live = Live(stream, stop)
        live(batch(document()))
        live(batch(document()))
    assert stop.is_set()
    assert live.broken


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB"), (2**50, "1024.0 TiB")],
)
def test_sizes_are_written_for_people(count, text):
    """Bytes come with the unit that fits."""
    assert render.size(count) == text
