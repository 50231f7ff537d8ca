"""Events become ECS documents, and none is lost for being bad."""

import orjson
import pytest

from logship.errors import PipelineError
from logship.model import Events, Source
from logship.pipeline import columns, exceptions
from logship.pipeline.encoder import Encoder
from logship.pipeline.spec import Pipelines, PipelineSpec, read_spec
from logship.pipeline.template import Templates
from logship.pipeline.times import Clock

SPEC = {
    "name": "api",
    "starts": [r"\d{4}-"],
    "formats": [
        {
            "name": "text",
            "match": r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(?P<fraction>\d{3}) (?P<level>[A-Z]+) "
            r"\[(?P<file>[^\]]+):(?P<line>\d+)\](?: (?P<trace>[0-9a-f]{32}))? - (?P<message>(?s:.*))",
            "time": "%Y-%m-%d %H:%M:%S",
            "fields": {"file": "log.origin.file.name", "line": "log.origin.file.line:long", "trace": "trace.id"},
            "exception": "python",
            "messages": ["task"],
        },
        {
            "name": "json",
            "json": True,
            "require": ["severity"],
            "groups": {"time": "ts", "level": "severity", "message": "message"},
            "fields": {"identity.tenant_id": "organization.id", "stack_trace": "error.stack_trace"},
            "exception": "python",
            "rest": "dify.attributes",
        },
    ],
    "messages": {
        "task": [
            {
                "name": "received",
                "literal": "Task ",
                "match": r"Task (?P<id>\w+) received",
                "fields": {"id": "dify.task.id"},
                "set": {"event.action": "task-received"},
            }
        ]
    },
    "drop": [{"name": "health", "match": "health", "enabled": True}],
}


class Marks:
    """Redacts the word `secret`."""

    def suspects(self, texts):
        """Name the texts that hold it."""
        return {row for row, text in enumerate(texts) if "secret" in text}

    def redact(self, text):
        """Replace it."""
        return text.replace("secret", "[gone]"), {"word": 1} if "secret" in text else {}

    def redact_value(self, _name, value):
        """Replace it anywhere in a value."""
        return orjson.loads(orjson.dumps(value).replace(b"secret", b"[gone]"))


class Broken(Marks):
    """A redactor with a defect."""

    def redact(self, text):
        """Fail."""
        raise RuntimeError(text)


def encode(*texts: str, redactor=None, zone="UTC", envelope="", **options):
    """Give the documents of some texts."""
    encoder = Encoder(
        PipelineSpec.model_validate(SPEC),
        Source("api", zone=zone),
        redactor or Marks(),
        key="k",
        constants={"host": {"name": "h%d"}},
        **options,
    )
    events = Events(
        list(range(len(texts))), [len(t) for t in texts], list(texts), [envelope] * len(texts), [""] * len(texts)
    )
    encoded = encoder.encode(events)
    return [orjson.loads(document.split(b"\n")[1]) for document in encoded.documents], encoded


def test_a_line_becomes_a_nested_document():
    """Time, level, message and fields stand where ECS wants them, constants beside them."""
    (document,), _ = encode("2025-11-20 08:00:07.412 WARN [a.py:88] 6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b - cache 100% warm")
    assert {
        "@timestamp": "2025-11-20T08:00:07.412Z",
        "message": "cache 100% warm",
        "log": {"level": "warning", "original_level": "WARN", "origin": {"file": {"name": "a.py", "line": 88}}},
        "trace": {"id": "6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b"},
        "host": {"name": "h%d"},
        "service": {"name": "api"},
        "event": {"dataset": "dify.api"},
        "data_stream": {"type": "logs", "dataset": "dify.api", "namespace": "default"},
    } == document


def test_a_field_without_value_is_absent():
    """An unmatched group makes no field, and no neighbour of the batch is harmed."""
    documents, _ = encode(
        "2025-11-20 08:00:07.412 INFO [a.py:8] - x", "2025-11-20 08:00:07.413 INFO [a.py:8] " + "a" * 32 + " - y"
    )
    assert ["x", "y"] == [document["message"] for document in documents]
    assert [False, True] == ["trace" in document for document in documents]


