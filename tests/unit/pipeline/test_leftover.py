"""Every word of an event is in its document: what no field takes is kept beside them."""

import orjson
import pytest

from logship.data import data_path
from logship.model import Events, Source
from logship.pipeline.compiled import compile_pipeline
from logship.pipeline.encoder import Encoder
from logship.pipeline.leftover import leaves_out, takes_all
from logship.pipeline.redaction import Redactor
from logship.pipeline.spec import FormatSpec, MessageRule, Pipelines, PipelineSpec

PIPELINES = Pipelines.load([data_path("pipelines")])
REDACTOR = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)


def documents(texts, formats, messages=None):
    """Return the documents that texts become by formats."""
    spec = PipelineSpec(name="x", services=["x"], formats=formats, messages=messages or {})
    encoder = Encoder(spec, Source("x", "plain"), REDACTOR, key="k", constants={})
    count = len(texts)
    events = Events(list(range(count)), [1] * count, texts, [""] * count, [""] * count, {}, lines=count)
    return [orjson.loads(one.split(b"\n")[1]) for one in encoder.encode(events).documents]


def of_json(value, **options):
    """Return the document that an object becomes by one JSON format."""
    (document,) = documents([orjson.dumps(value).decode()], [FormatSpec(name="j", json=True, **options)])
    return document


@pytest.mark.parametrize("name", sorted(PIPELINES.specs))
def test_no_shipped_pattern_leaves_words_out(name):
    """What stands between the groups of a shipped format is the same in each of its lines."""
    compiled = compile_pipeline(PIPELINES.specs[name], "UTC")
    assert [form.spec.name for form in compiled.formats if getattr(form, "leaves_out", False)] == []


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        (r"\[(?P<message>.*)\]", False),
        (r"(?:GET|POST) (?P<message>.*)", False),
        (r"[TZ ](?P<message>.*)", False),
        (r"\d{4}-\d\d (?:,\d{3,6})?(?P<message>.*)", False),
        (r"(?P<a>\w+) (?P=a) (?P<message>.*)", False),
        (r"(?=\w+)(?P<message>.*)", False),
        (r"(?P<open>\[)?(?P<message>.*)(?(open)\])", False),
        (r"\S+ (?P<message>.*)", True),
        (r"[^|]*\|(?P<message>.*)", True),
        (r"[a-z]+ (?P<message>.*)", True),
        (r"\d+ (?P<message>.*)", True),
        (r"[0-9]{7} (?P<message>.*)", True),
        (r"(?:x|\w) (?P<message>.*)", True),
        (r"(?>.)(?P<message>.*)", True),
        (r"(?P<unused>\w+) (?P<message>.*)", True),
        (r"(?P<open>\[)?(?P<message>.*)(?(open)\w+|x)", True),
    ],
)
def test_text_between_groups_is_seen_in_the_pattern(pattern, left):
    """Words and long numbers outside the groups are left out; what never differs is not."""
    assert leaves_out(pattern, ["message", "a", "open"]) is left


@pytest.mark.parametrize(
    ("pattern", "whole"),
    [
        (r"a (?P<message>(?s:.*))", True),
        (r"a(?P<message>x(?s:.*)|y(?s:.*))", True),
        (r"a(?P<message>x|y(?s:.*))", False),
        (r"a(?P<message>.*)", False),
        (r"a(?P<message>(?s:.*?))b?\Z", True),
        (r"a(?P<message>(?s:.*?))b", False),
        (r"a", False),
    ],
)
def test_a_pattern_is_known_to_take_all_of_a_text(pattern, whole):
    """Only if it does so in each of its alternatives; else what is left over goes to the message."""
    assert takes_all(pattern) is whole
    form = FormatSpec(name="f", match=pattern)
    for text in ("ax and more", "a y and more", "ay b and more"):
        (document,) = documents([text], [form])
        assert "and more" in orjson.dumps(document).decode()


