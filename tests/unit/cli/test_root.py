"""How commands are found, how options are given, and how a failure ends."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from logship.cli.failures import error_classes, exit_codes
from logship.cli.root import COMMANDS, Root
from logship.errors import LedgerLocked, QueryError


def program(callback) -> Root:
    """Make a program like logship whose one command does something."""

    class Program(Root):
        def get_command(self, ctx, cmd_name):  # noqa: ARG002
            return click.Command(cmd_name, callback=callback)

        def resolve_command(self, ctx, args):
            return args[0], self.get_command(ctx, args[0]), args[1:]

    return Program("logship")


def failing(error: BaseException):
    """Make a program that fails."""

    def fail() -> None:
        raise error

    return CliRunner().invoke(program(fail), ["go"])


def start(*arguments: str, **options) -> subprocess.Popen:
    """Start the real program."""
    return subprocess.Popen([sys.executable, "-m", "logship", *arguments], **options)


def test_the_help_names_commands_examples_and_exit_codes(run):
    """`logship --help` and `-h` say what there is and what each exit code means."""
    result = run("--help")
    assert result.exit_code == 0
    assert result.output == run("-h").output
    for word in (*COMMANDS, "Examples:", "Exit codes:", *(str(code) for code, _ in exit_codes())):
        assert word in result.output


def test_the_help_imports_nothing_heavy():
    """Help and completion answer at once: DuckDB, Elasticsearch, pydantic and rich are loaded by who needs them."""
    code = (
        "import sys; from logship.cli import main; main(['--help'], standalone_mode=False); "
        "print([name for name in ('duckdb', 'elasticsearch', 'pydantic', 'rich', 'structlog', 'yaml') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_misspelt_command_is_answered_with_the_nearest(run):
    """`logship serach` ends with 2 and names `search`."""
    result = run("serach")
    assert result.exit_code == 2
    assert "Did you mean 'search'?" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--state-dir", "/a", "config", "show", "--json"],
        ["config", "--state-dir", "/a", "show", "--json"],
        ["config", "show", "--json", "--state-dir", "/a"],
        ["--state-dir", "/z", "config", "show", "--json", "--state-dir", "/a"],
    ],
)
def test_shared_options_stand_on_either_side_of_the_command(run, arguments):
    """--state-dir may come before or after the name; the one after wins."""
    first = json.loads(run(*arguments).output)[0]
    assert first == {"option": "state_dir", "value": "/a", "origin": "--state-dir"}


def test_an_error_is_one_line_and_the_next_step():
    """A LogshipError shows as `error:` and `hint:` on stderr and gives its exit code."""
    result = failing(LedgerLocked("/state is in use"))
    assert result.exit_code == 5
    assert result.stdout == ""
    assert result.stderr == f"error: /state is in use\nhint: {LedgerLocked.hint}\n"


def test_a_message_with_a_pointer_keeps_its_shape():
    """Indented lines go on with the error above them."""
    assert failing(QueryError("unexpected ')'\n  a )\n    ^", "mend it")).stderr == (
        "error: unexpected ')'\n  a )\n    ^\nhint: mend it\n"
    )


def test_an_error_of_the_system_is_no_bug():
    """A full disk names the path and the reason, and ends with 1."""
    result = failing(OSError(28, "No space left on device", "/state/ledger.db"))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: /state/ledger.db: No space left on device\n")


def test_a_bug_is_one_line_without_what_was_read():
    """An unexpected exception ends with 70, says where, and keeps the text to itself."""
    result = failing(KeyError("somebody's password"))
    assert result.exit_code == 70
    first, second = result.stderr.splitlines()
    assert first.startswith("error: a bug in logship: KeyError in logship/")
    assert "LOGSHIP_LOG__LEVEL=debug" in second
    assert "somebody" not in result.stderr


def test_debugging_shows_the_traceback_of_a_bug():
    """With LOGSHIP_LOG__LEVEL=debug the whole traceback comes first."""

    def fail() -> None:
        raise KeyError("what")

    result = CliRunner(env={"LOGSHIP_LOG__LEVEL": "debug"}).invoke(program(fail), ["go"])
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "KeyError: 'what'" in result.stderr


def test_ctrl_c_ends_with_130_and_no_words():
    """KeyboardInterrupt is quiet."""
    result = failing(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (130, "")


def test_a_reader_that_goes_away_is_no_error():
    """`logship config schema | head -1` ends quietly, with the code of SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    with start("config", "schema", stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.communicate()[1] == b""
    assert process.returncode == 141


def test_exit_codes_are_unique():
    """Every class of errors can be told by its exit code."""
    codes = [error.exit_code for error in error_classes()]
    assert len(codes) == len(set(codes))
    assert sorted(code for code, _ in exit_codes()) == [code for code, _ in exit_codes()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_logship(run, shell):
    """Each shell gets a script that asks logship for the words."""
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_LOGSHIP_COMPLETE" in result.output


def test_completion_knows_commands_and_options():
    """Tab after `logship sea` gives search."""
    environ = os.environ | {"_LOGSHIP_COMPLETE": "bash_complete", "COMP_WORDS": "logship sea", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['logship']; from logship.cli import main; main(prog_name='logship')"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,search\n"


def test_version(run):
    """`logship version` names the version, with --json also the machine."""
    assert run("version").output.startswith("logship 0.")
    assert {"logship", "python", "system"} == set(json.loads(run("version", "--json").output))
