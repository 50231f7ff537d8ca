"""JSON events that a pattern takes apart become what reading their JSON gives."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.pipeline.test_fastpath import both, place, record

from logship.pipeline.formats import JsonFormat
from logship.pipeline.objects import usual
from logship.pipeline.spec import FormatSpec

IDENTITY = {"tenant_id": "6b4cb242-4a23-4596-a217-beaddbc496cb", "user_id": "u 1", "user_type": "account"}


def event(number, **more):
    """Return a line of the api's JSON form; None leaves a member out."""
    members = {
        "ts": f"2025-11-20T08:00:{number % 60:02d}.{number % 1000:03d}Z",
        "severity": "INFO" if number % 3 else "WARN",
        "service": "langgenius/dify",
        "caller": f"app.py:{number}",
        "message": f"cache {number} warmed",
        "trace_id": f"{number:032x}" if number % 5 else None,
        "identity": IDENTITY if number % 2 else None,
    }
    return {name: value for name, value in (members | more).items() if value is not None}


def line(value, *, spaced=False):
    """Return Docker's record of an object."""
    separators = (", ", ": ") if spaced else (",", ":")
    return record(json.dumps(value, ensure_ascii=False, separators=separators))


LEARN = b"".join(line(event(number)) for number in range(40))
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12),
    st.sampled_from([[], {}, ["a"], {"b": {"c": None}}, "", "2025-11-20T08:00:00", "10.0.0.1", "0123456789", "-" * 20]),
)  # fmt: skip
NAMES = st.sampled_from(
    [
        *event(1),
        *("span_id", "context", "stack_trace", "attributes", "attributes.x", "error_source", "identity.user_id"),
        *("other", 'a"b', "password"),
    ]
)
OBJECTS = st.one_of(
    st.builds(event, st.integers(0, 999)),
    st.builds(lambda number, more: {**event(number), **more}, st.integers(0, 999), st.dictionaries(NAMES, VALUES)),
    st.builds(
        lambda number, more: {**event(number), "identity": {**IDENTITY, **more}},
        st.integers(0, 999),
        st.dictionaries(st.sampled_from(["tenant_id", "user_id", "user_type", "more"]), VALUES, max_size=2),
    ),
    st.builds(lambda number: dict(reversed(event(number).items())), st.integers(0, 999)),
    st.sampled_from(
        [
            event(1, message="api_key=sk-EXAMPLEEXAMPLEEXAMPLE1234567890"),
            event(2, message="Task a.b[0b5c7a10-1111-4222-8333-000000000001] received"),
            event(3, message='says "no" to a<b & c'),
            event(4, message='Traceback (most recent call last):\n  File "a", line 1, in f\nValueError: no'),
            event(5, stack_trace='Traceback (most recent call last):\n  File "a", line 1, in f\nValueError: no'),
            event(6, ts="2025-11-20T08:00:00Z"),
            event(7, ts="2025-11-20T08:00:00.1234567891Z"),
            event(8, ts="2025-13-20T08:00:00.123Z"),
            event(9, ts="2025-11-20T08:00:00.123+02:00"),
            event(10, service="Bearer abcdefghijklmnopqrstuvwxyz012345"),
            event(11, identity={**IDENTITY, "user_id": "sk-EXAMPLEEXAMPLEEXAMPLE1234567890"}),
        ]
    ),
)
LINES = st.one_of(
    st.builds(line, OBJECTS),
    st.builds(lambda value: line(value, spaced=True), OBJECTS),
    st.sampled_from(
        [
            record('{"ts":"2025-11-20T08:00:00.123Z","severity":"INFO","message":"a","message":"b"}'),
            record(orjson.dumps(event(1)).decode()[:-1] + ',"severity":"ERROR"}'),
            record(orjson.dumps(event(1)).decode() + "  "),
            record(orjson.dumps(event(1)).decode()[:60]),
            record(orjson.dumps(event(1)).decode(), end=""),
            record("Traceback (most recent call last):"),
            record("plain"),
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(LINES, min_size=1, max_size=40), min_size=1, max_size=4))
def test_any_objects_give_the_same_documents_both_ways(groups):
    """Whatever lies between usual objects, a pattern and reading the JSON give the same documents."""
    some = b"".join(line(event(number)) for number in range(20))
    long, short, _ = both([LEARN, *[some + b"".join(group) + some for group in groups]])
    assert sorted(short, key=place) == sorted(long, key=place)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.builds(line, OBJECTS), min_size=8, max_size=20))
def test_what_is_learned_of_any_objects_gives_the_same_documents(lines):
    """A pattern made of unusual objects too gives what reading the JSON gives."""
    chunk = b"".join(lines) * 5
    long, short, _ = both([chunk, chunk, chunk])
    assert sorted(short, key=place) == sorted(long, key=place)


@pytest.mark.parametrize("spaced", [False, True])
def test_usual_objects_go_the_short_way(spaced):
    """Once the usual members are known, nearly every line is taken without reading it as JSON."""
    chunk = b"".join(line(event(number), spaced=spaced) for number in range(40))
    long, short, quick = both([chunk, chunk, chunk])
    assert short == long
    assert quick == 78


def test_a_secret_that_every_event_repeats_is_redacted():
    """What all events have alike is redacted like any other value."""
    secret = "sk-proj-a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6"
    chunk = b"".join(line(event(number, service=secret)) for number in range(40))
    chunk += b"".join(line(dict(reversed(event(number, service=secret).items()))) for number in range(90))
    long, short, _ = both([chunk, chunk, chunk])
    assert sorted(short, key=place) == sorted(long, key=place)
    assert secret not in orjson.dumps(short).decode()


def form(**changes):
    """Return a form of JSON events."""
    groups = {"time": ["ts", "time"], "message": "message"}
    spec = {"name": "f", "json": True, "groups": groups, "fields": {"n": "labels.n"}, "require": ["message"]}
    return JsonFormat(FormatSpec.model_validate({**spec, **changes}), "UTC")


@pytest.mark.parametrize(
    "texts",
    [
        ['{"message":"no stamp"}'],
        ['{"ts":1700000000,"message":"a number"}'],
        ['{"ts":"yesterday","message":"no date"}'],
        ['{"ts":"2025-11-20T08:00:00Z","time":"2025-11-20T08:00:00Z","message":"two stamps"}'],
        ['{"ts":"2025-11-20T08:00:00Z","message":"a","other":"is no field"}'],
        ['{"ts":"2025-11-20T08:00:00Z","message":""}'],
        ['{"ts":"2025-11-20T08:00:00Z","message":"a","n":[1]}'],
        ['{"ts":"2025-11-20T08:00:00Z","message":"a"}', '{"message":"a","ts":"2025-11-20T08:00:00Z"}'],
        ['{"ts":"2025-11-20T08:00:00Z","message":"a","n":1}', '{"ts":"2025-11-20T08:00:00Z","message":"a","n":"b"}'],
        ['{"ts":"2025-11-20T08:00:00Z","message":"a"}', '{"ts":"2025-11-20T08:00:00+00:00","message":"a"}'],
    ],
)
def test_objects_that_a_pattern_cannot_tell_are_read_as_json(texts):
    """There is no pattern where it would not say what the JSON says."""
    assert usual(form(), texts) is None
