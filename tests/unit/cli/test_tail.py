"""The agent from the command line: real processes, real files, real signals."""

import bz2
import gzip
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from logship.ledger.ledger import Ledger

LINES = [
    "2025-11-20 08:00:07.412 INFO [Dummy-7] [login_service.py:88] 6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b - cache warmed",
    "2025-11-20 08:05:00.020 ERROR [Dummy-21] [app.py:875]  - Exception on /console/api/apps [POST]",
    "Traceback (most recent call last):",
    "ValueError: boom",
]


@pytest.fixture
def log(tmp_path) -> Path:
    """Give a log file of Dify's api."""
    path = tmp_path / "server.log"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    return path


def command(state: Path, *arguments: object) -> list[str]:
    """Return the words that start the real program on a state directory."""
    return [sys.executable, "-m", "logship", "tail", "--state-dir", str(state), *map(str, arguments)]


def tail(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Run the agent to its end."""
    return subprocess.run(
        command(tmp_path / "state", *arguments), capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def agent(tmp_path: Path, *arguments: object):
    """Start the agent, and end it whatever happens."""
    with subprocess.Popen(
        command(tmp_path / "state", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(stream, word: bytes, seconds: float = 30) -> bytes:
    """Read a stream until a word has come."""
    read = b""
    while word not in read:
        ready, _, _ = select.select([stream], [], [], seconds)
        part = os.read(stream.fileno(), 65536) if ready else b""
        assert part, f"no {word!r} in {read!r}"
        read += part
    return read


def _flipped(data: bytes) -> bytes:
    return data[:-4] + bytes(byte ^ 0xFF for byte in data[-4:])


def test_once_reads_shows_and_ends(tmp_path, log):
    """--once delivers all there is, shows it and ends with 0; a second run finds nothing new."""
    first = tail(tmp_path, "--once", "--output", "text", "--service", "api", log)
    assert first.returncode == 0, first.stderr
    assert [line.split()[2:] for line in first.stdout.splitlines()] == [
        ["api", "INFO", "cache", "warmed"],
        ["api", "ERROR", "Exception", "on", "/console/api/apps", "[POST]"],
        ["recent", "call", "last):"],
        [],
    ]
    second = tail(tmp_path, "--once", "--output", "text", "--service", "api", log)
    assert (second.returncode, second.stdout) == (0, "")


@pytest.mark.parametrize(("harm", "said"), [(lambda data: data[:-30], "has no end"), (_flipped, "damaged")])
def test_once_says_which_compressed_file_was_not_read_whole(tmp_path, log, harm, said):
    """What could be unpacked is delivered, and the exit code says that it is not all."""
    packed = log.with_name("api.log.1.gz")
    packed.write_bytes(harm(gzip.compress(log.read_bytes() * 20)))
    done = tail(tmp_path, "--once", "--service", "api", packed)
    assert done.returncode == 1
    assert said in done.stderr
    assert str(packed) in done.stderr


def test_once_says_which_file_is_compressed_in_a_way_that_is_not_read(tmp_path, log):
    """Of those that a pattern matches nothing is said; one that was named was meant."""
    other = log.with_name("api.log.bz2")
    other.write_bytes(bz2.compress(log.read_bytes()))
    done = tail(tmp_path, "--once", "--service", "api", "--output", "json", log, other)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 2)
    assert f"not read: {other}" in done.stderr


def test_in_a_pipe_only_the_agents_log_is_written(tmp_path, log):
    """Without --output a pipe gets nothing on stdout, and JSON lines on stderr."""
    done = tail(tmp_path, "--once", "--service", "api", log)
    assert (done.returncode, done.stdout) == (0, "")
    assert all(json.loads(line)["timestamp"] for line in done.stderr.splitlines())


def test_json_output_is_the_documents(tmp_path, log):
    """--output json writes one document a line."""
    done = tail(tmp_path, "--once", "--service", "api", "--output", "json", log)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == [
        "cache warmed",
        "Exception on /console/api/apps [POST]",
    ]


def test_filters_hide_and_do_not_lose(tmp_path, log, run):
    """What --level hides is in the ledger all the same."""
    done = tail(tmp_path, "--once", "--service", "api", "--level", "error", "--output", "json", log)
    assert len(done.stdout.splitlines()) == 1
    assert run("search", "--count", "--state-dir", tmp_path / "state").output == "2\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_the_agent_in_order(tmp_path, log, number, code):
    """SIGTERM ends with 0, Ctrl-C with 130, both without a traceback and with the ledger let go."""
    with agent(tmp_path, "--output", "text", "--service", "api", log) as process:
        wait_for(process.stdout, b"ValueError: boom")
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == code, errors
        assert b"Traceback" not in errors
    Ledger.open(tmp_path / "state").close()


def test_a_line_written_later_is_shown(tmp_path, log):
    """The live stream shows what is appended while the agent runs."""
    with agent(tmp_path, "--output", "text", "--service", "api", log) as process:
        wait_for(process.stdout, b"cache warmed")
        with log.open("a") as file:
            file.write(LINES[0].replace("cache warmed", "written later") + "\n")
        wait_for(process.stdout, b"written later")
        assert process.poll() is None


def test_a_reader_that_goes_away_ends_the_agent(tmp_path, log):
    """`logship tail | head` ends quietly."""
    with agent(tmp_path, "--output", "text", "--service", "api", log) as process:
        wait_for(process.stdout, b"cache warmed")
        process.stdout.close()
        with log.open("a") as file:
            file.write(LINES[0] + "\n")
        errors = process.stderr.read()
        assert process.wait(30) == 141, errors
        assert b"Traceback" not in errors


def test_a_second_agent_is_told_of_the_first(tmp_path, log):
    """Two agents on one state directory: the second ends with 5 and says what to do."""
    with Ledger.open(tmp_path / "state"):
        done = tail(tmp_path, "--once", "--service", "api", log)
    assert done.returncode == 5
    assert "--state-dir" in done.stderr


def test_a_state_directory_that_is_a_file_is_told(tmp_path, log):
    """What stands in the way is named, and the option that names another place."""
    (tmp_path / "state").write_text("")
    done = tail(tmp_path, "--once", "--service", "api", log)
    assert done.returncode == 4
    assert "ledger.db: File exists" in done.stderr
    assert "name a folder that is yours to write: --state-dir" in done.stderr


def test_a_path_that_is_not_there_is_named(tmp_path):
    """A misspelt path is an error, not an agent that waits for ever."""
    done = tail(tmp_path, tmp_path / "nowhere.log")
    assert done.returncode == 2
    assert "nowhere.log" in done.stderr


def test_with_a_path_there_is_one_service(run, log):
    """Two --service with PATH contradict each other."""
    assert run("tail", "--service", "a", "--service", "b", log).exit_code == 2


def test_the_agent_never_loads_duckdb(tmp_path, log):
    """Sealing is a child's work: the agent's own process stays small."""
    code = (
        "import sys; from logship.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print([name for name in ('duckdb', 'elasticsearch') if name in sys.modules])"
    )
    words = command(tmp_path / "state", "--once", "--service", "api", log)[3:]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.usefixtures("log")
def test_once_names_what_it_could_not_read(tmp_path):
    """A file that cannot be read makes --once end with 1 and its name, when all else was delivered."""
    (tmp_path / "broken.log").symlink_to("/proc/self/mem")
    done = tail(tmp_path, "--once", "--output", "json", tmp_path / "*.log")
    assert done.returncode == 1
    assert "/mem: " in done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("path", ["", "nothing*.log"])
def test_once_wants_something_to_read(tmp_path, path):
    """A directory, or a glob that matches nothing, is an error of --once and not a success."""
    done = tail(tmp_path, "--once", tmp_path / path)
    assert done.returncode == 2
    assert str(tmp_path / path) in done.stderr


def test_a_name_that_exists_is_no_glob(tmp_path):
    """Brackets in the name of a file that exists stand for themselves."""
    path = tmp_path / "a[1].log"
    path.write_text("hello\n", "utf-8")
    done = tail(tmp_path, "--once", "--output", "json", path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)


def test_once_says_that_a_last_line_has_no_end(tmp_path, log):
    """A last line without its newline waits for it, and --once says so."""
    log.write_text(LINES[0] + "\n" + LINES[0], "utf-8")
    done = tail(tmp_path, "--once", "--output", "json", "--service", "api", log)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert "has no end yet" in done.stderr
    with log.open("a") as file:
        file.write("\n")
    assert len(tail(tmp_path, "--once", "--output", "json", "--service", "api", log).stdout.splitlines()) == 1


def test_a_closed_output_is_no_bug(tmp_path, log):
    """With descriptor 1 closed, as some supervisors leave it, the agent works."""
    words = ["sh", "-c", '"$@" >&-', "sh", *command(tmp_path / "state", "--once", "--service", "api", log)]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_does_not_wait_for_a_server_that_never_answers(tmp_path, log):
    """A stop leaves an answer that does not come after seconds, far before the request times out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f'["http://127.0.0.1:{server.getsockname()[1]}"]'
        options = {"LOGSHIP_ELASTICSEARCH__HOSTS": host, "LOGSHIP_ELASTICSEARCH__REQUEST_TIMEOUT": "300"}
        words = command(tmp_path / "state", "--service", "api", log)
        with subprocess.Popen(words, stderr=subprocess.PIPE, env=os.environ | options) as process:
            try:
                connection, _ = server.accept()
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=60)
            finally:
                process.kill()
            connection.close()
    assert process.returncode == 0, errors
    assert b"unanswered" in errors


