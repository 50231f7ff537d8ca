"""What the doctor finds in a state directory, and how it mends it."""

import os
import sqlite3

import pytest
from click.testing import CliRunner
from conformance.harness import until

from logship.cli import main
from logship.doctor.finding import Check, Finding, Result, examine, exit_code
from logship.errors import LedgerError
from logship.ledger.ledger import Ledger


def states(found, name):
    """Return the states of a check's findings."""
    return [one["state"] for one in found[name]]


def test_a_machine_without_an_agent_is_in_order(doctor):
    """Before the first start there is nothing wrong with the state directory."""
    code, found = doctor({})
    assert code == 0
    assert states(found, "configuration") == states(found, "ledger") == ["ok"]


@pytest.mark.usefixtures("sealed")
def test_an_agent_that_did_its_work_is_in_order(doctor):
    """Ledger, books and segments are found whole."""
    code, found = doctor({})
    assert (code, states(found, "ledger"), states(found, "accounting")) == (0, ["ok"], ["ok"])
    assert found["segments"][0]["what"] == "1 segments, all as they were written"


def test_a_wrong_configuration_cannot_be_examined(doctor):
    """Every mistake is a finding, and the exit code is 2."""
    code, found = doctor({"stor": {}, "namespace": "A B"})
    assert code == 2
    assert ["unknown", "unknown"] == states(found, "configuration")
    assert "did you mean store?" in found["configuration"][0]["what"] + found["configuration"][1]["what"]


def test_flipped_bytes_in_the_ledger_are_found(doctor, sealed):
    """Damage in the middle of the file is a problem, not a traceback, and other checks go on."""
    path = sealed / "ledger.db"
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 8192))
    code, found = doctor({})
    assert (code, states(found, "ledger")) == (1, ["problem"])
    assert "damaged" in found["ledger"][0]["what"]
    assert states(found, "disk space") == ["ok"]


def test_books_that_do_not_close_are_a_problem(doctor, sealed):
    """The file and the numbers that do not add up are named."""
    with Ledger.open(sealed) as ledger, ledger.transaction() as connection:
        connection.execute("UPDATE file SET bytes_documents = bytes_documents + 7")
    code, found = doctor({})
    assert (code, states(found, "accounting")) == (1, ["problem"])
    assert "api.log" in found["accounting"][0]["what"]


@pytest.mark.parametrize("damage", ["remove", "cut", "overwrite"])
def test_a_damaged_segment_is_found_and_taken_out_when_agreed(doctor, sealed, damage):
    """Without --repair nothing changes; with it the catalogue forgets the file, which is kept beside."""
    (segment,) = sealed.glob("segments/*/*.parquet")
    size = segment.stat().st_size
    if damage == "remove":
        segment.unlink()
    elif damage == "cut":
        os.truncate(segment, size - 1)
    else:
        segment.write_bytes(bytes(size))
    for _ in range(2):
        code, found = doctor({})
        assert (code, states(found, "segments")) == (1, ["problem"])
        assert found["segments"][0]["repair"]
    code, found = doctor({}, "--repair", "--yes")
    assert (code, states(found, "segments")) == (0, ["ok"])
    assert segment.with_name(f"{segment.name}.damaged").exists() == (damage != "remove")


def test_a_repair_waits_for_the_agent_to_stop(sealed, agent, tmp_path):
    """While an agent writes the ledger a repair is refused and says so; nothing is changed."""
    (segment,) = sealed.glob("segments/*/*.parquet")
    segment.unlink()
    agent(tmp_path / "api.log")
    arguments = ["doctor", "--state-dir", str(sealed), "--repair", "--yes"]
    done = CliRunner().invoke(main, arguments, env={"LOGSHIP_CONTAINERS__ENABLED": "false"})
    assert done.exit_code == 5
    assert "stop the other agent" in done.stderr


def test_nobody_is_asked_where_there_is_no_terminal(sealed):
    """--repair without --yes in a script ends with an error instead of a hidden question."""
    (segment,) = sealed.glob("segments/*/*.parquet")
    segment.unlink()
    arguments = ["doctor", "--state-dir", str(sealed), "--repair"]
    done = CliRunner().invoke(main, arguments, env={"LOGSHIP_CONTAINERS__ENABLED": "false"})
    assert done.exit_code == 1
    assert "--yes" in done.stderr


@pytest.mark.parametrize("arguments", [["--yes"], ["--repair", "--json"]])
def test_switches_that_make_no_sense_are_refused(run_plain, arguments):
    """--yes needs --repair, and --repair with --json needs --yes."""
    assert run_plain(["doctor", *arguments]).exit_code == 2


@pytest.fixture
def run_plain():
    """Give a call of `logship`."""
    return lambda arguments: CliRunner().invoke(main, arguments)


def test_unread_bytes_are_a_problem_after_a_minute(doctor, sealed, tmp_path):
    """A file that grew while no agent ran is named with its lag."""
    with (tmp_path / "api.log").open("a") as file:
        file.write("x" * 2_000_000)
    with Ledger.open(sealed) as ledger, ledger.transaction() as connection:
        connection.execute("UPDATE file SET last_read = '2025-01-01T00:00:00.000Z'")
    code, found = doctor({})
    assert (code, states(found, "accounting")[0]) == (1, "problem")
    assert "2,000,000 bytes are unread" in found["accounting"][0]["what"]


@pytest.mark.usefixtures("sealed")
def test_a_file_from_the_future_is_a_problem(doctor, tmp_path):
    """A clock that was set back shows in the files' times."""
    os.utime(tmp_path / "api.log", (4_000_000_000, 4_000_000_000))
    code, found = doctor({})
    assert (code, found["clock"][0]["state"], found["clock"][0]["subject"]) == (1, "problem", str(tmp_path / "api.log"))


def test_too_small_a_limit_of_open_files_is_a_problem(doctor, agent, tmp_path):
    """The limit that counts is the running agent's, not that of the doctor."""
    paths = [tmp_path / f"{number}.log" for number in range(40)]
    for path in paths:
        path.write_text("a line\n")
    agent(*paths, open_files=64)
    until(lambda: "40 files" in doctor({})[1]["open files"][0]["what"])
    code, found = doctor({})
    assert (code, states(found, "open files")) == (1, ["problem"])
    assert "32 may be held open" in found["open files"][0]["what"]


def test_a_check_that_fails_is_unknown():
    """An error of the system or of logship is a finding with the reason, not the end."""

    def denied():
        yield Finding("ok", "a", "b")
        raise PermissionError(13, "Permission denied", "/secret")

    def failed():
        raise LedgerError("no ledger", "start it")

    one, two = examine(Check("x", denied)), examine(Check("y", failed))
    assert [finding.state for finding in one.findings] == ["ok", "unknown"]
    assert "/secret: Permission denied" in one.findings[1].what
    assert (two.findings[0].what, two.findings[0].step) == ("no ledger", "start it")


@pytest.mark.parametrize(
    ("found", "code"),
    [([], 0), (["ok", "advice"], 0), (["advice", "unknown"], 2), (["unknown", "problem"], 1)],
)
def test_the_exit_code_says_what_was_found(found, code):
    """0: nothing to do; 1: a problem; 2: something could not be checked."""
    check = Check("x", lambda: [])
    assert exit_code([Result(check, tuple(Finding(state, "s", "w") for state in found))]) == code