def test_a_traceback_is_split_off_the_message():
    """The stack trace, its type and its message are fields of their own."""
    text = "2025-11-20 08:00:07.412 ERROR [a.py:8] - failed\nTraceback (most recent call last):\n"
    text += '  File "a", line 1\nValueError: boom'
    (document,), _ = encode(text)
    assert "failed" == document["message"]
    assert ("ValueError", "boom") == (document["error"]["type"], document["error"]["message"])
    assert document["error"]["stack_trace"].startswith("Traceback")


def test_what_a_message_says_becomes_fields():
    """A message rule adds fields and constants."""
    (document,), _ = encode("2025-11-20 08:00:07.412 INFO [a.py:8] - Task abc received")
    assert ("abc", "task-received") == (document["dify"]["task"]["id"], document["event"]["action"])


def test_json_events_are_read_by_path_and_keep_the_rest():
    """Nested keys become fields, unknown ones stay in the flattened object."""
    text = '{"ts":"2025-11-20T08:00:00.5Z","severity":"ERROR","message":"m","identity":{"tenant_id":"t"},"odd":{"a":1},'
    (document,), _ = encode(text + '"stack_trace":"Traceback (most recent call last):\\n  File\\nKeyError: 1"}')
    assert ("2025-11-20T08:00:00.5Z", "t") == (document["@timestamp"], document["organization"]["id"])
    assert ({"odd": {"a": 1}}, "KeyError") == (document["dify"]["attributes"], document["error"]["type"])


def test_a_line_that_no_format_knows_is_kept_raw():
    """The text is the message, the tag says so, the time is the envelope's."""
    (document,), encoded = encode("\x00 what is this?", envelope="2025-11-20T08:00:00.123456789Z")
    assert ("\x00 what is this?", ["unparsed"], "2025-11-20T08:00:00.123456789Z") == (
        document["message"],
        document["tags"],
        document["@timestamp"],
    )
    assert (1, "\x00 what is this?") == (encoded.unparsed, document["event"]["original"])


@pytest.mark.parametrize(
    ("keep", "found"), [("never", [False, False]), ("unparsed", [False, True]), ("always", [True, True])]
)
def test_the_original_is_kept_by_option(keep, found):
    """`event.original` is there never, for unparsed events, or always."""
    documents, _ = encode("2025-11-20 08:00:07.412 INFO [a.py:8] - x", "raw", keep_original=keep)
    assert found == ["original" in document["event"] for document in documents]


def test_secrets_are_redacted_on_every_path():
    """Message, fields, stack trace, original and raw lines hold no secret, in text and in JSON."""
    texts = [
        "2025-11-20 08:00:07.412 ERROR [secret.py:8] - secret\n"
        "Traceback (most recent call last):\n  File\nValueError: secret",
        '{"ts":"2025-11-20T08:00:00Z","severity":"INFO","message":"secret","odd":{"a":["secret"]}}',
        "raw secret",
    ]
    documents, encoded = encode(*texts, keep_original="always")
    assert b"secret" not in orjson.dumps(documents)
    assert encoded.redacted["word"] >= 6


def test_when_redaction_fails_the_document_stays_and_the_text_goes():
    """A defect of the redactor leaks nothing and loses no document."""
    (document,), _ = encode("2025-11-20 08:00:07.412 INFO [a.py:8] - my secret", redactor=Broken())
    assert "secret" not in orjson.dumps(document).decode()
    assert ("redaction", "2025-11-20T08:00:07.412Z") == (document["error"]["type"], document["@timestamp"])


def test_what_a_rule_drops_is_counted_by_its_name():
    """A dropped event makes no document; its bytes and its rule are known."""
    documents, encoded = encode(
        "2025-11-20 08:00:07.412 INFO [a.py:8] - health", "2025-11-20 08:00:07.412 INFO [a.py:8] - x"
    )
    assert (["x"], {"health": 1}, 46) == ([d["message"] for d in documents], encoded.dropped, encoded.bytes_dropped)
    assert encoded.documents[0].startswith(b'{"create":{"_id":"k-1"}}\n')