def test_a_part_of_an_object_that_is_a_field_leaves_the_others():
    """Also where the whole object would be the same field, had it been a text."""
    document = of_json(
        {"error": {"message": "full", "source": ["x.go:1"]}},
        groups={"message": ["message", "error.message"]},
        fields={"error.message": "error.message", "error": "error.message"},
    )
    assert document["message"] == "full"
    assert document["dify"]["attributes"]["error"]["source"] == ["x.go:1"]


def test_an_own_pattern_that_leaves_words_out_keeps_the_event():
    """Where the pattern drops something, the whole event stands in event.original."""
    (document,) = documents(["who what"], [FormatSpec(name="f", match=r"\w+ (?P<message>.*)")])
    assert (document["message"], document["event"]["original"]) == ("what", "who what")


@pytest.mark.parametrize("kind", ["long", "float", "ip", "ns_from_s", "duration", "bool"])
def test_a_value_that_fits_no_field_keeps_the_event(kind):
    """`Qx` is no number, address or time: it is in event.original, of a line and of JSON, and in no other document."""
    form = FormatSpec(name="f", match=r"(?P<v>\S*) (?P<message>.*)", fields={"v": f"dify.x:{kind}"})
    good = {"ip": "10.0.0.1", "duration": "1m2s", "bool": "yes"}.get(kind, "7")
    odd, fine, empty = documents(["Qx a", f"{good} b", " c"], [form])
    assert odd["event"]["original"] == "Qx a"
    assert "original" not in fine["event"]
    assert fine["dify"]["x"] is not None
    assert "original" not in empty["event"]
    json = of_json({"message": "a", "v": "Qx"}, groups={"message": "message"}, fields={"v": f"dify.x:{kind}"})
    assert json["event"]["original"] == '{"message":"a","v":"Qx"}'


def test_a_stamp_with_an_unknown_zone_keeps_the_event():
    """An abbreviation is the source's zone; a word that is no zone is no part of a time."""
    form = FormatSpec(name="f", match=r"(?P<time>[^|]+)\|(?P<message>.*)", time="iso")
    fine, odd = documents(["2025-11-20 08:00:01 XST|a", "2025-11-20T08:00:01Qxqx|b"], [form])
    assert fine["@timestamp"] == "2025-11-20T08:00:01Z"
    assert odd["event"]["original"] == "2025-11-20T08:00:01Qxqx|b"


def test_two_values_for_one_field_keep_the_event():
    """Where groups of one field differ, one alone can be in it."""
    fields = {"a": "log.logger", "b": "log.logger"}
    form = FormatSpec(name="f", match=r"(?P<a>\w+) (?P<b>\w+) (?P<message>.*)", fields=fields)
    odd, fine = documents(["one two x", "one one x"], [form])
    assert (odd["log"]["logger"], odd["event"]["original"]) == ("one", "one two x")
    assert "original" not in fine["event"]


def test_a_message_rule_that_replaces_a_field_keeps_the_event():
    """What the line said of the field before is still in the document."""
    form = FormatSpec(
        name="f", match=r"(?P<u>\w+) (?P<message>.*)", fields={"u": "user.name"}, messages=["rules"]
    )
    rule = MessageRule(name="r", literal="for ", match=r"for (?P<who>\w+)", fields={"who": "user.name"})
    replaced, same = documents(["ann for bob", "bob for bob"], [form], {"rules": [rule]})
    assert (replaced["user"]["name"], replaced["event"]["original"]) == ("bob", "ann for bob")
    assert "original" not in same["event"]


def test_members_that_are_no_field_are_kept_by_name():
    """At any depth, beside those that are one, without a word about them in the format."""
    document = of_json(
        {"msg": "m", "id": {"tenant": "t", "plan": {"name": "pro"}}, "more": [1], "caller": "f.go:x"},
        groups={"message": "msg"},
        fields={"id.tenant": "organization.id", "caller": "log.origin.file.name:caller"},
    )
    assert document["dify"]["attributes"] == {"id": {"plan": {"name": "pro"}}, "more": [1]}
    assert document["log"]["origin"]["file"]["name"] == "f.go:x"
    assert "original" not in document["event"]


