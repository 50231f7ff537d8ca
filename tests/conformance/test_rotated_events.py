"""Events that a rotation by renaming cuts in two: a Docker line in parts, or a traceback."""

import itertools
import random
from collections import Counter

import orjson
import pytest
from conformance.harness import Agent, Site

from logship.config.settings import FileSource

STARTS = "2025-11-20 08:00:07.412 {} [MainThread] [app.py:12]  - "
INFO, ERROR = STARTS.format("INFO"), STARTS.format("ERROR")
TRACE = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "ValueError: boom"]


def record(text: str, stream: str = "stdout") -> str:
    """Return a line as Docker writes it; without a newline at its end it goes on in the next."""
    return orjson.dumps({"log": text, "stream": stream, "time": "2025-11-20T08:00:07Z"}).decode() + "\n"


def text(body: dict) -> str:
    """Return what a document says."""
    trace = body.get("error", {}).get("stack_trace", "")
    return trace if body["message"] in trace else body["message"] + trace


def start(site: Site) -> Agent:
    """Start an agent on a container's log and its rotations."""
    source = FileSource(path=str(site.logs / "json.log*"), service="api", envelope="docker")
    return Agent(site, site.settings(source))


def rotate(site: Site) -> None:
    """Rename as Docker does, with as many rotations as there are."""
    for number in itertools.count(1):
        if not (site.logs / f"json.log.{number}").exists():
            break
    for older in range(number - 1, 0, -1):
        (site.logs / f"json.log.{older}").rename(site.logs / f"json.log.{older + 1}")
    (site.logs / "json.log").rename(site.logs / "json.log.1")


def accounted(site: Site) -> None:
    """Fail when the books do not close, or bytes wait."""
    site.check_books()
    for file in site.books().files:
        assert (0, file.read) == (file.bytes_pending, file.position), file


def test_a_split_line_goes_on_in_the_next_file(site):
    """The parts of a long line on both sides of a rotation are one document, and each file accounts for its bytes."""
    agent = start(site)
    site.write("json.log", record(INFO + "first half,"))
    agent.poll()
    rotate(site)
    site.write("json.log", record(" second half\n"), record(INFO + "next\n"))
    agent.settle()
    assert ["first half, second half", "next"] == site.messages()
    accounted(site)
    agent.stop()


def test_a_secret_that_a_rotation_cuts_is_redacted(site):
    """No half of a key is left over when the rotation comes in the middle of it."""
    agent = start(site)
    site.write("json.log", record(INFO + "api_key=Zx81aaQQ"))
    agent.poll()
    rotate(site)
    site.write("json.log", record("bbRRccSS99 end\n"))
    agent.settle()
    (message,) = site.messages()
    assert "aaQQ" not in message
    assert "RRccSS" not in message
    agent.stop()


def test_a_traceback_goes_on_in_the_next_file(site):
    """A traceback's lines on both sides of a rotation are one document, though the streams interleave."""
    agent = start(site)
    site.write("json.log", record(ERROR + "failed\n", "stderr"), record(TRACE[0] + "\n", "stderr"))
    site.write("json.log", record(INFO + "a\n"))
    agent.poll()
    rotate(site)
    site.write("json.log", record(INFO + "b\n"), *(record(line + "\n", "stderr") for line in TRACE[1:]))
    agent.poll()
    site.write("json.log", record(ERROR + "other\n", "stderr"))
    agent.settle()
    found = {document.message: document.body for document in site.documents()}
    assert {"failed", "a", "b", "other"} == set(found)
    assert "\n".join(TRACE) == found["failed"]["error"]["stack_trace"]
    accounted(site)
    agent.stop()


def test_what_begins_anew_in_the_next_file_is_apart(site):
    """An event that is open at a rotation ends when the next file begins with another."""
    agent = start(site)
    site.write("json.log", record(INFO + "old\n"))
    agent.poll()
    rotate(site)
    site.write("json.log", record(INFO + "new\n"), record("more of the new\n"))
    agent.settle()
    assert ["old", "new\nmore of the new"] == site.messages()
    accounted(site)
    agent.stop()


def test_a_kill_while_an_event_is_open_over_a_rotation_loses_nothing(site):
    """Lines given to the older file's event are read again after a kill -9."""
    agent = start(site)
    site.write("json.log", record(ERROR + "failed\n"), record(TRACE[0] + "\n"))
    agent.poll()
    rotate(site)
    site.write("json.log", *(record(line + "\n") for line in TRACE[1:]))
    agent.poll()
    assert [] == site.messages()
    agent.crash()
    agent = start(site)
    agent.settle()
    texts = "\n".join(text(document.body) for document in site.documents())
    assert [1, 1, 1] == [texts.count(line) for line in ("Traceback", "in f", "boom")]
    accounted(site)
    agent.stop()


@pytest.mark.parametrize("kills", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(6))
def test_any_writer_and_any_rotation_add_up(site, seed, kills):
    """Parts, tracebacks and rotations in any order: each mark is in one document, and without kills no event is cut."""
    chance = random.Random(seed)
    agent, expected, number = start(site), Counter(), 0
    open_lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
    current, carried = {"stdout": 0, "stderr": 0}, {"stdout": -1, "stderr": -1}
    for _ in range(150):
        stream = chance.choice(["stdout", "stderr"])
        if not open_lines[stream]:
            number += 1
            current[stream] = number
            head = f"{INFO if chance.random() < 0.5 else ERROR}mark{number:04d}a mark{number:04d}b\n"
            rest = [f"  mark{number:04d}{letter}\n" for letter in "cdef"[: chance.choice([0, 0, 2, 4])]]
            expected.update(f"mark{number:04d}{letter}" for letter in "abcdef"[: 2 + len(rest)])
            open_lines[stream] = [
                part
                for line in (head, *rest)
                for part in ([line[:-11], line[-11:]] if line == head and chance.random() < 0.4 else [line])
            ]
        site.write("json.log", record(open_lines[stream].pop(0), stream))
        if chance.random() < 0.15:
            agent.poll(0.0)
        # An event that goes over two rotations is cut at the second; nothing is lost by it.
        if chance.random() < 0.2 and all(current[stream] != carried[stream] for stream in current):
            agent.poll(0.0)
            rotate(site)
            carried = dict(current)
        if chance.random() < kills:
            agent.crash()
            agent = start(site)
    for stream, left in open_lines.items():
        site.write("json.log", *(record(part, stream) for part in left))
    agent.settle()
    agent.settle()
    documents = site.documents()
    found = Counter(mark for document in documents for mark in expected if mark in text(document.body))
    assert len(documents) == len({document.id for document in documents})
    accounted(site)
    agent.stop()
    assert set(expected) == set(found)
    assert 1 == max(found.values())
    if not kills:
        assert number == len(documents)
