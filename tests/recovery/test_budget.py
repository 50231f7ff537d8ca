"""The disk budget of the state directory: at its end reading stops, files stay open, and the host is not filled."""

import json
import os
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import accumulate
from pathlib import Path

import pytest
from click.testing import CliRunner
from conformance.harness import mounted, until

from logship.cli import main
from logship.ledger.status import status
from logship.store.search import count

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - {}\n"
STOPS = "nothing more is read until there is room"
GOES_ON = "there is room again, and reading goes on"


def lines(count: int) -> list[str]:
    """Return lines that compress badly."""
    return [f"{number} {os.urandom(60).hex()}" for number in range(count)]


def test_reading_stops_at_the_budget_and_goes_on_after_it(service):
    """While a sink is away the ledger grows to its budget and no further; a deleted file is read when there is room."""
    out = service.folder / "out"
    out.write_text("a file where a folder is needed")
    service.configure(
        f"file_sink: {{path: {out}/documents.ndjson, max_size: 1GiB}}\nstate: {{max_size: 4MiB}}\n"
        "ingest: {linger_seconds: 5}\n"
    )
    written = lines(100_000)
    log = service.logs / "a.log"
    log.write_text("".join(map(LINE.format, written)))
    service.start()
    until(lambda: service.log(STOPS))
    log.unlink()
    room = status(service.state).room
    assert (4 << 20, True) == (room.max_size, "state.max_size" in room.reason)
    held = sum(path.stat().st_size for path in service.state.glob("ledger.db*"))
    assert held < 12 << 20  # one batch more than the budget, and the write-ahead log
    out.unlink()
    out.mkdir()
    until(lambda: (out / "documents.ndjson").exists())
    until(lambda: (out / "documents.ndjson").read_bytes().count(b"\n") == len(written), 120)
    assert 0 == service.stop()
    assert service.log(GOES_ON)
    texts = (out / "documents.ndjson").read_text().splitlines()
    assert Counter(written) == Counter(text.partition('"message":"')[2].partition('"')[0] for text in texts)


def test_the_host_is_not_filled(service):
    """The watermark is left to others: reading stops before the disk is full, and goes on when others make room."""
    with mounted(service.state, "-o", "size=40m"):
        written = lines(200_000)
        (service.logs / "a.log").write_text("".join(map(LINE.format, written)))
        (service.state / "others").write_bytes(bytes(24 << 20))
        service.start()
        until(lambda: service.log(STOPS))
        (said,) = service.log(STOPS)
        assert "state.min_free" in said["reason"]
        told = CliRunner().invoke(main, ["status", "--state-dir", str(service.state)]).output
        assert f"nothing more is read until there is room: {status(service.state).room.reason}" in told
        assert shutil.disk_usage(service.state).free > 0
        assert 0 == service.stop()
        assert not service.log("nothing can be written, and nothing is read until it can")
        assert 0 < service.messages().total() < len(written)


def repetitive_lines(count: int) -> list[str]:
    """Return lines that segments, with their larger window, pack much better than the ledger."""
    words = [os.urandom(10).hex() for _ in range(4096)]
    return [f"{number} {' '.join(random.choices(words, k=6))}" for number in range(count)]


def begins(written: list[str]) -> list[int]:
    """Return where the lines begin in a file, and where the last one ends."""
    return list(accumulate((len(LINE.format(text)) for text in written), initial=0))


def destroyed(service, files: dict[str, list[str]]) -> Counter:
    """Return the lines that gaps name, which must begin and end where lines do, and never name a byte twice."""
    lost: Counter = Counter()
    with closing(sqlite3.connect(service.state / "ledger.db")) as ledger:
        gaps = ledger.execute("SELECT path, first, behind, cause, documents FROM gap ORDER BY path, first").fetchall()
    for path, first, behind, cause, documents in gaps:
        written = files[path.rpartition("/")[2]]
        places = begins(written)
        named = written[places.index(first) : places.index(behind)]
        assert ("dropped", len(named)) == (cause, documents)
        lost.update(named)
    return lost


def reports(path: Path) -> list[dict]:
    """Return what the agent told of its sinks; its own last line may still be written."""
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    found = [one for one in map(json.loads, whole) if one["event"]["dataset"] == "logship.agent"]
    return [one["logship"] for one in found if "sink" in one["logship"]]


@pytest.mark.parametrize("keep", [False, True], ids=["ledger", "segments"])
def test_the_oldest_documents_are_dropped_at_the_budget(service, keep):
    """
    With a sink away reading goes on; when it is back, each line is delivered or in a gap, and gaps are delivered too.

    Where segments are kept, only what they hold is dropped, and a search finds every line.
    """
    out = service.folder / "out"
    out.write_text("a file where a folder is needed")
    service.configure(
        f"file_sink: {{path: {out}/documents.ndjson, max_size: 1GiB}}\n"
        f"state: {{max_size: {'17MiB' if keep else '6MiB'}, when_full: drop_oldest}}\nreport_seconds: 1\n",
        store=keep,
    )
    text = service.config.read_text()
    service.config.write_text(text.replace("store: {enabled: true}", "store: {enabled: true, seal_seconds: 1}"))
    files = {"a.log": (repetitive_lines if keep else lines)(150_000), "b.log": lines(100)}
    for name, written in files.items():
        (service.logs / name).write_text("".join(map(LINE.format, written)))
    sizes = sorted(begins(written)[-1] for written in files.values())
    service.start()
    until(lambda: sizes == sorted(file.position for file in status(service.state).files if file.service == "api"), 180)
    until(lambda: service.log("the oldest documents were dropped to make room; gaps name their bytes"))
    books = status(service.state)
    assert books.gaps
    assert books.closes, books.problems
    out.unlink()
    out.mkdir()
    until(lambda: not status(service.state).sinks[0].pending, 180)
    until(lambda: any(report["dropped"] for report in reports(out / "documents.ndjson")))
    assert 0 == service.stop()
    documents = list(map(json.loads, (out / "documents.ndjson").read_text().splitlines()))
    arrived = Counter(one["message"] for one in documents if one["event"]["dataset"] == "dify.api")
    lost = destroyed(service, files)
    assert Counter(files["a.log"] + files["b.log"]) == arrived + lost
    assert 0 < lost.total() < 150_000
    books = status(service.state)
    assert books.closes, books.problems
    assert books.gaps == sum(one["event"]["dataset"] == "logship.gap" for one in documents)
    (sink,) = books.sinks
    assert sink.dropped >= lost.total()
    assert sink.dropped >= sum(report["dropped"] for report in reports(out / "documents.ndjson"))
    if keep:
        assert 150_100 == count(service.state, "event.dataset:dify.api")
