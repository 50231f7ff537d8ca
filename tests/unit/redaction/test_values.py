"""JSON values by key, whole texts, and the rule file's own mistakes."""

import json
import re

import pytest
from shipped_rules import BOOK, KEY, RULES

from logship.errors import PipelineError
from logship.pipeline.redaction import Redactor
from logship.pipeline.redaction.rules import read_rules

MARK = re.compile(r"\[[a-z][a-z0-9-]*:[0-9a-f]{6}\]")


def test_a_key_that_names_a_secret_hides_its_value(redactor):
    """Whatever the value looks like, the key decides; other keys are read as texts."""
    value = {"password": "plain words", "nested": [{"api_key": "x1"}, "token=EXAMPLE0123"], "pin": 7, "passcode": 1234}
    counts = {}
    clean = redactor.redact_value("extra", value, counts)
    assert {"password": 2, "api-key": 1, "token": 1} == counts
    assert MARK.fullmatch(clean["password"]) and MARK.fullmatch(clean["nested"][0]["api_key"])
    assert MARK.fullmatch(clean["passcode"])
    assert clean["pin"] == 7
    assert clean == redactor.redact_value("extra", clean)


def test_a_key_that_names_a_secret_hides_all_that_is_in_an_object(redactor):
    """Lists and objects inside are hidden too, but for what describes the secret."""
    value = {
        "password": ["EXAMPLE1", {"x": "EXAMPLE2", "type": "plain"}],
        "credentials": {"foo": "EXAMPLE3", "model": "gpt-4o", "username": "bob", "deep": {"er": ["EXAMPLE4"]}},
        "token": {"input": 120, "access": "EXAMPLE5"},
        "api_key": {"label": {"en_US": "Key of the API"}, "value": "EXAMPLE6"},
        "secret": {"a": {"type": "plain"}, "b": "EXAMPLE8"},
        "cookies": {"session": "EXAMPLEexample7"},
    }
    clean = redactor.redact_value("dify.attributes", value)
    assert "EXAMPLE" not in json.dumps(clean)
    assert ("gpt-4o", "bob", "plain") == (
        clean["credentials"]["model"], clean["credentials"]["username"], clean["password"][1]["type"]
    )  # fmt: skip
    assert 120 == clean["token"]["input"]
    assert {"en_US": "Key of the API"} == clean["api_key"]["label"]
    assert clean == redactor.redact_value("dify.attributes", clean)
    text, _ = redactor.redact(json.dumps(value))
    assert "EXAMPLE" not in text
    assert {"en_US": "Key of the API"} == json.loads(text)["api_key"]["label"]


def test_a_key_that_is_a_secret_itself_is_hidden(redactor):
    """A key of known shape may stand where the name of a member does."""
    counts = {}
    clean = redactor.redact_value("extra", {"sk-EXAMPLEexample0123456789": {"AKIAEXAMPLEEXAMPLE00": "x"}}, counts)
    assert "EXAMPLE" not in json.dumps(clean)
    assert {"openai-key": 1, "aws-key-id": 1} == counts


def test_counters_and_empty_values_stay(redactor):
    """Token counts, nulls and booleans are no secrets."""
    value = {
        "prompt_tokens": 120,
        "token_count": "12",
        "password": None,
        "secret": "",
        "token": True,
        "max_tokens": 4096,
    }
    assert value == redactor.redact_value("usage", value)


def test_an_authorization_value_keeps_its_scheme(redactor):
    """The scheme helps and tells nothing."""
    clean = redactor.redact_value("headers", {"Authorization": "Custom EXAMPLE0123", "Cookie": "a=EXAMPLE0123"})
    assert re.fullmatch(r"Custom \[authorization:\w{6}\]", clean["Authorization"])
    assert "EXAMPLE" not in json.dumps(clean)


def test_a_number_in_json_becomes_a_string(redactor):
    """A bare number under a quoted name gets the name's quotes, escapes included."""
    assert MARK.sub("…", redactor.redact('{"password": 123456, "b": 1}')[0]) == '{"password": "…", "b": 1}'
    assert MARK.sub("…", redactor.redact('{"m": "{\\"pwd\\": 123456}"}')[0]) == '{"m": "{\\"pwd\\": \\"…\\"}"}'


def test_bodies_are_kept_when_the_operator_says_so():
    """With `bodies: keep`, the other rules still read them."""
    keeping = Redactor.load(RULES, policies={"bodies": "keep"}, key=KEY)
    text, counts = keeping.redact('x, Request Body:\n{\n  "email": "a@b.c",\n  "password": "example-pw-1"\n}')
    assert {"password": 1} == counts
    assert '"email": "a@b.c"' in text


def test_a_secret_cut_off_at_the_end_goes_too(redactor):
    """A line that was cut inside a value hides what is left of it."""
    assert MARK.sub("…", redactor.redact('{"a": 1, "password": "exam')[0]) == '{"a": 1, "password": "…'


def test_no_texts_have_no_suspects(redactor):
    """An empty batch is no special case for the caller."""
    assert [] == list(redactor.suspects([]))
    assert [] == list(redactor.suspects(["", "\0", "\0\0"]))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("policies: 7", "policies"),
        ("rules: [{name: x, scan: [a], pattern: '('}]", "unterminated"),
        ("rules: [{name: x, scan: [a], pattern: 'a', check: nothing}]", "no check named 'nothing'"),
        ("a: [", "expected"),
    ],
)
def test_mistakes_in_the_rule_file_are_named(tmp_path, change, what):
    """A rule file that cannot be used says where."""
    path = tmp_path / "redaction.yaml"
    key = change.partition(":")[0]
    path.write_text(re.sub(rf"(?ms)^{key}:.*?(?=^\S|\Z)", "", RULES.read_text()) + "\n" + change + "\n")
    with pytest.raises(PipelineError, match=what):
        read_rules(path)


def test_a_missing_rule_file_is_named(tmp_path):
    """A path that does not exist is an error the user can act on."""
    with pytest.raises(PipelineError, match="No such file"):
        read_rules(tmp_path / "none.yaml")


def test_a_scan_that_hyperscan_refuses_is_named():
    """A scan pattern of a user's rule file fails when it is loaded, not in the middle of the night."""
    broken = BOOK.model_copy(update={"escapes": ["(?<=a)b"]})
    with pytest.raises(PipelineError, match="scan pattern"):
        Redactor(broken, policies={}, key=KEY)


def test_members_whose_masked_keys_are_alike_all_stay():
    """Each has its value, under a key of its own."""
    value = {"alice.longname@example.com": 1, "bob.longnamexx@example.com": 2}
    assert sorted(Redactor(BOOK, policies={"email": "mask"}, key=KEY).redact_value("extra", value).values()) == [1, 2]
