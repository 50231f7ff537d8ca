"""Group J: events of several lines."""

import subprocess
import sys

import orjson
import pytest

from logship.config.settings import FileSource

HEAD = "2025-11-20 08:00:07.412 {} [MainThread] [app.py:12]  - {}\n"
INFO = HEAD.format("INFO", "{}")
ERROR = HEAD.format("ERROR", "{}")


def api(site, **options) -> FileSource:
    """Read a site's logs as those of Dify's API."""
    return FileSource(path=f"{site.logs}/*.log*", service="api", envelope="plain", **options)


def docker(text: str, stream: str = "stdout") -> str:
    """Return a record of Docker's json-file."""
    return orjson.dumps({"log": text, "stream": stream, "time": "2025-11-20T08:00:07Z"}).decode() + "\n"


def trace(body: dict) -> str:
    """Return the whole text of an event."""
    return "\n".join([body["message"], body.get("error", {}).get("stack_trace", "")]).strip()


def test_case_094_parts_are_joined_before_streams_are_told_apart_and_events_joined(site):
    """A traceback whose lines are split by Docker, between lines of the other stream, is one event."""
    long = "  " + "y" * 20_000
    site.write(
        "app.log",
        docker(ERROR.format("failed"), "stderr"),
        docker("Traceback (most recent call last):\n", "stderr"),
        docker(INFO.format("other 1")),
        docker(long[:16384], "stderr"),
        docker(INFO.format("other 2")),
        docker(long[16384:] + "\n", "stderr"),
        docker("ValueError: boom\n", "stderr"),
    )
    site.run(FileSource(path=f"{site.logs}/*.log*", service="api", envelope="docker"))
    texts = {document.body["message"]: trace(document.body) for document in site.documents()}
    assert {"failed", "other 1", "other 2"} == set(texts)
    assert f"failed\nTraceback (most recent call last):\n{long}\nValueError: boom" == texts["failed"]
    site.check_books()


SCRIPTS = {
    "carets": "def f():\n    return {}['a']['b']\nf()",
    "chained from": "try:\n    1 / 0\nexcept Exception as error:\n    raise ValueError('outer') from error",
    "during handling": "try:\n    1 / 0\nexcept Exception:\n    raise KeyError('second')",
    "group": "raise ExceptionGroup('several', [ValueError('one'), TypeError('two')])",
    "assertion": "assert False",
    "syntax": "compile('a b c', 'input', 'exec')",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_case_095_every_traceback_of_a_modern_python_is_one_event_with_its_head(site, name):
    """Tracebacks with carets, chains, groups and syntax errors, as this Python prints them: one event with its head."""
    script = site.folder / "script.py"
    script.write_text(SCRIPTS[name] + "\n")
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False).stderr
    assert "Error" in printed or "Group" in printed
    site.write("app.log", INFO.format("before"), ERROR.format("failed"), printed, INFO.format("after"))
    site.run(api(site))
    bodies = [document.body for document in site.documents()]
    assert ["before", "failed", "after"] == [body["message"] for body in bodies]
    assert printed.rstrip() == bodies[1]["error"]["stack_trace"].rstrip()
    site.check_books()


def test_case_096_two_streams_that_interleave_are_separate_events(site):
    """Tracebacks of stdout and stderr, line by line in turn: one event each."""
    both = []
    for number, stream in enumerate(("stdout", "stderr")):
        event = [ERROR.format(f"failed {number}"), "Traceback (most recent call last):\n",
                 f'  File "{stream}.py", line 1, in f\n', f"ValueError: {stream}\n"]  # fmt: skip
        both.append([docker(line, stream) for line in event])
    site.write("app.log", *(line for pair in zip(*both, strict=True) for line in pair))
    site.run(FileSource(path=f"{site.logs}/*.log*", service="api", envelope="docker"))
    found = {document.body["message"]: trace(document.body) for document in site.documents()}
    assert {"failed 0", "failed 1"} == set(found)
    for number, stream in enumerate(("stdout", "stderr")):
        assert found[f"failed {number}"].endswith(f'  File "{stream}.py", line 1, in f\nValueError: {stream}')


