"""The commands that read the ledger and the settings."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from logship.config.options import options
from logship.ledger.ledger import Ledger
from logship.model import Progress, Source


def test_search_prints_the_newest_first(run, state):
    """Each event shows time, service, level and message; a traceback is indented below."""
    result = run("search", "--state-dir", state)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split()[2:4] for line in lines if not line.startswith(" ")] == [
        ["worker", "WARN"],
        ["api", "ERROR"],
        ["api", "INFO"],
    ]
    assert "    ValueError: boom" in lines


def test_search_shows_control_characters_instead_of_obeying_them(run, state):
    """An escape sequence in a log cannot recolour or ring the terminal."""
    output = run("search", "超时", "--state-dir", state).output
    assert "任务超时 \\x1b[31mred\\x07" in output
    assert "\x1b" not in output


def test_search_takes_several_words_and_options(run, state):
    """Words are one query; --service, --since, --until, --limit and --reverse narrow and order it."""

    def found(*arguments):
        result = run("search", *arguments, "--state-dir", state, "--fields", "message")
        assert result.exit_code == 0, result.output
        return [line.split()[0] for line in result.output.splitlines()]

    assert found("log.level:error", "AND", "service.name:api") == ["Exception"]
    assert found("--service", "api") == ["Exception", "cache"]
    assert found("--since", "2025-11-20T08:05:00Z") == ["任务超时", "Exception"]
    assert found("--until", "2025-11-20T08:05:00Z") == ["cache"]
    assert found("--limit", "1", "--reverse") == ["cache"]


def test_search_prints_json_lines(run, state):
    """--json gives whole documents with their id, or the named fields."""
    whole = [json.loads(line) for line in run("search", "--json", "--state-dir", state).output.splitlines()]
    assert [one["service"]["name"] for one in whole] == ["worker", "api", "api"]
    assert all(one["_id"] for one in whole)
    some = run("search", "warmed", "--json", "--fields", "log.level,absent", "--state-dir", state).output
    assert {k: v for k, v in json.loads(some).items() if k != "_id"} == {"log.level": "info", "absent": None}


def test_search_counts(run, state):
    """--count prints a number and nothing else."""
    assert run("search", "service.name:api", "--count", "--state-dir", state).output == "2\n"
    assert json.loads(run("search", "--count", "--json", "--state-dir", state).output) == {"count": 3}


def test_a_wrong_query_points_at_the_character(run, state):
    """A query that cannot be parsed ends with 3 and a mark below the place."""
    result = run("search", "a AND", "--state-dir", state)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[1:3] == ["  a AND", "       ^"]


def test_a_wrong_date_is_a_usage_error(run, state):
    """--since names what it could not read."""
    result = run("search", "--since", "yesterdayish", "--state-dir", state)
    assert result.exit_code == 2
    assert "--since" in result.stderr
    assert "yesterdayish" in result.stderr


def test_status_shows_files_sinks_and_that_the_books_close(run, state):
    """The counts of files and sinks are there, and the sum is written out."""
    result = run("status", "--state-dir", state)
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.output.splitlines()]
    assert rows[1][:2] == ["api", "/logs/api.log"]
    assert ["elasticsearch", "2", "0", "1", "0", "0", "-"] in rows
    assert [line.split()[:3] for line in result.output.splitlines() if line and line[0] in "= +"] == [
        ["90", "read"],
        ["=", "90", "in"],
        ["+", "0", "dropped"],
        ["+", "0", "without"],
        ["+", "0", "pending"],
    ]
    assert "accounting: closes; 3 documents, 1 leaves in the audit log" in result.output


def test_status_as_json(run, state):
    """--json gives all of it to programs."""
    found = json.loads(run("status", "--json", "--state-dir", state).output)
    assert found["closes"]
    assert found["sinks"][0]["rejected"] == 1
    assert found["services"] == [{"service": "api", "events": 3, "unparsed": 0, "dropped": {}, "unparsed_share": 0.0}]


def test_status_shows_the_share_that_no_format_matched(run, state):
    """Unparsed events are added up by service, over all its files, and the next step is named."""
    assert "unmatched" not in run("status", "--state-dir", state).output
    with Ledger.open(state) as ledger:
        for number, (service, unparsed) in enumerate([("api", 1), ("web", 3)], 5):
            source = Source(service)
            row = ledger.register(path=Path(f"/logs/{number}"), device=1, inode=number, head=b"x", source=source)
            made = Progress(row.ref.id, 9, {}, 9, b"x", lines=5, events=5, bytes_documents=9, unparsed=unparsed)
            ledger.commit([], [made])
    output = run("status", "--state-dir", state).output
    assert ["api\t8\t1\t12.50%", "web\t5\t3\t60.00%"] == [
        line for line in output.splitlines() if line.endswith("%")
    ]
    assert "`logship pipelines unmatched`" in output
    services = json.loads(run("status", "--json", "--state-dir", state).output)["services"]
    assert services[1] == {"service": "web", "events": 5, "unparsed": 3, "dropped": {}, "unparsed_share": 0.6}


def test_status_counts_what_rules_dropped(run, state):
    """Dropped events are added up by service and rule, over all its files."""
    with Ledger.open(state) as ledger:
        for number in (5, 6):
            row = ledger.register(
                path=Path(f"/logs/{number}"), device=1, inode=number, head=b"x", source=Source("nginx")
            )
            made = Progress(row.ref.id, 9, {}, 9, b"x", lines=5, bytes_dropped=9, dropped={"health_checks": number})
            ledger.commit([], [made])
    found = run("status", "--state-dir", state)
    assert (0, 1) == (found.exit_code, found.output.count("dropped: 11 events of nginx by rule health_checks\n"))
    services = json.loads(run("status", "--json", "--state-dir", state).output)["services"]
    assert {"health_checks": 11} == services[1]["dropped"]


def test_status_shows_what_was_redacted(run, state):
    """Counts by rule are there, the most frequent first, and no line when nothing was found."""
    assert "redacted" not in run("status", "--state-dir", state).output
    with Ledger.open(state) as ledger:
        ledger.commit([], [], redacted={"api-key": 2, "jwt": 7})
        ledger.commit([], [], redacted={"api-key": 1})
    assert "redacted: jwt 7, api-key 3\n" in run("status", "--state-dir", state).output
    assert json.loads(run("status", "--json", "--state-dir", state).output)["redacted"] == {"api-key": 3, "jwt": 7}


def test_status_of_books_that_do_not_close_fails(run, state):
    """A byte without an outcome ends with 9 and says which file."""
    with Ledger.open(state) as ledger:
        ledger.connection.execute("UPDATE file SET read = 1000, position = 1000")
    result = run("status", "--state-dir", state)
    assert result.exit_code == 9
    assert "DOES NOT CLOSE" in result.stdout
    assert "error: /logs/api.log: read 1000 bytes" in result.stderr


@pytest.mark.parametrize("command", [["status"], ["search"], ["rejected", "list"]])
def test_without_a_ledger_the_directory_is_named(run, tmp_path, command):
    """A state directory without a ledger is an error with a next step, never a traceback."""
    result = run(*command, "--state-dir", tmp_path / "nowhere")
    assert result.exit_code == 4
    assert str(tmp_path / "nowhere") in result.stderr
    assert "hint:" in result.stderr


def test_rejected_documents_are_listed_and_shown(run, state):
    """The list has the reason; show has the document."""
    listed = run("rejected", "list", "--state-dir", state).output
    assert "document_parsing_exception: no such field" in listed
    number = listed.splitlines()[1].split("\t")[0]
    shown = json.loads(run("rejected", "show", number, "--state-dir", state).output)
    assert shown["document"]["message"] == "Exception on /console/api/apps [POST]"
    assert json.loads(run("rejected", "list", "--json", "--state-dir", state).output) == shown


def test_a_rejected_document_is_marked_for_replay(run, state):
    """Without a running agent the mark is set at once."""
    result = run("rejected", "replay", "--all", "--state-dir", state)
    assert result.output == "the agent sends them when it runs next\n"
    assert json.loads(run("rejected", "list", "--json", "--state-dir", state).output)["replay"]


def test_a_running_agent_is_asked_to_replay(run, state):
    """While an agent holds the ledger, the wish is left for it."""
    with Ledger.open(state):
        result = run("rejected", "replay", "1", "--state-dir", state)
    assert result.output == "the running agent was asked to send them\n"
    (wish,) = (state / "requests").glob("*.json")
    assert orjson.loads(wish.read_bytes()) == {"action": "replay", "numbers": [1]}


def test_discarding_asks_first(run, state):
    """Without --yes the answer decides; the documents stay counted as rejected."""
    assert "nothing was deleted" in run("rejected", "discard", "--all", "--state-dir", state, input="n\n").output
    unasked = run("rejected", "discard", "--all", "--state-dir", state, input="")
    assert (unasked.exit_code, "--yes does not ask" in unasked.stderr) == (2, True)
    assert "deleted" in run("rejected", "discard", "1", "--yes", "--state-dir", state).output
    assert run("rejected", "list", "--json", "--state-dir", state).output == ""
    assert json.loads(run("status", "--json", "--state-dir", state).output)["sinks"][0]["rejected"] == 1


def test_rejected_needs_numbers_or_all(run, state):
    """Neither nothing nor both may be named, and a number must exist."""
    assert run("rejected", "replay", "--state-dir", state).exit_code == 2
    assert run("rejected", "discard", "1", "--all", "--state-dir", state).exit_code == 2
    missing = run("rejected", "replay", "99", "--state-dir", state)
    assert missing.exit_code == 1
    assert "no rejected document has the number 99" in missing.stderr


def test_config_show_masks_secrets_and_names_origins(run, tmp_path):
    """Every option is shown with its origin; secrets never."""
    path = tmp_path / "c.yaml"
    path.write_text("elasticsearch:\n  hosts: [http://a:9200]\n  api_key: s3cret\n")
    output = run("config", "show", "--config", path, env={"LOGSHIP_NAMESPACE": "mine"}).output
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in output.splitlines()}
    assert rows["elasticsearch.api_key"] == [f"{path} line 3", '"********"']
    assert rows["namespace"] == ["LOGSHIP_NAMESPACE", '"mine"']
    assert rows["log.level"] == ["default", '"info"']
    assert "s3cret" not in output + run("config", "show", "--json", "--config", path).output


def test_config_check_tells_good_from_bad(run, tmp_path):
    """A good configuration ends with 0; every mistake of a bad one has a line, and the end is 2."""
    path = tmp_path / "c.yaml"
    path.write_text("namespace: a\n")
    assert run("config", "check", "--config", path).output == f"good: {path}; 1 of {len(options())} options are set\n"
    path.write_text("namespac: a\nstor: {}\n")
    bad = run("config", "check", "--config", path)
    assert bad.exit_code == 2
    assert bad.stderr.splitlines()[:2] == [
        f"error: {path} line 1: namespac is not an option; did you mean namespace?",
        f"error: {path} line 2: stor is not an option; did you mean store?",
    ]


def test_tail_refuses_a_wrong_pattern(run):
    """--grep says what is wrong and where."""
    result = run("tail", "--grep", "a(")
    assert result.exit_code == 2
    assert "unterminated subpattern at character 2" in result.stderr
    assert "lookarounds" in run("tail", "--grep", "a(?=b)").stderr


def on_terminal(columns: int, *arguments: object, **environ: str) -> str:
    """Return what the program prints on a terminal of some width."""
    ours, theirs = pty.openpty()
    settings = os.environ | {"COLUMNS": str(columns), "TERM": "xterm-256color"} | environ
    with subprocess.Popen(
        [sys.executable, "-m", "logship", *map(str, arguments)], stdout=theirs, stderr=theirs, env=settings
    ) as process:
        os.close(theirs)
        output = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that the last writer closed the terminal
                break
            if not part:
                break
            output += part
    os.close(ours)
    assert process.returncode == 0, output
    return output.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("arguments", [["status"], ["rejected", "list"], ["config", "show"]])
def test_tables_fit_a_terminal_of_80_columns(state, arguments):
    """Columns give way so that no line is broken by the terminal, and no header is cut."""
    output = on_terminal(80, *arguments, "--state-dir", state, NO_COLOR="1")
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in output.splitlines()[:12]) <= 80
    for word in {"status": "service position events", "rejected": "dataset reason", "config": "option from value"}[
        arguments[0]
    ].split():
        assert word in output


def test_colours_are_for_terminals_and_not_with_no_color(state):
    """A terminal gets colours; NO_COLOR or a pipe does not."""
    assert "\x1b[38;5;" in on_terminal(80, "search", "--state-dir", state)
    assert "\x1b[" not in on_terminal(80, "search", "--state-dir", state, NO_COLOR="1")


def test_search_shows_the_id_among_the_fields(run, state):
    """`_id` can be asked for like a field, as text and as JSON."""
    (document,) = run("search", "cache", "--json", "--fields", "_id,message", "--state-dir", state).output.splitlines()
    identifier = json.loads(document)["_id"]
    assert identifier.endswith("-0")
    shown = run("search", "cache", "--fields", "_id,message", "--state-dir", state).output
    assert shown.split("\t")[0] == identifier


def test_search_takes_arguments_that_are_no_utf8(state):
    """Bytes that no document can hold find nothing, and are no bug."""
    words = [sys.executable, "-m", "logship", "search", b"caf\xe9", "--count", "--state-dir", str(state)]
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"0\n"), done.stderr
