"""The disk budget of the state directory: at its end reading stops, files stay open, and the host is not filled."""

import os
import shutil
from collections import Counter

from conformance.harness import mounted, until

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
        assert shutil.disk_usage(service.state).free > 0
        assert 0 == service.stop()
        assert not service.log("nothing can be written, and nothing is read until it can")
        assert 0 < service.messages().total() < len(written)
