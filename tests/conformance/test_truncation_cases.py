"""Group D: truncation and copy-truncate."""

import os
import shutil
import subprocess

import pytest
from conformance.harness import delivered, lines, logrotate
from structlog.testing import capture_logs


def truncate(site, name: str = "app.log") -> None:
    """Cut a file to nothing; its inode stays."""
    os.truncate(site.logs / name, 0)


def test_case_040_a_file_that_was_truncated_is_read_from_its_beginning(site):
    """Truncated to nothing, looked at, written: the new lines are read from 0."""
    with site.agent() as agent:
        site.write("app.log", *lines("old", 10))
        agent.settle()
        truncate(site)
        agent.settle()
        site.write("app.log", *lines("new", 3))
        agent.settle()
    site.check(lines("old", 10), lines("new", 3))


@pytest.mark.parametrize("head", ["new head\n", "old 0\n"], ids=["another first line", "the same first line"])
def test_case_041_a_file_that_is_larger_than_before_after_a_truncation_is_seen(site, head):
    """Truncated and written with more than before between two looks: all new lines."""
    with site.agent() as agent:
        site.write("app.log", *lines("old", 10))
        agent.settle()
        truncate(site)
        site.write("app.log", head, *lines("new", 100))
        agent.settle()
    site.check(lines("old", 10), [head, *lines("new", 100)])


def test_case_042_the_same_first_kilobyte_does_not_hide_a_truncation(site):
    """Truncated and written with the same first line, and the same first KiB, and more: all new lines."""
    banner = lines("banner", 40, size=40)
    with site.agent() as agent:
        site.write("app.log", *banner, *lines("old", 100))
        agent.settle()
        truncate(site)
        site.write("app.log", *banner, *lines("new", 400))
        agent.settle()
    site.check([*banner, *lines("old", 100)], [*banner, *lines("new", 400)])


@pytest.mark.parametrize("seen", [False, True], ids=["between two scans", "a scan sees the copy"])
def test_case_043_lines_that_are_only_in_the_copy_are_delivered_from_it(site, seen):
    """Lines between the last read and the truncation are in the copy only: delivered once, nothing again."""
    with site.agent() as agent:
        site.write("app.log", *lines("old", 100))
        agent.settle()
        site.write("app.log", *lines("old", 20, start=100))
        if seen:
            shutil.copyfile(site.logs / "app.log", site.logs / "app.log.1")
            agent.tailer.scan(site.now)
            truncate(site)
        else:
            logrotate(site, "copytruncate", "rotate 5")
        site.write("app.log", *lines("new", 5))
        agent.settle()
    site.check(lines("old", 120), lines("new", 5))


def test_case_044_a_hole_that_a_writer_leaves_is_passed_over(site):
    r"""A writer without O_APPEND goes on at its offset after a truncation: its line is delivered without any \x00."""
    with site.agent() as agent, (site.logs / "app.log").open("w", buffering=1) as writer:
        writer.writelines(lines("old", 1000))
        agent.settle()
        truncate(site)
        agent.settle()
        writer.writelines(lines("new", 3))
        agent.settle()
        writer.writelines(lines("new", 3, start=3))
        agent.settle()
    site.check(lines("old", 1000), lines("new", 6))


def test_case_045_a_copy_truncate_while_stopped_reads_only_what_is_new(site):
    """Copied and truncated while the agent is away: the new lines, and what is only in the copy."""
    site.write("app.log", *lines("old", 100))
    site.run()
    site.write("app.log", *lines("old", 10, start=100))
    logrotate(site, "copytruncate", "rotate 5")
    site.write("app.log", *lines("new", 5))
    site.run()
    site.check(lines("old", 110), lines("new", 5))


