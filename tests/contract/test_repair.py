"""Moving the field that a mapping refuses."""

import orjson
import pytest

from logship.delivery.repair import moved

CONCRETE = "[1:69] object mapping for [{}] tried to parse field [x] as object, but found a concrete value"
TYPE = "document_parsing_exception: [1:107] failed to parse field [{}] of type [long] in document with id 'k-6'"


@pytest.mark.parametrize("reason", [CONCRETE, TYPE])
@pytest.mark.parametrize(
    ("document", "field", "expected"),
    [
        ({"user": "x", "a": 1}, "user", {"a": 1, "dify": {"attributes": {"user": "x"}}}),
        ({"a": {"b": {"c": 1}, "d": 2}}, "a.b.c", {"a": {"b": {}, "d": 2}, "dify": {"attributes": {"a.b.c": 1}}}),
        ({"a.b": {"c": 1}}, "a.b.c", {"a.b": {}, "dify": {"attributes": {"a.b.c": 1}}}),
        ({"user": 1, "dify": {"app": "y"}}, "user", {"dify": {"app": "y", "attributes": {"user": 1}}}),
    ],
)
def test_the_field_is_found_nested_or_dotted(document, field, expected, reason):
    """The field that the reason names is taken from where it is, and kept under its whole name."""
    found = moved(orjson.dumps(document), reason.format(field))
    assert orjson.loads(found) == expected | {"logship": {"moved": [field], "repaired": True}}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"@timestamp":"x"}', TYPE.format("@timestamp")),
        (b'{"dify":{"attributes":"x"}}', TYPE.format("dify.attributes")),
        (b'{"a":1}', TYPE.format("b")),
        (b'{"a":[{"b":1}]}', TYPE.format("a.b")),
        (b'{"a":1,"dify":"x"}', TYPE.format("a")),
        (b'{"broken', TYPE.format("a")),
        (b"[1]", TYPE.format("a")),
        (b'{"a":1}', "illegal_argument_exception: Limit of total fields [1000] has been exceeded"),
    ],
)
def test_what_cannot_be_moved_is_left(document, reason):
    """Fields that a document needs, that are not found, or a reason that names none: nothing is changed."""
    assert moved(document, reason) is None
