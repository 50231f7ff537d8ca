"""Group A: which files are read, and from where."""

import gzip
import os
import socket
import threading

import pytest
from conformance.harness import limit_open_files, lines, permissions_hold
from structlog.testing import capture_logs

from logship.config.settings import FileSource


def glob(site, pattern="*.log*", **options) -> FileSource:
    """Name files of a site's logs."""
    return FileSource(path=str(site.logs / pattern), envelope="plain", **options)


def warnings_of(logs, path) -> list[dict]:
    """Return what was said of a path."""
    return [entry for entry in logs if entry["log_level"] == "warning" and str(path) in entry.get("path", "")]


def test_case_001_a_file_created_after_the_start_is_read_from_its_first_byte(site):
    """In an empty folder, a file with two lines that is created after the start is read from byte 0."""
    with site.agent() as agent:
        agent.settle()
        site.write("app.log", "one\n", "two\n")
        agent.settle()
    site.check(["one", "two"])
    assert 0 == site.documents()[0].offset


def test_case_002_what_was_in_a_file_at_the_first_start_is_passed_over_where_the_entry_says_so(site):
    """
    A file exists with two lines, `start: end`: only the line appended after the start is delivered.

    Its offset is the size of the old part, an unfinished last line counts as new, and `status` says what was passed
    over. Files that appear later are read whole, also when they appeared while the agent was stopped.
    """
    old = "old 1\nold 2\n"
    site.write("app.log", old, "half")
    site.write("app.log.1", "older\n")
    (site.logs / "app.log.2.gz").write_bytes(gzip.compress(b"oldest\n"))
    zipped = (site.logs / "app.log.2.gz").stat().st_size
    ending = glob(site, start="end")
    with capture_logs() as logs, site.agent(ending) as agent:
        agent.settle()
        assert [] == site.messages()
        site.write("app.log", " new\n")
        site.write("later.log", "later 1\n")
        agent.settle()
    site.write("later.log", "later 2\n")
    site.write("meanwhile.log", "meanwhile\n")
    (site.logs / "other.log.1.gz").write_bytes(gzip.compress(b"zipped later\n"))
    site.run(ending)
    site.check(["half new"], ["later 1", "later 2"], ["meanwhile"], ["zipped later"])
    assert len(old) == site.documents()[0].offset
    (entry,) = site.books().passed_over
    assert (str(site.logs / "*.log*"), 3, len(old) + 6 + zipped) == (entry.path, entry.files, entry.bytes)
    assert [entry.bytes] == [said["bytes_passed_over"] for said in logs if "bytes_passed_over" in said]


def test_case_003_a_file_that_was_there_before_the_start_is_read_from_its_beginning(site):
    """Lines from before the start and lines from after it are delivered."""
    site.write("app.log", "old 1\n", "old 2\n")
    with site.agent() as agent:
        agent.settle()
        site.write("app.log", "new\n")
        agent.settle()
    site.check(["old 1", "old 2", "new"])


def test_case_004_a_file_that_two_patterns_match_is_delivered_once(site):
    """Two sources whose patterns match one file deliver each line of it once."""
    site.write("app.log", *lines("line", 2))
    with site.agent(glob(site), glob(site, "app.*")) as agent:
        agent.settle()
        site.write("app.log", *lines("line", 2, start=2))
        agent.settle()
    site.check(lines("line", 4))


@pytest.mark.parametrize("slash", ["/", "//"])
def test_case_005_an_exclude_that_overlaps_the_include_wins(site, slash):
    """Of a kept and an excluded file only the kept one is read, double slashes in the exclude or not."""
    site.write("keep.log", "kept\n")
    site.write("drop.log", "never\n")
    site.run(glob(site, exclude=[f"{site.logs}{slash}drop*"]))
    site.check(["kept"])


def test_case_006_a_file_that_may_not_be_read_is_read_once_it_may(site):
    """A file of mode 000 gives one warning in many scans, and its content after chmod."""
    path = site.write("app.log", *lines("line", 3))
    path.chmod(0)
    with capture_logs() as logs, site.agent() as agent:
        with permissions_hold():
            for _ in range(5):
                agent.poll(5.0)
        assert [] == site.messages()
        path.chmod(0o644)
        with permissions_hold():
            agent.settle()
    assert 1 == len(warnings_of(logs, path))
    site.check(lines("line", 3))


def test_case_007_a_missing_path_does_not_keep_others_from_being_read(site):
    """Of two paths one does not exist: the other is tailed, and the missing one when it appears."""
    site.write("there.log", "there\n")
    with site.agent(glob(site, "there.log"), glob(site, "later.log")) as agent:
        agent.settle()
        site.write("later.log", "later\n")
        agent.settle()
    site.check(["there"], ["later"])


def test_case_008_a_file_or_a_folder_that_cannot_be_had_for_a_moment_is_tried_again(site):
    """A name that leads nowhere (ENOENT) and a folder that may not be entered (EACCES) stop nothing."""
    (site.logs / "dangling.log").symlink_to(site.logs / "target")
    (site.logs / "closed").mkdir()
    site.write("closed/inner.log", "inner\n")
    site.write("other.log", "other\n")
    (site.logs / "closed").chmod(0)
    with site.agent(glob(site), glob(site, "closed/inner.log")) as agent:
        with permissions_hold():
            agent.settle()
        assert ["other"] == site.messages()
        (site.logs / "closed").chmod(0o755)
        site.write("target", "target\n")
        agent.settle()
        site.write("closed/inner.log", "more\n")
        (site.logs / "closed").chmod(0)
        with permissions_hold():
            agent.rest()
        (site.logs / "closed").chmod(0o755)
        agent.settle()
    site.check(["other"], ["target"], ["inner", "more"])