@pytest.mark.parametrize(
    ("formats", "zone", "stamp", "expected"),
    [
        (["iso"], "UTC", "2025-11-20T08:00:00.123456789+08:00", "2025-11-20T00:00:00.123456789Z"),
        (["iso"], "Asia/Shanghai", "2025-11-20 08:00:00", "2025-11-20T00:00:00Z"),
        (["iso"], "UTC", "2025-11-20 08:00:00,5 UTC", "2025-11-20T08:00:00.5Z"),
        (["%d/%b/%Y:%H:%M:%S %z"], "UTC", "20/Nov/2025:08:03:10 +0200", "2025-11-20T06:03:10Z"),
        (["epoch"], "UTC", "1763625601.123", "2025-11-20T08:00:01.123Z"),
        (["epoch_ms"], "UTC", "1763625601123", "2025-11-20T08:00:01.123Z"),
        (["%d %b %Y %H:%M:%S"], "UTC", "20 Nov 2025 08:00:00.020", "2025-11-20T08:00:00.020Z"),
        (["%Y-%m-%d %I:%M:%S %p"], "UTC", "2025-11-20 08:00:00 PM", "2025-11-20T20:00:00Z"),
        (["%Y-%m-%d %H:%M:%S %Z"], "UTC", "2025-11-20 08:00:00.512 CET", "2025-11-20T07:00:00.512Z"),
        (["%Y-%m-%d", "iso"], "UTC", "2025-11-20T08:00:00Z", "2025-11-20T08:00:00Z"),
        (["iso"], "UTC", "not a time", ""),
        (["iso"], "UTC", "2025-13-45 99:00:00", ""),
        (["epoch"], "UTC", "9" * 30, ""),
    ],
)
def test_stamps_become_utc(formats, zone, stamp, expected):
    """Each kind of stamp is converted with its zone and keeps its digits."""
    assert [expected] == Clock(formats, zone).convert([stamp])
    assert [expected, expected] == Clock(formats, zone).convert([stamp, stamp])


def test_the_hour_that_a_clock_change_repeats_goes_on_in_order():
    """Stamps of the doubled hour are read as the first hour until they step back, then as the second."""
    stamps = [
        "2025-10-26 01:59:00",
        "2025-10-26 02:30:00",
        "2025-10-26 02:59:00",
        "2025-10-26 02:10:00",
        "2025-10-26 03:00:00",
    ]
    expected = [
        "2025-10-25T23:59:00Z",
        "2025-10-26T00:30:00Z",
        "2025-10-26T00:59:00Z",
        "2025-10-26T01:10:00Z",
        "2025-10-26T02:00:00Z",
    ]
    assert expected == Clock(["iso"], "Europe/Berlin").convert(stamps)


@pytest.mark.parametrize(("written", "hour"), [("00:10:00.5", "00"), ("01:30:00.5", "01"), ("01:10:00", "01")])
def test_the_stamp_of_the_engine_tells_the_hours_of_a_clock_change_apart(written, hour):
    """A line that says 02:10 in the doubled hour is of the one in which it was written, whatever came before."""
    beside = f"2025-10-26T{written}Z"
    line = "2025-10-26 02:10:00.000 INFO [a.py:1] - x"
    (document,), _ = encode(line, zone="Europe/Berlin", envelope=beside)
    assert f"2025-10-26T{hour}:10:00.000Z" == document["@timestamp"]
    text = '{"ts":"2025-10-26 02:10:00","severity":"INFO","message":"x"}'
    (document,), _ = encode(text, zone="Europe/Berlin", envelope=beside)
    assert f"2025-10-26T{hour}:10:00Z" == document["@timestamp"]
    text = '{"ts":"2025-10-26T02:10:00+02:00","severity":"INFO","message":"x"}'
    (document,), _ = encode(text, zone="Europe/Berlin", envelope=beside)
    assert "2025-10-26T00:10:00Z" == document["@timestamp"]