def test_log_file_is_read_in_the_layout_of_log_format(tmp_path):
    """LOG_FORMAT, LOG_DATEFORMAT and LOG_TZ as Dify has them: what Python's logging wrote is what was logged."""
    path = tmp_path / "server.log"
    environ = {
        "LOG_FILE": str(path),
        "LOG_FORMAT": "[%(asctime)s] %(levelname)-8s %(name)s (%(threadName)s) %(req_id)s: %(message)s",
        "LOG_DATEFORMAT": "%d/%b/%Y %H:%M:%S",
        "LOG_TZ": "Asia/Shanghai",
    }
    writer = (
        "import logging, os, sys\nfrom logship.demo.dify_logging import configure\n"
        "configure(os.environ)\nlog = logging.getLogger('app.mail')\nlog.warning('no server: %s', 'x')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('two\\nlines')\n"
    )
    everything = {**os.environ, **environ, "LOGSHIP_CONTAINERS__ENABLED": "false"}
    subprocess.run([sys.executable, "-c", writer], env=everything, check=True, capture_output=True, timeout=60)
    local = datetime.strptime(path.read_text().split("]")[0] + " +0800", "[%d/%b/%Y %H:%M:%S %z")
    done = subprocess.run(
        command(tmp_path / "state", "--once", "--output", "json"), env=everything, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = map(json.loads, done.stdout.splitlines())
    assert ("no server: x", "warning", "app.mail") == (one["message"], one["log"]["level"], one["log"]["logger"])
    assert datetime.fromisoformat(one["@timestamp"]) == local
    assert one["process"]["thread"]["name"] == "MainThread"
    assert ("two\nlines", "ZeroDivisionError") == (two["message"], two["error"]["type"])
    assert {"tags", "original"}.isdisjoint({*one, *two, *one["event"], *two["event"]})


def test_a_log_format_that_is_none_ends_the_check(run):
    """`config check` and the agent itself refuse it with 2."""
    environ = {"LOG_FORMAT": "%(asctime)s %(message"}
    for arguments in (("config", "check"), ("tail", "--once", "a.log")):
        done = run(*arguments, env=environ)
        assert done.exit_code == 2
        assert "LOG_FORMAT: log_file.format is '%(asctime)s %(message'; must close the parenthesis" in done.stderr
