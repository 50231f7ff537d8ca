"""Lines that look like something that they are not, and what looks like nothing and is something."""

import json
import random
import string

import pytest
from click.testing import CliRunner

from logship.cli import main

LETTERS = string.ascii_letters + string.digits + "+/"
#: Lines as those of a key, the same at each run.
BODY = ["".join(random.Random(number).choices(LETTERS, k=64)) for number in range(4)]


def parsed(text, service, *options):
    """Return the documents of a text."""
    done = CliRunner().invoke(main, ["parse", "--service", service, *options], input=text)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_mention_of_a_key_is_no_key():
    """What follows in lines of its own is not joined, and nothing is hidden."""
    lines = ["could not find -----BEGIN PRIVATE KEY-----", "INFO: a started", "Warning: c", "INFO: d"]
    found = parsed("\n".join([*lines, ""]), "web")
    assert [one["message"] for one in found] == lines


@pytest.mark.parametrize("indent", ["", " " * 12, "> "])
@pytest.mark.parametrize("service", ["nginx", "web", "somebody"])
def test_no_line_of_a_key_survives_wherever_it_stands(service, indent):
    """Indented, quoted as mail does, or as it is."""
    marks = [f"-----{word} PRIVATE KEY-----" for word in ("BEGIN", "END")]
    text = "\n".join(indent + line for line in ["key:", marks[0], *BODY, marks[1], "after"])
    shown = json.dumps(parsed(text + "\n", service))
    assert not [line for line in BODY if line in shown]
    assert "after" in shown


def test_a_line_after_a_token_is_a_line():
    """Three digits do not end base64."""
    found = parsed(f"{BODY[0]}\n200\nnext\n", "nginx")
    assert [one["message"] for one in found][1:] == ["200", "next"]


def test_half_a_colour_takes_nothing_with_it():
    """A control sequence in a JSON text does not run past a quote."""
    line = '{"ts":"2025-11-20T08:00:00Z","msg":"cut here \\u001b[","level":"error"}\n'
    (found,) = parsed(line, "web")
    assert (found["message"], found["log"]["level"]) == ("cut here \x1b[", "error")


def test_text_may_begin_as_bzip2_does():
    """Three letters are no proof."""
    assert [one["message"] for one in parsed("BZhang logged in\nsecond\n", "web")] == ["BZhang logged in", "second"]


def test_numbers_of_64_bits_stay_exact_beside_what_is_no_number():
    """A line with NaN is read with all digits of its ids."""
    line = '{"time":"2025-11-20T08:00:00Z","level":"info","msg":"x","id":1234567890123456789,"v":NaN}\n'
    (found,) = parsed(line, "web")
    assert found["dify"]["attributes"] == {"id": 1234567890123456789, "v": "NaN"}


def test_the_first_pass_of_a_repeated_hour_is_the_first():
    """Several stamps of it in one file do not move each other."""
    lines = [
        f"2025-10-26 02:10:0{second}.{number}00 INFO [MainThread] [a.py:1]  - one"
        for second in (0, 1)
        for number in (1, 2)
    ]
    found = parsed("\n".join([*lines, ""]), "api", "--zone", "Europe/Berlin")
    assert [one["@timestamp"] for one in found] == [
        "2025-10-26T00:10:00.100Z", "2025-10-26T00:10:00.200Z", "2025-10-26T00:10:01.100Z", "2025-10-26T00:10:01.200Z"
    ]  # fmt: skip


def test_an_abbreviation_tells_the_two_hours_apart():
    """CST is Chicago's winter time."""
    found = parsed("2025-11-02 01:10:00.100 CST [1] LOG:  x\n", "db_postgres", "--zone", "America/Chicago")
    assert found[0]["@timestamp"] == "2025-11-02T07:10:00.100Z"


def test_a_word_before_the_level_is_no_zone():
    """What stands after the stamp is kept."""
    (found,) = parsed("2025-11-20 08:00:00.123 INFO backup ERROR:  boom\n", "db_postgres")
    assert "INFO backup" in json.dumps(found)
