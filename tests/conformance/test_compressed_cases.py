"""Group H: compressed files."""

import gzip
import resource
import zlib

import pytest
from conformance.harness import lines, logrotate
from structlog.testing import capture_logs


def compress(site, name: str, *texts: str) -> bytes:
    """Compress texts to a file of a site's logs, and return its bytes."""
    data = gzip.compress("".join(texts).encode())
    (site.logs / name).write_bytes(data)
    return data


def replace_by_gz(site, name: str) -> None:
    """Do as gzip does: write the compressed file, then remove the other."""
    compress(site, f"{name}.gz", (site.logs / name).read_text())
    (site.logs / name).unlink()


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_case_075_a_file_that_is_compressed_after_it_was_read_is_not_read_again(site, running):
    """The file is rotated and compressed, with unread lines in it: they are read, and nothing of the .gz again."""
    with site.agent() as agent:
        site.write("app.log", *lines("old", 100))
        agent.settle()
        if running:
            site.write("app.log", *lines("old", 20, start=100))
            logrotate(site, "create", "compress", "rotate 5")
            site.write("app.log", *lines("new", 3))
            agent.rest()
    if not running:
        site.write("app.log", *lines("old", 20, start=100))
        logrotate(site, "create", "compress", "rotate 5")
        site.write("app.log", *lines("new", 3))
    assert ["app.log", "app.log.1.gz"] == sorted(path.name for path in site.logs.iterdir())
    site.run()
    (site.logs / "app.log.1.gz").rename(site.logs / "app.log.2.gz")
    site.write("app.log", *lines("new", 3, start=3))
    site.run()
    site.check(lines("old", 120), lines("new", 6))


def test_case_076_the_second_half_of_a_file_is_read_from_its_gz(site):
    """A file was read halfway, then only its .gz is there: the other half is read from that, under the same ids."""
    site.write("app.log", *lines("line", 100))
    site.run()
    site.write("app.log", *lines("line", 100, start=100))
    (site.logs / "app.log").rename(site.logs / "app.log.1")
    replace_by_gz(site, "app.log.1")
    site.write("app.log", *lines("new", 5))
    site.run()
    site.run()
    site.check(lines("line", 200), lines("new", 5))
    assert [] == site.lost()


@pytest.mark.parametrize("cut", [1, 5, 12, 200, -9, -4])
def test_case_077_a_gz_that_is_still_written_is_read_once_and_whole(site, cut):
    """Header, body and trailer of a .gz come late: what is there is read, each line once, without a guess."""
    data = compress(site, "app.log.1.gz", *lines("line", 2000))
    path = site.logs / "app.log.1.gz"
    path.write_bytes(data[:cut])
    with site.agent() as agent:
        agent.settle()
        with path.open("ab") as file:
            file.write(data[cut:])
        agent.settle()
    site.run()
    site.check(lines("line", 2000))
    assert {"ended"} == {file.state for file in site.books().files}


def test_case_078_members_are_read_one_after_another_and_garbage_is_reported(site):
    """Concatenated members are one text; trailing garbage is said in a warning and a gap, and costs no line."""
    first = compress(site, "app.log.1.gz", *lines("line", 50))
    path = site.logs / "app.log.1.gz"
    rest = zlib.compress("".join(lines("line", 50, start=50)).encode(), wbits=31)
    path.write_bytes(first + rest + b"garbage, not gzip")
    with capture_logs() as logs, site.agent() as agent:
        agent.settle()
    site.run()
    end = sum(map(len, lines("line", 100)))
    site.check(lines("line", 100), lost=[("app.log.1.gz", end, None)])
    assert [f"no gzip after {end:,} bytes"] == [entry["reason"] for entry in logs if "damaged" in entry["event"]]


def test_case_078_members_that_are_appended_later_are_read(site):
    """A .gz that was read grows by a member: only that is read."""
    first = compress(site, "app.log.1.gz", *lines("line", 50))
    site.run()
    (site.logs / "app.log.1.gz").write_bytes(first + gzip.compress("".join(lines("line", 50, start=50)).encode()))
    site.run()
    site.check(lines("line", 100))


def test_case_079_a_restart_in_the_middle_of_a_gz_goes_on_there(site):
    """The agent is killed while it reads a .gz: after the restart it goes on at its position, nothing again."""
    compress(site, "app.log.1.gz", *lines("line", 5000, size=100))
    with site.agent(ingest={"chunk_bytes": 4096}) as agent:
        agent.tailer.scan(site.now)
        for _ in range(3):
            agent.step()
        agent.crash()
    before = len(site.documents())
    assert 0 < before < 5000
    site.run()
    site.check(lines("line", 5000, size=100))


def test_case_080_a_gz_that_unpacks_to_much_needs_little_memory(site):
    """
    A .gz of one line of 512 MiB, and a short line: the long one is cut and marked, memory stays bounded.

    In spirit: 512 MiB in place of 10 GiB, for the time it takes.
    """
    length = 512 << 20
    packer = zlib.compressobj(1, wbits=31)
    with (site.logs / "app.log.1.gz").open("wb") as file:
        for _ in range(length >> 20):
            file.write(packer.compress(b"x" * (1 << 20)))
        file.write(packer.compress(b"\nshort\n") + packer.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    site.run()
    assert 64 << 10 > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    long, short = site.documents()
    assert (length, ["truncated"]) == (long.body["log"]["original_length"], long.body["log"]["flags"])
    assert "short" == short.message
    site.check_books()