def test_case_097_the_last_event_comes_after_a_second_of_quiet_that_begins_anew_with_each_line(site):
    """The last event is emitted when nothing was added for a second; each line begins the second anew."""
    with site.agent(api(site)) as agent:
        site.write("app.log", ERROR.format("failed"), "Traceback (most recent call last):\n")
        for number in range(6):
            agent.poll(0.6)
            assert [] == site.messages()
            site.write("app.log", f'  File "a.py", line {number}, in f\n')
        agent.poll(0.6)
        agent.poll(0.5)
        agent.poll(0.6)
        (document,) = site.documents()
    assert 6 == document.body["error"]["stack_trace"].count("File")


@pytest.mark.parametrize("limit", [{"max_event_lines": 10}, {"max_event_bytes": 4096}], ids=["lines", "bytes"])
def test_case_098_an_event_at_its_limit_is_cut_and_no_line_is_dropped(site, limit):
    """An event of too many lines or bytes is cut and says so; every line is in a document."""
    body = [f"  line {number:04d} {'x' * 40}\n" for number in range(300)]
    with site.agent(api(site), ingest=limit) as agent:
        site.write("app.log", ERROR.format("failed"))
        for start in range(0, len(body), 5):
            site.write("app.log", *body[start : start + 5])
            agent.poll(0.1)
        site.write("app.log", INFO.format("after"))
        agent.settle()
    bodies = [document.body for document in site.documents()]
    whole = "\n".join(trace(one) for one in bodies)
    assert [1] * 300 == [whole.count(line.strip()) for line in body]
    assert any(flag.startswith("multiline") for one in bodies for flag in one["log"].get("flags", []))
    assert "after" == bodies[-1]["message"]
    site.check_books()


def test_case_099_blank_lines_within_an_event_are_kept(site):
    """Blank lines in the middle of a message are in the event."""
    body = ["\n", "  SELECT 1\n", "\n", "\n", "  FROM t\n"]
    site.write("app.log", ERROR.format("statement:"), *body, INFO.format("after"))
    site.run(api(site))
    texts = [trace(document.body) for document in site.documents()]
    assert ["statement:\n\n  SELECT 1\n\n\n  FROM t", "after"] == texts


def test_case_100_lines_before_the_first_beginning_of_an_event_are_not_lost(site):
    """A file begins in the middle of an event: its lines are there, apart from the event that follows."""
    site.write("app.log", '  File "a.py", line 1, in f\n', "ValueError: boom\n", INFO.format("first"))
    site.run(api(site))
    texts = [trace(document.body) for document in site.documents()]
    assert "first" == texts[-1]
    before = "\n".join(texts[:-1])
    assert [1, 1] == [before.count(text) for text in ('File "a.py", line 1, in f', "ValueError: boom")]
    site.check_books()


def test_case_101_two_files_of_one_pipeline_are_never_mixed(site):
    """Two files are written line by line in turn: the events of each hold its lines only."""
    with site.agent(api(site)) as agent:
        for number in range(4):
            for name in ("a", "b"):
                text = ERROR.format(f"failed {name}") if not number else f"  {name} line {number}\n"
                site.write(f"{name}.log", text)
            agent.poll(0.2)
        agent.settle()
    found = sorted(trace(document.body) for document in site.documents())
    expected = ["\n".join([f"failed {name}", *(f"  {name} line {number}" for number in range(1, 4))]) for name in "ab"]
    assert expected == found


def test_an_event_goes_on_where_more_of_its_file_waits_to_be_read(site):
    """However long other files take in between, an event is not cut while its next line lies in the file unread."""
    frames = "".join(f'  File "/app/api/module_{number}.py", line {number}, in call\n' for number in range(1500))
    event = ERROR.format("failed") + f"Traceback (most recent call last):\n{frames}ValueError: boom\n"
    for name in range(40):
        site.write(f"{name}.log", event * 3)
    with site.agent(api(site)) as agent:
        for _ in range(20):
            site.now += 5.0
            agent.step()
        agent.settle()
    found = [document.body["error"]["message"] for document in site.documents()]
    assert ["boom"] * 120 == found
    site.check_books()
