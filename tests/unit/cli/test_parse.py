"""`logship parse`: lines in, documents out."""

import json
import subprocess
import sys

import pytest

API = [
    "2025-11-20 08:00:07.412 INFO [MainThread] [app.py:12]  - cache warmed",
    "2025-11-20 08:00:08.412 ERROR [MainThread] [app.py:13]  - boom redis://:hunter2-secret@redis:6379/1",
    "Traceback (most recent call last):",
    "ValueError: bad",
]


@pytest.fixture
def log(tmp_path):
    """Give a file with lines of the api."""
    path = tmp_path / "server.log"
    path.write_text("\n".join(API) + "\n")
    return path


def test_a_file_becomes_documents(run, log):
    """One nested JSON object a line on stdout; what was found out on stderr."""
    result = run("parse", log)
    assert 0 == result.exit_code, result.output
    first, second = map(json.loads, result.stdout.splitlines())
    assert ("cache warmed", "info", "api") == (first["message"], first["log"]["level"], first["service"]["name"])
    assert "2025-11-20T08:00:07.412Z" == first["@timestamp"]
    assert "ValueError" == second["error"]["type"]
    assert "hunter2" not in result.output
    assert "service api" in result.stderr


def test_standard_input_is_read(run):
    """Without FILE, and for -, lines come from standard input."""
    text = "\n".join(API)
    bare, dash = (run("parse", "--service", "api", *name, input=text) for name in ((), ("-",)))
    assert "cache warmed" in bare.stdout
    assert 2 == len(dash.stdout.splitlines())
    assert "" == bare.stderr


def test_it_is_what_the_agent_makes(run, log, tmp_path):
    """The documents are, field by field, those of `logship tail` with the same state directory."""
    state = tmp_path / "state"
    words = [
        sys.executable,
        "-m",
        "logship",
        "tail",
        "--once",
        "--state-dir",
        str(state),
        "--service",
        "api",
        "--output",
        "json",
    ]
    shown = subprocess.run([*words, str(log)], capture_output=True, text=True, check=True).stdout
    parsed = run("parse", "--service", "api", "--state-dir", state, log).stdout
    assert [json.loads(line) for line in shown.splitlines()] == [json.loads(line) for line in parsed.splitlines()]


def test_pretty_is_the_same_indented(run, log):
    """--pretty prints documents for people."""
    plain, pretty = run("parse", "--service", "nobody", log), run("parse", "--service", "nobody", "--pretty", log)
    first = json.JSONDecoder().raw_decode(pretty.stdout)[0]
    assert json.loads(plain.stdout.splitlines()[0]) == first
    assert '\n  "message"' in pretty.stdout
    assert "no pipeline names nobody" in pretty.stderr


def test_explain_gives_reasons(run, log):
    """--explain names pipeline, format, time and what was redacted, and keeps the secret."""
    result = run("parse", "--explain", "--service", "api", log)
    for word in (
        "format     default",
        "joined     2 lines",
        "exception  python: ValueError",
        "redacted   url-password 1",
    ):
        assert word in result.stdout
    assert "hunter2" not in result.output


def test_zone_is_that_of_stamps_without_one(run, log):
    """--zone shifts zone-less times; a zone that does not exist is named."""
    result = run("parse", "--zone", "Asia/Shanghai", "--service", "api", log)
    assert "2025-11-20T00:00:07.412Z" == json.loads(result.stdout.splitlines()[0])["@timestamp"]
    assert 2 == run("parse", "--zone", "Mars/Olympus", log).exit_code


def test_services_of_a_compose_log_are_told_apart(run):
    """Each prefix leads to that service's pipeline."""
    access = '203.0.113.9 - - [20/Nov/2025:08:03:10 +0000] "GET / HTTP/1.1" 200 97 "-" "curl/8" "-"'
    text = "\n".join([*(f"api-1    | {line}" for line in API), f"nginx-1  | {access}"])
    result = run("parse", input=text)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["dify.api", "dify.api", "dify.nginx"] == [one["event"]["dataset"] for one in found]
    assert "taken off: compose; services by their prefix: api, nginx\n" == result.stderr


def test_envelopes_can_be_named(run):
    """--envelope cri joins the parts of a line; a line that is none stays whole and says so."""
    stamp = "2025-11-20T08:00:07.412000000Z"
    text = f"{stamp} stdout P {API[0][:40]}\n{stamp} stdout F:x {API[0][40:]}\nbroken\n"
    found = [
        json.loads(line)
        for line in run("parse", "--envelope", "cri", "--service", "api", input=text).stdout.splitlines()
    ]
    assert [("cache warmed", "stdout"), ("broken", None)] == [(one["message"], one.get("stream")) for one in found]
    assert ["unparsed"] == found[1]["tags"]


def test_several_files_are_read_one_after_another(run, log, tmp_path):
    """Each file is looked at on its own."""
    other = tmp_path / "redis.log"
    other.write_text("1:M 20 Nov 2025 08:30:00.100 * Ready to accept connections\n")
    found = [json.loads(line) for line in run("parse", log, other).stdout.splitlines()]
    assert ["api", "api", "redis"] == [one["service"]["name"] for one in found]


def test_a_file_that_is_not_there_is_named(run, tmp_path):
    """A missing file and a directory are errors in one line."""
    missing = run("parse", tmp_path / "nowhere.log")
    assert (1, True) == (missing.exit_code, "nowhere.log" in missing.stderr)
    assert 1 == run("parse", tmp_path).exit_code


def test_big_input_is_streamed(tmp_path):
    """40 MB of lines need no more memory than 4 MB."""
    code = (
        "import re, sys; from pathlib import Path; from logship.cli import main; "
        "main(['parse', '--service', 'api', sys.argv[1]], standalone_mode=False); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], file=sys.stderr)"
    )
    peaks = []
    for count in (1, 10):
        path = tmp_path / f"{count}.log"
        path.write_text((API[0] + "\n") * 55_000 * count)
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
        assert 55_000 * count == done.stdout.count(b"\n")
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] < peaks[0] + 30_000


def test_lines_of_a_live_pipe_are_shown_before_it_ends():
    """What is complete is printed while the writer goes on."""
    words = [sys.executable, "-m", "logship", "parse", "--service", "api"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdin.write((API[0] + "\n").encode())
        process.stdin.flush()
        assert b"cache warmed" in process.stdout.readline()
        process.stdin.close()
        assert 0 == process.wait(30)


def test_a_reader_that_goes_away_ends_it(tmp_path):
    """`logship parse | head` ends quietly."""
    path = tmp_path / "x.log"
    path.write_text((API[0] + "\n") * 20_000)
    with subprocess.Popen(
        [sys.executable, "-m", "logship", "parse", "--service", "api", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert 141 == process.wait(30)
