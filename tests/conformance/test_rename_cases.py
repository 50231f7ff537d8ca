"""Group C: rotation by renaming."""

import logging
import logging.handlers
import shutil

import pytest
from conformance.harness import lines, logrotate

from logship.config.settings import FileSource


def rename(site, old: str, new: str) -> None:
    """Rename a file of a site's logs, over another if there is one."""
    (site.logs / old).rename(site.logs / new)


def test_case_028_a_writer_keeps_its_file_after_the_rename(site):
    """The writer goes on in the renamed file while a new one is written: all lines of both, each once."""
    with site.agent() as agent, (site.logs / "app.log").open("a", buffering=1) as writer:
        writer.writelines(lines("old", 3))
        agent.settle()
        logrotate(site, "create", "rotate 5")
        writer.writelines(lines("old", 3, start=3))
        site.write("app.log", *lines("new", 3))
        agent.settle()
        writer.writelines(lines("old", 3, start=6))
        site.write("app.log", *lines("new", 3, start=3))
        agent.settle()
    site.check(lines("old", 9), lines("new", 6))


def test_case_029_a_writer_that_is_late_by_an_hour_is_still_read(site):
    """For an hour the renamed file gets a line a minute: all are delivered."""
    with site.agent() as agent, (site.logs / "app.log").open("a", buffering=1) as late:
        late.writelines(lines("old", 1))
        agent.settle()
        rename(site, "app.log", "app.log.1")
        site.write("app.log", "new\n")
        for minute in range(60):
            agent.poll(60.0)
            late.writelines(lines("old", 1, start=minute + 1))
        agent.settle()
    site.check(lines("old", 61), ["new"])


def test_case_030_a_chain_of_renames_while_the_reader_lags_reads_nothing_again(site):
    """Files become .1, .2 and .3 with unread lines in each: in order, each line once."""
    with site.agent() as agent:
        for number in range(4):
            site.write("app.log", *lines(f"file {number}", 200))
            agent.poll(0.1) if number % 2 else agent.tailer.scan(site.now)
            site.write("app.log", *lines(f"file {number}", 200, start=200))
            if number < 3:
                logrotate(site, "create", "rotate 9")
        agent.settle()
    site.check(*(lines(f"file {number}", 400) for number in range(4)))


def test_case_031_three_files_between_two_scans_are_all_read(site):
    """Three files of three lines are rotated by Python's handler between two scans: nine of nine lines."""
    logger = logging.Logger("case 31")
    with site.agent() as agent:
        agent.poll()
        handler = logging.handlers.RotatingFileHandler(site.logs / "app.log", maxBytes=60, backupCount=5)
        logger.addHandler(handler)
        for number in range(9):
            logger.info("record %d of nine", number)  # three of them fill a file
        handler.close()
        assert 3 == len(list(site.logs.iterdir()))
        agent.settle()
    site.check(*([f"record {number} of nine" for number in range(first, first + 3)] for first in (0, 3, 6)))


def test_case_032_a_new_file_may_be_late(site):
    """The file is renamed, and the new one created five seconds later: both are followed."""
    with site.agent() as agent:
        site.write("app.log", "old 1\n")
        agent.settle()
        rename(site, "app.log", "app.log.1")
        for _ in range(5):
            agent.poll(1.0)
        site.write("app.log.1", "old 2\n")
        site.write("app.log", "new 1\n")
        agent.settle()
        site.write("app.log", "new 2\n")
        agent.settle()
    site.check(["old 1", "old 2"], ["new 1", "new 2"])


def test_case_033_a_file_that_is_renamed_out_of_the_pattern_is_read_to_its_end(site):
    """The rotated name does not match: it is read on while it is written, and closed when it was quiet for long."""
    source = FileSource(path=str(site.logs / "app.log"), envelope="plain")
    (site.logs / "old").mkdir()
    with site.agent(source) as agent:
        site.write("app.log", "old 1\n")
        agent.settle()
        site.write("app.log", "old 2\n")
        rename(site, "app.log", "app.txt")
        site.write("app.txt", "old 3\n")
        agent.settle()
        rename(site, "app.txt", "old/app.txt")
        site.write("app.log", "new\n")
        site.write("old/app.txt", "old 4\n")
        for _ in range(30):
            agent.poll(60.0)
        site.write("old/app.txt", "old 5\n")
        agent.settle()
        assert str(site.logs / "old/app.txt") in agent.open_files()
        agent.poll(4000.0)
        agent.poll(4000.0)
        assert [str(site.logs / "app.log")] == agent.open_files()
        rename(site, "old/app.txt", "app.log")  # it comes back: it is known
        agent.settle()
    site.check(["old 1", "old 2", "old 3", "old 4", "old 5"], ["new"])


