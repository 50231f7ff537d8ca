"""A file is rotated under a writer at full speed, and nothing is lost, doubled or torn."""

import contextlib
import os
import threading
import time

import pytest
from conformance.harness import Site
from rotation.conftest import agent, numbered, site_on, whole, writing
from rotation.writer import line

#: Bytes that each writer writes; `make soak` sets a thousand times as many.
SIZE = int(os.environ.get("LOGSHIP_TEST_ROTATION_BYTES", 12 << 20))


def check_documents(site: Site, count: int) -> None:
    """Assert that each line is one document, in order, and that its id is where it was written."""
    offset = 0
    documents = site.documents()
    assert len(documents) == count
    for number, document in enumerate(documents):
        text = line(number)
        assert (document.message, document.offset) == (text.decode().rstrip("\n"), offset)
        offset += len(text)
    site.check_books()
    assert site.books().gaps == 0


def test_a_writer_at_full_speed_loses_nothing(site):
    """Backups and file together are what was written, byte by byte, and each line is a document once."""
    live = site.logs / "app.log"
    size = max(SIZE // 24, 65536)
    begun = time.monotonic()
    with agent(site, max_size=size, backup_count=1000) as running:
        writer = writing(live, SIZE)
        while writer.poll() is None:
            running.poll()
        count = int(writer.communicate()[0])
        for _ in range(10):
            running.settle()
    assert whole(live) == b"".join(line(number) for number in range(count))
    backups = numbered(live)
    assert len(backups) > 10
    assert live.stat().st_size < size + 4096 + 1024
    check_documents(site, count)
    seconds = time.monotonic() - begun
    print(f"{live.stat().st_size + sum(one.stat().st_size for one in backups):,} bytes, {len(backups)} rotations, "  # noqa: T201
          f"{seconds:.0f} s")  # fmt: skip


def test_several_writers_of_one_file_lose_nothing(site):
    """Three processes append at once while heads are removed: every line is whole and delivered once."""
    live = site.logs / "app.log"
    with agent(site, backup_count=1000) as running:
        writers = [writing(live, SIZE // 8) for _ in range(3)]
        while any(writer.poll() is None for writer in writers):
            running.poll()
        counts = [int(writer.communicate()[0]) for writer in writers]
        running.settle()
    expected = sorted(line(number) for count in counts for number in range(count))
    assert sorted(whole(live).splitlines(keepends=True)) == expected
    assert sorted(message.encode() + b"\n" for message in site.messages()) == expected
    site.check_books()


def write(site: Site, first: int, last: int):
    """Append numbered lines to the file."""
    return site.write("app.log", *(line(number).decode() for number in range(first, last)))


def test_backups_are_numbered_and_the_oldest_goes(site):
    """`.1` is the newest; beyond backup_count the oldest is deleted, and nothing is read again."""
    with agent(site, backup_count=3) as running:
        for part in range(8):
            live = write(site, part * 1000, part * 1000 + 1000)
            running.poll()
        running.settle()
    assert [one.name for one in numbered(live)] == ["app.log.3", "app.log.2", "app.log.1"]
    assert all(one.stat().st_size == 65536 for one in numbered(live))
    everything = b"".join(line(number) for number in range(8000))
    assert everything.endswith(whole(live))
    check_documents(site, 8000)


def test_a_restarted_agent_goes_on_where_it_was(site):
    """Offsets, ids and backups go on over restarts, and backups are still not read."""
    for part in range(6):
        with agent(site, backup_count=50) as running:
            live = write(site, part * 700, part * 700 + 700)
            running.settle()
    assert whole(live) == b"".join(line(number) for number in range(4200))
    check_documents(site, 4200)


def test_backups_can_be_compressed(site):
    """`.1.gz` holds the same bytes, with the file's owner and mode, and a change of the option is no obstacle."""
    live = write(site, 0, 10)
    os.chown(live, 1234, 2345)
    live.chmod(0o640)
    for compress, part in (("gzip", 0), ("none", 1), ("gzip", 2)):
        with agent(site, backup_count=50, compress=compress) as running:
            write(site, part * 1000 + 10, part * 1000 + 1010)
            running.settle()
    assert {one.suffix == ".gz" for one in numbered(live)} == {True, False}
    assert whole(live) == b"".join(line(number) for number in range(3010))
    assert {(one.stat().st_uid, one.stat().st_gid, one.stat().st_mode & 0o777) for one in numbered(live)} == {
        (1234, 2345, 0o640)
    }
    check_documents(site, 3010)


def test_all_of_a_file_and_its_backups_keep_to_a_size(site):
    """total_size deletes the oldest backups, whatever backup_count says."""
    with agent(site, backup_count=50, total_size=200_000) as running:
        for part in range(8):
            live = write(site, part * 1000, part * 1000 + 1000)
            running.settle()
    sizes = [one.stat().st_size for one in [*numbered(live), live]]
    assert len(sizes) > 2
    assert sum(sizes) <= 200_000
    check_documents(site, 8000)


def test_the_oldest_backup_waits_for_every_sink(site):
    """While a sink has not taken a backup's documents it is kept, beyond backup_count; then it goes."""
    out = site.folder / "out"
    out.write_text("in the way")
    with agent(site, backup_count=1) as running:
        courier = running.courier(out / "out.ndjson")
        running._agent.ledger.follow(courier.sink.name)
        for part in range(5):
            live = write(site, part * 1000, part * 1000 + 1000)
            running.settle()
        kept = len(numbered(live))
        assert kept >= 5
        assert whole(live) == b"".join(line(number) for number in range(5000))
        out.unlink()
        assert courier.drain(time.monotonic() + 60)
        write(site, 5000, 6000)
        running.settle()
        courier.sink.close()
    assert len(numbered(live)) < kept
    check_documents(site, 6000)


def test_a_line_that_is_not_finished_stays(site):
    """What has no newline yet is never handed on, however long the file is."""
    write(site, 0, 100)
    size = (site.logs / "app.log").stat().st_size
    with agent(site, backup_count=50) as running:
        live = site.write("app.log", "y" * 300_000)
        running.settle()
        assert numbered(live) == []
        site.write("app.log", "\n")
        running.settle()
        running.settle()
    assert numbered(live) != []
    assert whole(live)[size:] == b"y" * 300_000 + b"\n"
    assert [document.offset for document in site.documents()][-1] == size


def test_a_writer_without_append_is_refused_with_the_reason(site):
    """Its file is left alone, status says who it is, and nothing is lost."""
    live = site.logs / "app.log"
    with agent(site, backup_count=50) as running, live.open("wb", buffering=0) as file:
        for number in range(2000):
            file.write(line(number))
        running.settle()
        (state,) = site.books().rotation
        assert (state.method, state.count) == ("refused", 0)
        assert f"process {os.getpid()}" in state.reason
        assert "without O_APPEND" in state.reason
    assert numbered(live) == []
    check_documents(site, 2000)


def test_somebody_elses_backup_is_not_touched(site):
    """A `.1` that logship did not make stops the rotation, with its name."""
    live = write(site, 0, 2000)
    other = site.logs / "app.log.1"
    other.write_text("made by hand\n")
    with agent(site, backup_count=50) as running:
        running.settle()
    (state,) = site.books().rotation
    assert (state.method, "app.log.1 was not made by logship" in state.reason) == ("refused", True)
    assert other.read_text() == "made by hand\n"
    assert numbered(live) == [other]


def test_lines_that_are_all_alike_are_refused(site):
    """Where a file would begin as before, a crash could not be told from none: it is left alone."""
    with agent(site, backup_count=50) as running:
        live = site.write("app.log", *["z" * 63 + "\n"] * 4000)
        running.settle()
    assert numbered(live) == []
    assert "equal lines" in site.books().rotation[0].reason


def test_backups_of_zero_mean_never(site):
    """As with Python's handler, backup_count 0 keeps the file whole."""
    with agent(site, backup_count=0) as running:
        live = write(site, 0, 3000)
        running.settle()
    assert numbered(live) == []
    assert "backup_count is 0" in site.books().rotation[0].reason


def test_status_tells_how_rotation_goes(site):
    """Each managed file is listed with its method, rotations and bytes."""
    with agent(site, backup_count=50) as running:
        write(site, 0, 3000)
        running.settle()
    (state,) = site.books().rotation
    assert (state.method, state.reason, state.count, state.bytes) == ("collapse", "", state.bytes // 65536, state.bytes)
    assert state.count > 2


def test_a_full_disk_stops_the_rotation_and_nothing_else(tmp_path):
    """When a backup does not fit, the file is left alone and read on; with room again it is rotated."""
    with site_on("ext4", tmp_path / "site", size=8 << 20) as site:
        filler = site.logs / "filler"
        with agent(site, backup_count=50) as running:
            live = write(site, 0, 400)
            running.settle()
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            os.truncate(filler, filler.stat().st_size - 80_000)
            write(site, 400, 900)
            running.settle()
            (state,) = site.books().rotation
            assert (state.method, "No space left" in state.reason) == ("refused", True)
            filler.unlink()
            running.poll(60.0)
            running.settle()
        assert numbered(live) != []
        assert whole(live) == b"".join(line(number) for number in range(900))
        check_documents(site, 900)


def test_reading_and_rotating_share_one_thread(site):
    """A bell that rings all the time, a writer and many small rotations end with every line once."""
    stop, bell = threading.Event(), threading.Event()
    live = site.logs / "app.log"
    with agent(site, backup_count=1000) as running:
        writer = writing(live, SIZE // 8)
        loop = threading.Thread(target=running._ingest.run, args=(stop, bell))
        loop.start()
        try:
            while writer.poll() is None:
                bell.set()
                time.sleep(0.001)
            count = int(writer.communicate()[0])
            deadline = time.monotonic() + 60
            while len(site.documents()) < count and time.monotonic() < deadline:
                bell.wait(0.1)
        finally:
            stop.set()
            bell.set()
            loop.join(60)
    assert whole(live) == b"".join(line(number) for number in range(count))
    check_documents(site, count)


@pytest.mark.parametrize(("every", "step", "least"), [("hourly", 3600, 5), ("daily", 86400, 5)])
def test_files_are_rotated_by_time(site, every, step, least):
    """At the first look in a new hour or day, what is there is handed on, whatever its size."""
    from datetime import UTC, datetime, timedelta

    from logship.ledger.ledger import Ledger
    from logship.model import Progress
    from logship.rotation.rotator import Policy, Rotator
    from logship.sources.discovery import PathPatterns
    from logship.sources.tailer import Tailer

    now = datetime.now(UTC)
    live = site.logs / "app.log"
    policy = Policy(1 << 30, 100, every, assume_append=True)
    with Ledger.open(site.state) as ledger:
        rotator = Rotator(ledger, lambda found, _: policy if found == str(live) else None, clock=lambda: now)
        with Tailer(ledger, PathPatterns([f"{live}*"], envelope="plain"), rotator=rotator) as tailer:
            for part in range(least + 1):
                write(site, part * 100, part * 100 + 100)
                for second in range(3):
                    tailer.scan(part * 100.0 + second)
                    while chunks := tailer.read():
                        for chunk in chunks:
                            end = chunk.offset + chunk.span
                            tail = tailer.tail(chunk.file.id, end)
                            step_made = Progress(chunk.file.id, end, {}, end, tail, bytes_documents=chunk.span)
                            ledger.commit([], [step_made])
                            tailer.committed([step_made])
                now += timedelta(seconds=step)
    assert least <= len(numbered(live)) <= least + 1
    assert whole(live) == b"".join(line(number) for number in range(least * 100 + 100))