NAMES = ["with space.log", "emoji 🙂 日志.log", "n" * 251 + ".log", "new\nline.log", os.fsdecode(b"bad-\xff\xfe.log")]


@pytest.mark.parametrize("name", NAMES, ids=["space", "emoji", "255 bytes", "newline", "invalid UTF-8"])
def test_case_010_a_file_may_have_any_name(site, name):
    """Spaces, emoji, 255 bytes, a newline and invalid UTF-8 in a name: delivered, with the path escaped."""
    site.write(name, "one\n")
    site.run()
    site.write(name, "two\n")
    site.run()
    site.check(["one", "two"])
    path = site.documents()[0].body["log"]["file"]["path"]
    assert str(site.logs / name).encode("utf-8", "backslashreplace").decode() == path


def test_case_011_what_is_not_a_regular_file_is_passed_over_and_never_waited_for(site):
    """A directory, a FIFO, a socket and a link to /dev/zero match: one warning each, and others are read."""
    (site.logs / "directory.log").mkdir()
    os.mkfifo(site.logs / "fifo.log")
    (site.logs / "zero.log").symlink_to("/dev/zero")
    site.write("app.log", "read\n")
    with socket.socket(socket.AF_UNIX) as server, capture_logs() as logs:
        folder = os.open(site.logs, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{folder}/socket.log")  # a socket's name must be short
        finally:
            os.close(folder)
        with site.agent() as agent:
            for _ in range(5):
                agent.poll(5.0)
    site.check(["read"])
    for name in ("directory.log", "fifo.log", "zero.log", "socket.log"):
        assert 1 == len(warnings_of(logs, site.logs / name)), name


def test_case_012_lines_of_both_targets_of_a_link_that_moves_are_delivered(site):
    """current.log is pointed from a.log to b.log while a.log is still written: all lines of both are delivered."""
    (site.logs / "current.log").symlink_to("a.log")
    site.write("a.log", "a 1\n")
    with site.agent(glob(site, "current.log")) as agent:
        agent.settle()
        (site.logs / "current.log").unlink()
        (site.logs / "current.log").symlink_to("b.log")
        site.write("b.log", "b 1\n")
        site.write("a.log", "a late\n")
        agent.settle()
        site.write("a.log", "a later\n")
        site.write("b.log", "b 2\n")
        agent.settle()
    site.check(["a 1", "a late", "a later"], ["b 1", "b 2"])


def test_case_013_every_target_that_a_link_had_at_a_scan_is_read(site):
    """
    A link gets 30 targets, two between any two scans: each that was its target at a scan is delivered whole.

    In spirit: a target that no scan saw was never known, so there is nothing that a gap could name.
    """
    link = site.logs / "current.log"
    with site.agent(glob(site, "current.log")) as agent:
        for number in range(30):
            site.write(f"target{number}", f"first of {number}\n")
            link.unlink(missing_ok=True)
            link.symlink_to(f"target{number}")
            if number % 2:
                agent.poll(1.0)
            site.write(f"target{number}", f"second of {number}\n")
        agent.settle()
    site.check(*([f"first of {number}", f"second of {number}"] for number in range(1, 30, 2)))


def test_case_014_a_link_and_its_target_that_both_match_are_one_file(site):
    """A link and its target match: each line is delivered once, and the ledger knows one file."""
    site.write("app.log", "one\n")
    (site.logs / "link.log").symlink_to("app.log")
    with site.agent() as agent:
        agent.settle()
        site.write("app.log", "two\n")
        agent.settle()
    site.check(["one", "two"])
    assert 1 == len(site.books().files)


def test_case_015_more_files_than_may_be_open_are_each_read_once(site):
    """200 files, at most 100 open descriptors, five scans: each line once, and no file is taken for deleted."""
    before = threading.active_count()
    for number in range(200):
        site.write(f"f{number}.log", f"{number} first\n")
    with limit_open_files(100), site.agent() as agent:
        for _ in range(5):
            agent.poll(100.0)
        for number in range(200):
            site.write(f"f{number}.log", f"{number} second\n")
        agent.settle()
        assert {"open"} == {file.state for file in site.books().files}
    site.check(*([f"{number} first", f"{number} second"] for number in range(200)))
    assert before == threading.active_count()


FILES = 1_000


def test_case_009_of_many_idle_files_the_one_that_changes_is_read_on(site):
    """
    Of 1,000 idle files one is written to after a restart: only it is read, from its saved position.

    In spirit: there is no ignore_older, every file is read once; and 1,000 in place of 10,000, for the time it takes.
    """
    for number in range(FILES):
        site.write(f"f{number}.log", f"old {number}\n")
    site.run()
    before = {file.path: file.lines for file in site.books().files}
    site.write("f777.log", "new\n")
    site.run()
    changed = {file.path for file in site.books().files if file.lines != before[file.path]}
    assert {str(site.logs / "f777.log")} == changed
    site.check(*([f"old {number}"] + ["new"] * (number == 777) for number in range(FILES)))
