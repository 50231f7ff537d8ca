"""`logship redact test` shows what the agent would store."""

import json

import pytest
from click.testing import CliRunner

from logship.cli.redact import redact
from logship.errors import PipelineError


@pytest.fixture
def call():
    """Give a function that calls the command."""
    return lambda *arguments, **options: CliRunner().invoke(redact, ["test", *arguments], **options)


def test_text_and_rules_are_shown(call):
    """The text comes on standard output, the rules that hit on standard error."""
    result = call("DB_PASSWORD=example-pw-1 ok")
    assert result.stdout.startswith("DB_PASSWORD=[password:")
    assert result.stderr == "redacted: password 1\n"


def test_standard_input_is_read(call):
    """A dash, or nothing, reads standard input."""
    assert "sk-EXAMPLE" not in call("-", input="key sk-EXAMPLEexample0123456789\n").stdout
    assert call(input="plain\n").stdout == "plain\n"


def test_json_says_whether_the_first_look_named_it(call):
    """The machine-readable answer holds text, counts and the first look."""
    assert {"text": "plain", "redacted": {}, "suspect": False} == json.loads(call("--json", "plain").stdout)


def test_policies_are_tried(call):
    """Personal data is treated as the options say."""
    assert call("--policy", "email=mask", "mail eve@example.com").stdout == "mail [email]\n"
    assert call("--policy", "email=drop", "mail eve@example.com").stdout == "mail \n"
    assert call("mail eve@example.com").stdout == "mail eve@example.com\n"


def test_mistaken_policies_are_named(call):
    """A policy that does not exist is an error the user can act on."""
    assert "NAME=POLICY" in call("--policy", "email", "x").stderr
    result = call("--policy", "mail=hash", "x")
    assert isinstance(result.exception, PipelineError)
    assert "email, ip, phone, identity, card, bodies" in str(result.exception)