@pytest.mark.parametrize(
    ("stamp", "written", "expected"),
    [
        ("2025-11-20 16:10:00 CST", "2025-11-20T08:10:00.2Z", "2025-11-20T08:10:00Z"),
        ("2025-11-20 16:10:00 CST", "2025-11-20T22:10:01Z", "2025-11-20T22:10:00Z"),
        ("2025-11-20 16:10:00 IST", "2025-11-20T10:40:01Z", "2025-11-20T10:40:00Z"),
        ("2025-11-20 16:10:00 CST", "", "2025-11-20T16:10:00Z"),
        ("2025-11-20 16:10:00 PST", "", "2025-11-21T00:10:00Z"),
    ],
)
def test_an_abbreviation_of_several_zones_is_that_in_which_the_line_was_written(stamp, written, expected):
    """The engine's stamp tells China's time from America's; without it the source's zone counts."""
    clock = Clock(["iso"], "UTC")
    for _ in range(2):
        assert [expected] * 3 == clock.convert([stamp] * 3, None, [written] * 3)
    assert ["2025-11-20T08:10:00Z"] == Clock(["iso"], "Asia/Shanghai").convert(["2025-11-20 16:10:00 CST"])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e400", "1e400"),
        ("[1, NaN]", [1, "NaN"]),
        ("1" * 400, "1" * 400),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        ('"half \\ud83d of"', "half ? of"),
        ('"whole \\ud83d\\ude00"', "whole \U0001f600"),
    ],
)
def test_json_that_only_python_writes_is_read(written, said):
    """Numbers that are none, or too large, and half a character cost an event neither its time nor its level."""
    text = f'{{"ts":"2025-11-20T09:03:12.901Z","severity":"ERROR","message":"m","score":{written}}}'
    documents, encoded = encode(*[text] * 40)
    assert 0 == encoded.unparsed
    for document in documents:
        assert ("2025-11-20T09:03:12.901Z", "error", "m") == (
            document["@timestamp"], document["log"]["level"], document["message"]
        )  # fmt: skip
        assert said == document["dify"]["attributes"]["score"]


@pytest.mark.parametrize("text", ['{"severity": NaN', "{'severity': 1}", '{"severity":' + "[" * 100_000 + "}", "{NaN}"])
def test_what_is_no_json_stays_unparsed(text):
    """Reading leniently guesses nothing."""
    (document,), _ = encode(text)
    assert (["unparsed"], text) == (document["tags"], document["message"])


GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "x.py", line 1, in <module>
  |     raise ExceptionGroup("many", errors)
  | ExceptionGroup: many (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "x.py", line 2, in f
    |     raise ValueError("inner")
    | ValueError: inner
    +------------------------------------"""
CHAIN = """Traceback (most recent call last):
  File "x.py", line 1, in f
    {}["a"]
    ~~^^^^^
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "x.py", line 2, in g
    raise RuntimeError("outer") from None
RuntimeError: outer
second line"""


@pytest.mark.parametrize(
    ("kind", "text", "message", "type_", "error"),
    [
        ("python", "m\n" + CHAIN, "m", "RuntimeError", "outer\nsecond line"),
        ("python", "m\n" + GROUP, "m", "ExceptionGroup", "many (2 sub-exceptions)"),
        (
            "python",
            'm\nTraceback (most recent call last):\n  File "a", line 1\n    assert False\nAssertionError',
            "m",
            "AssertionError",
            None,
        ),
        (
            "java",
            "m\norg.x.FooException: bad\n\tat a.b.C(D.java:1)\n"
            "Caused by: java.io.IOException: disk\n\tat a.b(X.java:2)",
            "m",
            "java.io.IOException",
            "disk",
        ),
        ("node", "m\nError: connect ECONNREFUSED\n    at x (y.js:1:2)", "m", "Error", "connect ECONNREFUSED"),
        ("node", "m\nTypeError: fetch failed\n    at async p (x.js:1:2)", "m", "TypeError", "fetch failed"),
        ("go", "panic: nil map\n\ngoroutine 1 [running]:\nmain.main()", "panic: nil map", "panic", "nil map"),
        ("go", "panic: \n\ngoroutine 5 [running]:\nmain.main()", "panic: ", "panic", None),
        ("go", "m\ngithub.com/a/b.(*C).D\n\t/app/x.go:24", "m", None, None),
        ("go", "goroutine 5 [running]:\nx()\n\t/x.go:2", "goroutine 5 [running]:", None, None),
        (
            "go",
            "[Recovery] panic recovered:\nGET / HTTP/1.1\nHost: a\n\nindex out of range\n/x/panic.go:2 (0x476)\nf: x",
            "[Recovery] panic recovered:",
            "panic",
            "index out of range",
        ),
        (
            "python",
            'x failed: Traceback (most recent call last):\n  File "a"\nKeyError: 1',
            "x failed:",
            "KeyError",
            "1",
        ),
        ("python", '  File "a.py", line 2, in f\n    g()\nValueError: cut off', "", "ValueError", "cut off"),
        ("python", "Traceback (most recent call last):\n  x\nKeyError\nnot its text", "", "KeyError", None),
        ("java", "cannot boot java.lang.Error: x\n\tat a.b.C.d(E.java:1)", "cannot boot", "java.lang.Error", "x"),
        (
            "node",
            "AggregateError [ECONNREFUSED]: \n    at a (x:1:2)",
            "AggregateError [ECONNREFUSED]:",
            "AggregateError",
            None,
        ),
        ("rust", "m\nthread 'main' panicked at a.rs:1:2:\nboom\nnote: x", "m", "panic", "boom"),
        (
            "rust",
            "thread 'a' panicked at 'boom', a.rs:1:2\nnote: x",
            "thread 'a' panicked at 'boom', a.rs:1:2",
            "panic",
            "boom",
        ),
        ("rust", "Panic backtrace:\n   0: std::x", "Panic backtrace:", None, None),
        ("any", "m\njava.lang.Error: x\n\tat a.b.C.d(E.java:1)", "m", "java.lang.Error", "x"),
        ("any", "m\nTypeError: x\n    at f (a.js:1:2)", "m", "TypeError", "x"),
        ("any", 'm\nTraceback (most recent call last):\n  File "a"\nKeyError: 1', "m", "KeyError", "1"),
        ("any", "fatal error: deadlock\n\ngoroutine 1 [running]:\nx", "fatal error: deadlock", "panic", "deadlock"),
    ],
)
def test_what_was_raised_is_found_in_each_language(kind, text, message, type_, error):
    """The type and message are those of the exception that was not handled."""
    found, fields = exceptions.split(kind, text)
    assert (message, type_, error) == (found, fields.get("error.type"), fields.get("error.message"))
    assert text.endswith(fields["error.stack_trace"])


def test_a_text_without_an_exception_stays_whole():
    """No kind finds one where there is none."""
    text = "two lines\nno exception: at all"
    for kind in ("python", "java", "node", "go", "rust", "any"):
        assert (text, {}) == exceptions.split(kind, text)


def encode_with(form: dict, *texts: str, **pipeline) -> list[dict]:
    """Give the documents of some texts by a pipeline with one format."""
    spec = PipelineSpec.model_validate({"name": "x", "formats": [{"name": "f", **form}], **pipeline})
    encoder = Encoder(spec, Source("x"), Marks(), key="k", constants={})
    count = len(texts)
    encoded = encoder.encode(Events(list(range(count)), [1] * count, list(texts), [""] * count, [""] * count))
    return [orjson.loads(document.split(b"\n")[1]) for document in encoded.documents]


def test_paths_lead_into_lists():
    """A number in a path is a place in a list; what is not there is absent."""
    form = {"json": True, "groups": {"message": "a.1.b"}, "fields": {"c.0": "event.code", "c.7": "event.reason"}}
    (found,) = encode_with(form, '{"a": [{}, {"b": "here"}], "c": ["first"]}')
    assert ("here", "first", None) == (found["message"], found["event"]["code"], found["event"].get("reason"))


def test_lists_of_lines_become_one_text():
    """The type `lines` joins a list; a text stays as it is."""
    form = {"json": True, "fields": {"s": "error.stack_trace:lines"}}
    found = encode_with(form, '{"s": ["a", "b"]}', '{"s": "c"}', '{"s": []}', "{}")
    assert ["a\nb", "c", None, None] == [one.get("error", {}).get("stack_trace") for one in found]


def test_quoted_texts_are_unescaped():
    """What stood in a program's quotes becomes the text that it meant."""
    form = {"match": r'msg="(?P<message>(?s:.*))"', "escaped": ["message"]}
    texts = [r'msg="a \"b\" \\ c\nd \u00e9\x41"', 'msg="plain"']
    assert ['a "b" \\ c\nd éA', "plain"] == [one["message"] for one in encode_with(form, *texts)]


def test_milliseconds_may_be_a_number():
    """As logging's %(msecs)d prints them: 7 is seven thousandths, not seven tenths."""
    form = {"match": r"(?P<time>\d{4}-\S+ \S+?),(?P<msecs>\d+) (?P<message>.*)"}
    found = encode_with(form, "2025-11-20 08:00:07,7 a", "2025-11-20 08:00:07,41 b", "2025-11-20 08:00:07,412 c")
    assert ["007", "041", "412"] == [one["@timestamp"][20:23] for one in found]


def test_what_stands_before_further_lines_comes_off():
    """A prefix on every line of an event is in neither its message nor its stack trace."""
    form = {"match": r"\d\|web \| (?P<message>(?s:.*))", "exception": "node"}
    text = "0|web | TypeError: x\n0|web |     at f (a.js:1:2)"
    (found,) = encode_with(form, text, before_further=r"\d\|web \| ")
    assert "TypeError: x" == found["message"]
    assert "TypeError: x\n    at f (a.js:1:2)" == found["error"]["stack_trace"]


def test_an_exception_that_a_json_line_names_is_kept():
    """Type and message come out of the stack trace only where the line does not say them itself."""
    form = {
        "json": True,
        "fields": {"type": "error.type", "stack": "error.stack_trace"},
        "exception": "java",
    }
    stack = "a.B: x\\n\\tat a.b.C.d(E.java:1)\\nCaused by: a.C: y\\n"
    found = encode_with(form, f'{{"type": "a.B", "stack": "{stack}"}}', f'{{"stack": "{stack}"}}')
    assert [("a.B", "y"), ("a.C", "y")] == [(one["error"]["type"], one["error"]["message"]) for one in found]


def test_texts_that_look_like_json_are_told_apart():
    """Commas, quotes and backslashes at a text's ends never shift its neighbours."""
    texts = ['"a": "b",', ",", '","', '"', '\\",', "", "plain", ',"x"', "a\nb"]
    assert texts == [orjson.loads(column) for column in columns.texts(texts)]
    assert texts[:5] == [document["message"] for document in encode(*texts[:5])[0]]


def test_fields_that_collide_are_both_kept():
    """A value where an object is needed moves into it."""
    made = Templates(lambda: {"user": "x"}, "k").document(7, {"user.id": b'"1"', "user": b'"name"'})
    action, document, _ = made.split(b"\n")
    assert ({"create": {"_id": "k-7"}}, {"user": {"id": "1", "value": "name"}}) == (
        orjson.loads(action),
        orjson.loads(document),
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("formats: [{name: a, match: '('}]", "formats.0.match"),
        ("formatz: []", "formatz"),
        ("formats: [{name: a}]", "formats.a"),
        ("formats: [{name: a, match: x, messages: [b]}]", "message rules named b"),
        ("formats: [{name: a, match: '(?P<x>.)', fields: {x: 'a.b:colour'}}]", "colour"),
        ("a: [", "broken.yaml"),
    ],
)
def test_a_wrong_pipeline_file_says_where(tmp_path, text, place):
    """The error names the file, the place and what is wrong."""
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(PipelineError, match=place) as caught:
        read_spec(path)
    assert "broken.yaml" in str(caught.value)


def test_a_source_gets_the_pipeline_of_its_service_or_image():
    """The service name comes first, then the image, then the generic pipeline."""
    specs = [PipelineSpec(name="api", services=["api", "work*"], images=["dify-api"]), PipelineSpec(name="generic")]
    pipelines = Pipelines(specs)
    sources = [Source("worker_beat"), Source("x", image="langgenius/dify-api:1"), Source("x")]
    assert ["api", "api", "generic"] == [pipelines.for_source(source).name for source in sources]


def test_a_line_without_time_gets_that_of_the_line_before_it():
    """Whatever format the neighbours have, the time is never that of a later event."""
    texts = ["2025-11-20 08:00:00.000 INFO [a.py:8] - x", "raw", "2025-11-20 09:00:00.000 INFO [a.py:8] - y"]
    documents, _ = encode(*texts)
    assert ["2025-11-20T08:00:00.000Z"] * 2 == [document["@timestamp"] for document in documents[:2]]
