"""Group F: which file is which."""

import os
import shutil
import subprocess

import pytest
from conformance.harness import limit_open_files, lines, mounted, same_inode

from logship.config.settings import FileSource


def test_case_056_a_file_of_three_bytes_is_read_when_its_line_is_complete(site):
    """Three bytes without a newline, then the rest: read as soon as the line is complete, however small the file."""
    with site.agent() as agent:
        site.write("app.log", "abc")
        agent.settle()
        site.write("app.log", "def\n")
        agent.settle()
    site.check(["abcdef"])


def test_case_057_two_files_that_begin_with_the_same_kilobyte_are_two(site):
    """Two files have the same first KiB and grow apart: both are delivered whole."""
    banner = lines("banner", 40, size=40)
    with site.agent() as agent:
        for name in ("a.log", "b.log"):
            site.write(name, *banner)
            agent.poll()
        for name in ("a.log", "b.log"):
            site.write(name, *lines(name, 5))
        agent.settle()
    site.check([*banner, *lines("a.log", 5)], [*banner, *lines("b.log", 5)])


def test_case_058_a_file_that_grows_past_a_kilobyte_across_a_restart_stays_the_same(site):
    """A small file grows past 1 KiB, with a restart in between, and is renamed: nothing again."""
    site.write("app.log", "small\n")
    site.run()
    site.write("app.log", *lines("more", 20))
    site.run()
    site.write("app.log", *lines("even more", 200))
    (site.logs / "app.log").rename(site.logs / "app.log.1")
    site.run()
    site.run()
    site.check(["small", *lines("more", 20), *lines("even more", 200)])


def test_case_059_hard_links_are_one_file(site):
    """A file with two names that match is delivered once, also when the first name goes."""
    site.write("a.log", "one\n")
    (site.logs / "b.log").hardlink_to(site.logs / "a.log")
    with site.agent() as agent:
        agent.settle()
        (site.logs / "a.log").unlink()
        site.write("b.log", "two\n")
        agent.rest()
    site.check(["one", "two"])


def test_case_060_the_same_inode_on_two_devices_are_two_files(site):
    """Two file systems have a file with the same inode and content each: both; a bind mount of one is the same."""
    source = FileSource(path=f"{site.logs}/*/*.log", envelope="plain")
    with mounted(site.logs / "one") as one, mounted(site.logs / "two") as two:
        for folder in (one, two):
            (folder / "app.log").write_text("equal\n")
        assert (one / "app.log").stat().st_ino == (two / "app.log").stat().st_ino
        with mounted(site.logs / "bound", "--bind", kind="", device=str(one)), site.agent(source) as agent:
            agent.settle()
            for number, folder in enumerate((one, two)):
                with (folder / "app.log").open("a") as file:
                    file.write(f"of {number}\n")
            agent.settle()
        site.check(["equal", "of 0"], ["equal", "of 1"])


def test_case_061_another_device_number_after_a_remount_reads_nothing_again(site):
    """A file system comes back under another device number: the file is read on from its position."""
    image = site.folder / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    other = site.folder / "other"
    shutil.copyfile(image, other)
    source = FileSource(path=f"{site.logs}/disk/*.log", envelope="plain")
    with mounted(site.logs / "disk", "-o", "loop", kind="ext4", device=str(image)) as disk:
        (disk / "app.log").write_text("one\n")
        site.run(source)
        device = (disk / "app.log").stat().st_dev
    with (
        mounted(site.folder / "elsewhere", "-o", "loop", kind="ext4", device=str(other)),
        mounted(site.logs / "disk", "-o", "loop", kind="ext4", device=str(image)) as disk,
    ):
        assert device != (disk / "app.log").stat().st_dev
        with (disk / "app.log").open("a") as file:
            file.write("two\n")
        site.run(source)
    site.check(["one", "two"])


@pytest.mark.parametrize("size", [1, 30])
def test_case_062_an_inode_that_is_used_again_within_a_minute_is_a_new_file(site, size):
    """A file that was closed for want of descriptors is deleted and its inode used again at once: a new generation."""
    with limit_open_files(60), site.agent() as agent:
        path = site.write("app.log", *lines("old", 10))
        agent.settle()
        for number in range(40):
            site.write(f"f{number}.log", f"{number}\n")
        agent.settle()
        assert str(path) not in agent.open_files()
        inode = path.stat().st_ino
        path.unlink()
        new = lines("new", size)
        same_inode(path, inode, new)
        agent.settle()
        assert os.path.lexists(path)
    site.check(lines("old", 10), new, *([f"{number}"] for number in range(40)))
