"""Group E: deletion."""

import os

import orjson
import pytest
from conformance.harness import delivered, lines, same_inode

from logship.config.settings import FileSource


def test_case_050_ten_unread_megabytes_of_a_deleted_file_are_read(site):
    """10 MB are unread when the file is deleted: all are read through the descriptor, which is then closed."""
    with site.agent() as agent:
        site.write("app.log", "first\n")
        agent.settle()
        written = lines("line", 10_000, size=1000)
        site.write("app.log", *written)
        (site.logs / "app.log").unlink()
        agent.rest()
        assert [] == agent.open_files()
    site.check(["first", *written])
    assert ["ended"] == [file.state for file in site.books().files]


@pytest.mark.parametrize("more", [0, 10], ids=["smaller", "larger"])
def test_case_051_a_new_file_with_the_inode_of_a_deleted_one_is_read_from_its_beginning(site, more):
    """Deleted and created anew with the same inode while the agent is away: the new content from 0."""
    path = site.write("app.log", *lines("old", 5))
    site.run()
    inode = path.stat().st_ino
    path.unlink()
    new = lines("new", 3 + more)
    same_inode(path, inode, new)
    site.run()
    site.check(lines("old", 5), new)


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_case_052_a_new_file_that_begins_like_the_deleted_one_is_another(site, running):
    """Deleted and created anew with the same first KiB: both are delivered whole."""
    banner = lines("banner", 40, size=40)
    with site.agent() as agent:
        site.write("app.log", *banner, *lines("old", 5))
        agent.settle()
        if running:
            (site.logs / "app.log").unlink()
            site.write("app.log", *banner, *lines("new", 5))
            agent.rest()
    if not running:
        (site.logs / "app.log").unlink()
        site.write("app.log", *banner, *lines("new", 5))
        site.run()
    site.check([*banner, *lines("old", 5)], [*banner, *lines("new", 5)])


def test_case_053_deleted_files_are_let_go_while_the_output_is_down(site):
    """
    With the sink down, deleted files are read to the agent's own disk, compressed, and their space is free.

    In spirit: there is no quota to exceed; reading never waits for the output.
    """
    out = site.folder / "out"
    out.write_text("not a folder yet")
    written = [lines(f"file {number}", 2000, size=500) for number in range(5)]
    with site.agent() as agent:
        courier = agent.courier(out / "documents.ndjson")
        for number, texts in enumerate(written):
            site.write(f"f{number}.log", *texts)
            agent.poll()
            courier.step()
            (site.logs / f"f{number}.log").unlink()
        agent.rest()
        assert [] == agent.open_files()
        raw = sum(len(line) for texts in written for line in texts)
        assert raw / 2 > sum(file.stat().st_size for file in site.state.iterdir())
        out.unlink()
        while courier.step():
            pass
    assert sorted(line.rstrip() for texts in written for line in texts) == sorted(delivered(out / "documents.ndjson"))
    site.check(*written)


def test_case_054_the_last_line_of_a_container_that_is_removed_at_once_is_delivered(site):
    """
    A container's folder is removed just after its last line: the line is delivered, without its newline too.

    In spirit: the files are written as Docker writes them, by the test.
    """
    record = {"stream": "stdout", "time": "2026-01-01T00:00:00Z"}
    container = site.logs / ("ab" * 32)
    with site.agent(files := FileSource(path=f"{site.logs}/*/*-json.log", envelope="docker")) as agent:
        assert files.envelope == "docker"
        container.mkdir()
        log = container / f"{container.name}-json.log"
        log.write_bytes(orjson.dumps({"log": "first\n"} | record) + b"\n")
        agent.settle()
        with log.open("ab") as file:
            file.write(orjson.dumps({"log": "second\n"} | record) + b"\n" + orjson.dumps({"log": "last\n"} | record))
        log.unlink()
        container.rmdir()
        agent.rest()
        assert [] == agent.open_files()
    site.check(["first", "second", "last"])
    assert not os.path.lexists(log)
