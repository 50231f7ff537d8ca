"""The reasons given are those of the document."""

import io
import json

from api_lines import LINES, summary

from logship.lines.reader import blocks
from logship.offline import Options


def explained(offline, text: str, **options):
    """Return what was explained of some text."""
    reading = offline.read("", blocks(io.BytesIO(text.encode())), Options(explain=True, **options))
    return [one.explained for one in reading]


def test_the_documents_are_the_same(offline):
    """Explaining changes nothing."""
    text = "\n".join(LINES)
    plain = [json.loads(one.json) for one in offline.read("", blocks(io.BytesIO(text.encode())), Options())]
    assert plain == [json.loads(one.document) for one in explained(offline, text)]
    assert 3 == len(summary(plain))


def test_format_join_level_and_exception(offline):
    """It says which format matched, how many lines were joined, and what was split off."""
    steps = dict(explained(offline, "\n".join(LINES), service="api")[1].steps)
    assert "default" == steps["format"]
    assert steps["joined"].startswith("4 lines")
    assert "error -> error" == steps["level"]
    assert "python: ZeroDivisionError" == steps["exception"]
    assert '"2025-11-20 08:00:08" read as %Y-%m-%d %H:%M:%S' in steps["time"]


def test_message_rules_are_named(offline):
    """A message whose parts are fields names the rule and the fields."""
    line = "2025-11-20 08:01:00.010 INFO [Main] [a.py:161]  - Task a.b[5a1d9c2e-1111-4222-8333-944455556666] received"
    steps = dict(explained(offline, line, service="worker")[0].steps)
    assert "dify.task.name" in steps["message"]


def test_redaction_is_counted_and_never_shown(offline):
    """The rule and its count are told; the secret is in none of it."""
    (one,) = explained(offline, LINES[0] + " redis://:hunter2-very-secret@redis:6379/1", service="api")
    assert 1 == sum(one.redacted.values())
    assert "hunter2" not in str(one)


def test_why_the_time_is_what_it_is(offline):
    """Own, removed, of the event before, or now: each is said."""
    stamped = "2025-11-20T08:00:11.500000000Z stdout F Running migrations\n"
    (one,) = explained(offline, stamped, service="api")
    assert "stood before the line" in dict(one.steps)["time"]
    first, second = explained(offline, f"{LINES[0]}\nRunning migrations\n", service="api")
    assert "the line's own" in dict(first.steps)["time"]
    assert "the event's before it" in dict(second.steps)["time"]
    (one,) = explained(offline, "Running migrations\n", service="api")
    assert "now" in dict(one.steps)["time"]


def test_what_no_format_knows_says_what_was_tried(offline):
    """The formats are listed in the order they were tried."""
    (one,) = explained(offline, "?", service="redis")
    assert dict(one.steps)["format"].startswith("none; tried text")


def test_what_was_added_is_named(offline):
    """Fields that were made of a user agent are told, with where they came from."""
    line = '203.0.113.9 - - [20/Nov/2025:08:03:10 +0000] "GET /apps HTTP/1.1" 200 5 "-" "curl/8.5.0" "-"'
    (one,) = explained(offline, line, service="nginx")
    assert dict(one.steps)["enriched"] == "user_agent.name, user_agent.version from user_agent.original"
    (plain,) = explained(offline, LINES[0], service="api")
    assert "enriched" not in dict(plain.steps)