def test_case_046_a_truncation_while_the_output_is_blocked_loses_nothing(site):
    """With the sink away, lines are queued, the file is truncated and written: old and new arrive."""
    out = site.folder / "out"
    out.write_text("not a folder yet")
    with site.agent() as agent:
        courier = agent.courier(out / "documents.ndjson")
        site.write("app.log", *lines("old", 1000))
        agent.settle()
        assert courier.step()
        truncate(site)
        site.write("app.log", *lines("new", 10))
        agent.settle()
        courier.step()
        assert courier.pause
        out.unlink()
        while courier.step():
            pass
    assert [line.rstrip() for line in lines("old", 1000) + lines("new", 10)] == delivered(out / "documents.ndjson")
    (sink,) = site.books().sinks
    assert (1010, 0) == (sink.delivered, sink.pending)
    newest = site.books().files[-1]
    assert newest.size == newest.position
    site.check(lines("old", 1000), lines("new", 10))


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_case_048_a_file_that_an_editor_wrote_anew_is_not_sent_again(site, running):
    """
    An edit with sed -i leaves a new inode with the same content: no line is sent again, those after it are.

    In spirit: of less than 1 KiB nobody can say whether it is a copy or was written again; it counts as new.
    """
    site.write("app.log", *lines("line", 200))
    with site.agent() as agent:
        agent.settle()
        if running:
            inode = (site.logs / "app.log").stat().st_ino
            subprocess.run(["sed", "-i", "s/no such text//", str(site.logs / "app.log")], check=True)
            assert inode != (site.logs / "app.log").stat().st_ino
            agent.settle()
    if not running:
        subprocess.run(["sed", "-i", "s/no such text//", str(site.logs / "app.log")], check=True)
    site.write("app.log", *lines("line", 10, start=200))
    site.run()
    site.check(lines("line", 210))


def test_case_047_a_file_that_is_emptied_twice_between_two_reads_is_read_or_reported(site):
    """
    Emptied twice: what a scan saw and nobody read is a gap with its byte range, what came last is read.

    In spirit: a generation that came and went between two scans leaves nothing that a gap could name.
    """
    first, second = lines("first", 20), lines("second", 10)
    with site.agent() as agent:
        site.write("app.log", *first)
        agent.settle()
        truncate(site)
        site.write("app.log", *second)
        agent.tailer.scan(site.now)
        truncate(site)
        site.write("app.log", *lines("third", 3))
        agent.settle()
    site.check(first, lines("third", 3), lost=[("app.log", 0, sum(map(len, second)))])


@pytest.mark.parametrize("cut", [1, 3], ids=["in a line", "at a line's end"])
@pytest.mark.parametrize("end", ["", "unfinished"], ids=["whole", "unfinished"])
def test_case_049_a_file_whose_last_line_is_cut_off_is_not_sent_again(site, cut, end):
    """
    The last line is removed from the end of a file: nothing is sent again, and what is appended then is read.

    A cut within a line leaves its beginning, which is the beginning of the next line.
    """
    written = lines("line", 100)
    path = site.write("app.log", *written, end)
    with site.agent() as agent, capture_logs() as logs:
        agent.settle()
        size = sum(map(len, written)) - (len(written[-1]) if cut == 3 else 4)
        os.truncate(path, size)
        agent.settle()
        site.write("app.log", *lines("new", 3))
        agent.settle()
    left = written[-1][:-4] if cut == 1 else ""
    first, *more = lines("new", 3)
    expected = [*written, *([end] if end else []), left + first, *more]
    assert [line.rstrip("\n") for line in expected] == site.messages()
    assert 1 == sum("is read on" in entry["event"] for entry in logs)
    site.check_books()


def test_case_049_an_unfinished_line_that_is_taken_back_is_a_gap(site):
    """A writer takes its unfinished line back: the lines before it are not sent again, and its bytes are reported."""
    written = lines("line", 10)
    path = site.write("app.log", *written, "unfinished")
    size = sum(map(len, written))
    with site.agent() as agent:
        agent.settle()
        os.truncate(path, size + 2)
        agent.settle()
        site.write("app.log", "known\n")
        agent.settle()
    site.check([*written, "unknown"], lost=[("app.log", size + 2, size + len("unfinished"))])