def test_case_034_a_file_that_is_moved_to_another_folder_is_delivered_once(site):
    """A file is moved within its file system and written to there: each line once."""
    (site.logs / "old").mkdir()
    with site.agent(FileSource(path=f"{site.logs}/**/*.log", envelope="plain")) as agent:
        site.write("app.log", "one\n")
        agent.settle()
        rename(site, "app.log", "old/app.log")
        site.write("old/app.log", "two\n")
        agent.settle()
        site.write("old/app.log", "three\n")
        agent.settle()
    site.check(["one", "two", "three"])


def test_case_035_a_rotation_while_stopped_is_followed_from_the_position(site):
    """The file is rotated while the agent is away: the rest of the old one and the new one, nothing again."""
    site.write("app.log", *lines("old", 100))
    site.run()
    site.write("app.log", *lines("old", 50, start=100))
    logrotate(site, "create", "rotate 5")
    site.write("app.log.1", *lines("old", 50, start=150))
    site.write("app.log", *lines("new", 50))
    site.run()
    site.check(lines("old", 200), lines("new", 50))


def test_case_037_a_rename_that_looks_like_a_deletion_keeps_the_position(site):
    """A listing during a rename shows the file under neither name: what is known of it survives."""
    aside = site.folder / "between"
    with site.agent() as agent:
        site.write("app.log", "one\n")
        agent.settle()
        (site.logs / "app.log").rename(aside)
        agent.poll(5.0)
        aside.rename(site.logs / "app.log.1")
        site.write("app.log.1", "two\n")
        agent.settle()
    site.check(["one", "two"])


def test_case_038_a_file_that_is_renamed_over_is_read_to_its_end(site):
    """app.log is renamed onto app.log.1, which has unread lines: they are read through the open descriptor."""
    with site.agent() as agent:
        site.write("app.log", "first 1\n")
        agent.settle()
        rename(site, "app.log", "app.log.1")
        site.write("app.log", "second 1\n")
        agent.settle()
        site.write("app.log.1", *lines("unread", 1000))
        rename(site, "app.log", "app.log.1")
        site.write("app.log", "third\n")
        agent.rest()
    site.check(["first 1", *lines("unread", 1000)], ["second 1"], ["third"])


@pytest.mark.parametrize("names", ["sequence", "timestamp"])
@pytest.mark.parametrize("way", ["move", "copytruncate"])
@pytest.mark.parametrize("keep", [None, 20, 3, 1], ids=["no rotation", "no deletion", "deletion", "all deleted"])
def test_case_039_every_way_to_rotate_loses_nothing_that_lived_for_a_scan(site, keep, way, names):
    """
    Move or copy-truncate, numbers or stamps, nothing kept or all, beyond the first KiB or not: no loss.

    In spirit: every file lives for one scan at least; what lives shorter is not reported as a gap.
    """
    written: list[list[str]] = []
    kept: list[str] = []
    with site.agent() as agent:
        for turn in range(8):
            written.append(lines(f"file {turn} with some text that makes it longer", 40))
            for start in range(0, 40, 10):
                site.write("app.log", *written[-1][start : start + 10])
                agent.poll(0.1)
            if keep is None:
                continue
            if names == "sequence":
                for number in range(len(kept), 0, -1):
                    rename(site, f"app.log.{number}", f"app.log.{number + 1}")
                kept.append("app.log.1")
                kept = [f"app.log.{number + 1}" for number in range(len(kept))]
                target = site.logs / "app.log.1"
            else:
                kept.insert(0, f"app.log-202601010{turn}")
                target = site.logs / kept[0]
            if way == "move":
                (site.logs / "app.log").rename(target)
            else:
                shutil.copyfile(site.logs / "app.log", target)
                (site.logs / "app.log").write_text("")
            while len(kept) > keep:
                (site.logs / kept.pop()).unlink()
        agent.rest()
    site.check(*([[line for texts in written for line in texts]] if keep is None else written))