def test_members_that_are_fields_are_not_kept_twice():
    """An object of which everything became a field leaves nothing."""
    value = {"msg": "m", "a.b": "x", "id": {"tenant": "t"}}
    fields = {"id.tenant": "organization.id", "a.b": "log.logger"}
    assert "attributes" not in of_json(value, groups={"message": "msg"}, fields=fields).get("dify", {})


def test_the_second_of_two_names_for_one_thing_is_kept():
    """The first that is there is the field; another that says the same is not repeated."""
    groups, fields = {"message": ["msg", "event", "log.text"]}, {"tid": "trace.id", "traceId": "trace.id"}
    document = of_json({"event": "e", "log": {"text": "t"}, "tid": "1", "traceId": "2"}, groups=groups, fields=fields)
    assert document["message"] == "e"
    assert document["dify"]["attributes"] == {"log.text": "t", "traceId": "2"}
    same = of_json({"event": "e", "msg": "e", "tid": "1", "traceId": "1"}, groups=groups, fields=fields)
    assert "attributes" not in same.get("dify", {})


@pytest.mark.parametrize(
    "text",
    [
        '{"m":"one","m":"two"}',
        '{"m":"x","a":{"b":"one","b":"two"}}',
        '{"m" : "one", "m" : "x"}',
        '{"m":"one","n":' + "9" * 5000 + ',"m":"x"}',
        '{"m":"one","n":' + '{"a":[' * 120 + "]}" * 120 + ',"m":"x"}',
    ],
    ids=["above", "inside", "with blanks", "a long number", "deep"],
)
def test_a_name_that_stands_twice_keeps_the_event(text):
    """Some loggers write a member twice, and JSON's readers take the last."""
    (document,) = documents([text], [FormatSpec(name="j", json=True, groups={"message": "m"})])
    assert document["event"]["original"] == text


def test_an_object_too_deep_to_be_written_is_raw_text():
    """Deeper than 254 levels; nothing raises."""
    text = '{"m":"one","n":' + '{"a":[' * 400 + "]}" * 400 + "}"
    (document,) = documents([text], [FormatSpec(name="j", json=True, groups={"message": "m"})])
    assert (document["message"], document["tags"]) == (text, ["unparsed"])


@pytest.mark.parametrize("text", [r'{"m":"say \"a\": b"}', '{"m" : "x"}', r'{"m":"x","a":[{"b":1},{"b":2}],"\\":1}'])
def test_an_event_without_repeated_names_is_not_kept(text):
    """Neither what looks like a member inside a text, nor the same name in two objects."""
    (document,) = documents([text], [FormatSpec(name="j", json=True, groups={"message": "m"})])
    assert "original" not in document["event"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"m": "x", "attributes": {"a": 1}, "b": 2}, {"a": 1, "b": 2}),
        ({"m": "x", "attributes": "text"}, {"attributes": "text"}),
        ({"m": "x", "attributes": {}}, None),
        ({"m": "x", "attributes": {"plugin": "p", "a": 1}}, {"plugin": "p", "a": 1}),
    ],
)
def test_free_attributes_and_what_is_left_are_one_object(value, kept):
    """The members of an object that goes to `rest` stand there with those that no field takes."""
    fields = {"attributes": "dify.attributes:object", "attributes.plugin": "dify.plugin.id"}
    assert of_json(value, groups={"message": "m"}, fields=fields).get("dify", {}).get("attributes") == kept


def test_members_that_are_nested_too_deep_are_texts():
    """A flattened field takes twenty levels: what is deeper is there as JSON, without the secrets that it holds."""
    value = {"password": "hunter2hunter2", "kept": [1, {"b": "深"}]}
    for level in range(40):
        value = {"a": value} if level % 2 else {"a": [value]}
    attributes = of_json({"x": value, "y": {"z": 1}}, rest="dify.attributes")["dify"]["attributes"]
    text = orjson.dumps(attributes).decode()
    assert 10 < levels(attributes) <= 20
    assert "hunter2" not in text
    assert "深" in text
    assert attributes["y"] == {"z": 1}


def levels(value):
    """Return how many objects of JSON are in one another."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return isinstance(value, dict) + max(map(levels, inner), default=0)
