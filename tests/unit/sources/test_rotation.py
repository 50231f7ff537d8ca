"""Rotation in every form: each line once, from the right generation."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from unit.sources.conftest import append

from logship.ledger.status import status

Start = Callable[..., Any]


def lines(name: str, first: int, last: int) -> str:
    """Return numbered lines."""
    return "".join(f"{name} line {number}\n" for number in range(first, last + 1))


def test_both_files_are_read_while_a_writer_keeps_the_renamed_one(start: Start, logs: Path) -> None:
    """A writer that keeps its descriptor after a rename is followed, and the new file is read from its beginning."""
    agent = start()
    log = logs / "app.log"
    with log.open("a") as writer:
        writer.write("a1\n")
        writer.flush()
        assert agent.poll() == "a1\n"
        log.rename(logs / "app.log.1")
        writer.write("a2\n")
        writer.flush()
        append(log, "b1\n")
        assert sorted(agent.poll().split()) == ["a2", "b1"]
        agent.poll(7200.0)
        writer.write("a3 an hour later\n")
    assert agent.poll(7200.0) == "a3 an hour later\n"
    assert [chunk.file.key for chunk in agent.chunks if chunk.data.startswith(b"a")] == [agent.chunks[0].file.key] * 3


def test_rename_chain_while_lagging(start: Start, logs: Path) -> None:
    """Files that are renamed along a chain before they were read keep their generations."""
    agent = start()
    for number in range(4):
        append(logs / "app.log", f"start {number}\n")
        agent.poll()
        append(logs / "app.log", f"end {number}\n")
        for n in (3, 2, 1):
            if (logs / f"app.log.{n}").exists():
                (logs / f"app.log.{n}").rename(logs / f"app.log.{n + 1}")
        (logs / "app.log").rename(logs / "app.log.1")
    agent.settle()
    by_file: dict[str, bytes] = {}
    for chunk in agent.chunks:
        assert chunk.offset == len(by_file.setdefault(chunk.file.key, b""))
        by_file[chunk.file.key] += chunk.data
    assert list(by_file.values()) == [b"start %d\nend %d\n" % (n, n) for n in range(4)]


def test_renamed_out_of_the_pattern(start: Start, logs: Path) -> None:
    """A file whose new name matches no pattern is followed in its directory, also across a restart."""
    agent = start("app.log")
    append(logs / "app.log", "a1\n")
    agent.poll()
    (logs / "app.log").rename(logs / "old-1")
    append(logs / "old-1", "a2\n")
    append(logs / "app.log", "b1\n")
    assert sorted(agent.poll().split()) == ["a2", "b1"]
    append(logs / "old-1", "a3\n")
    agent.restart()
    (logs / "app.log").rename(logs / "old-2")
    append(logs / "old-2", "b2\n")
    assert sorted(agent.poll().split()) == ["a3", "b2"]
    assert agent.settle() == ""
    assert set(agent.states().values()) == {"open"}


def test_moved_to_another_directory(start: Start, logs: Path) -> None:
    """A file that was moved to another directory is read on, once."""
    agent = start("app.log")
    append(logs / "app.log", "a1\n")
    agent.poll()
    (logs / "archive").mkdir()
    (logs / "app.log").rename(logs / "archive" / "app.log")
    append(logs / "archive" / "app.log", "a2\n")
    assert agent.poll() == "a2\n"
    assert agent.settle() == ""


def test_rotated_while_stopped(start: Start, logs: Path) -> None:
    """After a rotation while stopped, the rest of the old file and the new one are read, and nothing again."""
    agent = start()
    append(logs / "app.log", "a1\n")
    agent.poll()
    agent.stop()
    append(logs / "app.log", "a2\n")
    (logs / "app.log").rename(logs / "app.log.1")
    append(logs / "app.log", "b1\n")
    agent.start()
    assert sorted(agent.poll().split()) == ["a2", "b1"]


def test_overwritten_by_a_rename(start: Start, logs: Path) -> None:
    """A file that another was renamed onto is drained through its descriptor before it ends."""
    agent = start()
    append(logs / "app.log.1", "old1\n")
    append(logs / "app.log", "new1\n")
    agent.poll()
    append(logs / "app.log.1", "old2\n")
    (logs / "app.log").rename(logs / "app.log.1")
    assert agent.poll() == "old2\n"
    agent.settle()
    assert sorted(agent.states().values()) == ["ended", "open"]


def test_deleted_with_unread_bytes(start: Start, logs: Path) -> None:
    """A deleted file is read to its end, its unfinished last line is given when it is quiet, and then it ends."""
    agent = start()
    append(logs / "app.log", "a1\n")
    agent.poll()
    append(logs / "app.log", lines("a", 2, 1000) + "unfinished")
    (logs / "app.log").unlink()
    assert agent.poll() == lines("a", 2, 1000)
    assert agent.states() == {"app.log#1": "open"}
    assert agent.settle() == "unfinished"
    assert agent.states() == {"app.log#1": "ended"}


def test_missing_once_is_not_gone(start: Start, logs: Path) -> None:
    """A file that one scan does not find keeps its generation."""
    agent = start("app.log")
    append(logs / "app.log", "a1\n")
    agent.poll()
    logs.rename(logs.with_name("away"))
    assert agent.poll(1000.0) == ""
    logs.with_name("away").rename(logs)
    append(logs / "app.log", "a2\n")
    assert agent.poll(1000.0) == "a2\n"
    assert agent.states() == {"app.log#1": "open"}


def test_recreated(start: Start, logs: Path) -> None:
    """A file that was deleted and created again is a new generation, read from its beginning."""
    agent = start()
    same = "same beginning " * 100 + "\n"
    for number in range(5):
        append(logs / "app.log", f"{same}content {number}\n")
        assert agent.poll() == f"{same}content {number}\n"
        (logs / "app.log").unlink()
        if number % 2:
            agent.settle()
    agent.settle()
    assert list(agent.states().values()) == ["ended"] * 5


def test_recreated_with_the_same_inode_while_stopped(start: Start, logs: Path) -> None:
    """An inode that is used again while stopped is a new generation."""
    agent = start()
    append(logs / "app.log", "first line\nold\n")
    agent.poll()
    agent.stop()
    with (logs / "app.log").open("r+") as file:  # what a reused inode looks like
        file.truncate()
        file.write("first line\nnew and longer than the old\n")
    agent.start()
    assert agent.poll() == "first line\nnew and longer than the old\n"
    agent.settle()
    assert list(agent.states().values()) == ["ended", "open"]


def test_truncated(start: Start, logs: Path) -> None:
    """A truncated file is read from its beginning, with other ids."""
    agent = start()
    append(logs / "app.log", "a1\na2\n")
    agent.poll()
    os.truncate(logs / "app.log", 0)
    assert agent.poll() == ""
    append(logs / "app.log", "b1\n")
    assert agent.poll() == "b1\n"
    assert len({chunk.file.key for chunk in agent.chunks}) == 2


def test_rewritten_larger_with_the_same_first_line(start: Start, logs: Path) -> None:
    """A file rewritten between two scans, larger and with the same first line, is read from its beginning."""
    agent = start()
    append(logs / "app.log", "same\na2\n")
    agent.poll()
    (logs / "app.log").write_text("same\nb2\nb3\n")
    assert agent.poll() == "same\nb2\nb3\n"
    assert len({chunk.file.key for chunk in agent.chunks}) == 2


def test_truncated_in_the_middle_of_a_line(start: Start, logs: Path) -> None:
    """The part of a line that was seen before a truncation is given as it is."""
    agent = start()
    append(logs / "app.log", "a1\nhalf")
    assert agent.poll() == "a1\n"
    (logs / "app.log").write_text("b1\n")
    agent.poll()
    assert sorted(chunk.data for chunk in agent.chunks) == [b"a1\n", b"b1\n", b"half"]


def test_copy_truncate(start: Start, logs: Path) -> None:
    """What was appended between the last read and the truncation is read from the copy, and nothing else of it."""
    agent = start()
    append(logs / "app.log", lines("a", 1, 200))
    agent.poll()
    append(logs / "app.log", lines("a", 201, 203))
    shutil.copy(logs / "app.log", logs / "app.log.1")
    os.truncate(logs / "app.log", 0)
    append(logs / "app.log", "b1\n")
    assert sorted(agent.poll().splitlines()) == ["a line 201", "a line 202", "a line 203", "b1"]
    assert agent.settle() == ""
    assert [chunk.offset for chunk in agent.chunks if b"201" in chunk.data and chunk.offset] == [
        len(lines("a", 1, 200))
    ]
    agent.restart()
    assert agent.settle() == ""


def test_copy_truncate_seen_halfway(start: Start, logs: Path) -> None:
    """A copy that is seen before the original is truncated is not read as a file of its own."""
    agent = start()
    append(logs / "app.log", lines("a", 1, 200))
    agent.poll()
    append(logs / "app.log.1", lines("a", 1, 50))
    assert agent.poll() == ""
    append(logs / "app.log.1", lines("a", 51, 200))
    append(logs / "app.log", "late\n")
    assert agent.poll() == "late\n"
    os.truncate(logs / "app.log", 0)
    assert agent.poll() == ""
    append(logs / "app.log", "b1\n")
    assert agent.poll() == "b1\n"
    agent.restart()
    assert agent.settle() == ""
    append(logs / "app.log.1", "written to the copy\n")
    assert agent.poll() == "written to the copy\n"


def test_copy_truncate_while_stopped(start: Start, logs: Path) -> None:
    """After copy-truncate while stopped, the rest is read from the copy, from the ledger's knowledge alone."""
    agent = start()
    append(logs / "app.log", lines("a", 1, 200))
    agent.poll()
    agent.stop()
    for round_ in ("b", "c"):
        append(logs / "app.log", f"last before {round_}\n")
        if (logs / "app.log.1").exists():
            (logs / "app.log.1").rename(logs / "app.log.2")
        shutil.copy(logs / "app.log", logs / "app.log.1")
        os.truncate(logs / "app.log", 0)
        append(logs / "app.log", f"{round_}1\n")
    agent.start()
    assert sorted(agent.poll().splitlines()) == ["b1", "c1", "last before b", "last before c"]
    assert agent.settle() == ""


def test_copy_truncate_outside_the_pattern(start: Start, logs: Path) -> None:
    """The copy is found beside the file when no pattern matches it."""
    agent = start("app.log")
    append(logs / "app.log", "a1\n")
    agent.poll()
    append(logs / "app.log", "a2\n")
    shutil.copy(logs / "app.log", logs / "app.log-20260101")
    (logs / "app.log").write_text("b1 and more than there was\n")
    assert sorted(agent.poll().splitlines()) == ["a2", "b1 and more than there was"]


def test_copy_of_a_deleted_file(start: Start, logs: Path) -> None:
    """A copy of a file that was deleted afterwards is not read again."""
    agent = start()
    append(logs / "app.log", lines("a", 1, 10))
    agent.poll()
    shutil.copy(logs / "app.log", logs / "app.log.1")
    agent.poll()
    (logs / "app.log").unlink()
    assert agent.settle() == ""
    agent.restart()
    assert agent.settle() == ""


def test_a_copy_that_goes_its_own_way(start: Start, logs: Path) -> None:
    """A file that began like another is read from its beginning as soon as it differs."""
    agent = start()
    append(logs / "app.log", "banner\na\n")
    agent.poll()
    append(logs / "app.log.err", "banner\n")
    assert agent.poll() == ""
    append(logs / "app.log.err", "error\n")
    assert agent.poll() == "banner\nerror\n"


def test_same_first_kibibyte(start: Start, logs: Path) -> None:
    """Two files that begin alike are both read from the beginning."""
    agent = start()
    banner = "=" * 1023 + "\n"
    append(logs / "a.log", banner)
    append(logs / "b.log", banner)
    assert agent.poll() == banner * 2
    append(logs / "a.log", "a\n")
    append(logs / "b.log", "b\n")
    assert sorted(agent.poll().split()) == ["a", "b"]


def test_written_anew_by_an_editor(start: Start, logs: Path) -> None:
    """A file that an editor replaced by one with the same content is not read again."""
    agent = start()
    append(logs / "app.log", lines("a", 1, 200))
    agent.poll()
    (logs / "new").write_text(lines("a", 1, 200) + "added\n")
    (logs / "new").rename(logs / "app.log")
    assert agent.poll() == "added\n"


def test_another_device_number(start: Start, logs: Path) -> None:
    """After a reboot that renumbers devices, files are known by path and content."""
    agent = start()
    append(logs / "app.log", "a1\n")
    agent.poll()
    agent.ledger.moved(1, path=logs / "app.log", device=12345, inode=(logs / "app.log").stat().st_ino)
    agent.restart()
    append(logs / "app.log", "a2\n")
    assert agent.poll() == "a2\n"
    assert agent.states() == {"app.log#1": "open"}


def test_directory_that_is_not_mounted(start: Start, logs: Path) -> None:
    """A file on a device that is not there is not given up."""
    agent = start()
    append(logs / "app.log", "a1\n")
    agent.poll()
    inode = (logs / "app.log").stat().st_ino
    (logs / "app.log").rename(logs.parent / "away")
    agent.ledger.moved(1, path=logs / "app.log", device=12345, inode=inode)
    agent.restart()
    agent.settle()
    (logs.parent / "away").rename(logs / "app.log")
    append(logs / "app.log", "a2\n")
    assert agent.poll() == "a2\n"


def test_gone_while_stopped(start: Start, logs: Path) -> None:
    """A file that was deleted while stopped ends."""
    agent = start()
    append(logs / "app.log", "a1\n")
    agent.poll()
    agent.stop()
    (logs / "app.log").unlink()
    agent.start()
    agent.settle()
    assert agent.states() == {"app.log#1": "ended"}


def test_unaccounted_bytes_keep_a_generation_open(start: Start, logs: Path) -> None:
    """A generation that was given whole ends only when its last byte is accounted for."""
    agent = start()
    append(logs / "app.log", "a1\n")
    agent.tailer.scan(1.0)
    chunks = agent.tailer.read()
    (logs / "app.log").unlink()
    for now in (100.0, 200.0, 300.0):
        agent.tailer.scan(now)
        agent.tailer.read()
    assert agent.states() == {"app.log#1": "open"}
    agent.commit(chunks)
    assert agent.states() == {"app.log#1": "ended"}


def test_the_books_close_after_copies(start: Start, logs: Path) -> None:
    """Copies that were not read, or read in part, leave the accounts of every file in order."""
    agent = start()
    append(logs / "app.log", lines("a", 1, 50))
    agent.poll()
    shutil.copy(logs / "app.log", logs / "app.log.1")
    agent.poll()
    append(logs / "app.log", lines("a", 51, 60))
    agent.poll()
    os.truncate(logs / "app.log", 0)
    agent.poll()
    append(logs / "app.log.1", "to the copy\n")
    assert agent.poll() == "to the copy\n"
    assert agent.chunks[-1].offset == 0
    agent.restart()
    assert agent.settle() == ""
    books = status(agent.state)
    assert (books.problems, [file.lag_bytes for file in books.files]) == ([], [0, 0])


def test_two_thousand_new_files_are_not_compared_with_each_other(start: Start, logs: Path) -> None:
    """A file is compared only with those that its name continues."""
    agent = start()
    for number in range(2000):
        append(logs / f"{number}.log", "same\n")
    assert agent.poll() == "same\n" * 2000


def test_a_copy_on_the_inode_of_a_file_that_was_deleted_is_known_as_a_copy(start: Start, logs: Path) -> None:
    """While stopped, a file is copied and truncated, and its copy has the inode of one that was deleted before."""
    agent = start("app.log")
    log, freed = logs / "app.log", logs.parent / "freed"
    append(log, lines("a", 1, 3))
    agent.poll()
    log.rename(freed)
    append(log, lines("b", 1, 2))
    assert agent.poll() == lines("b", 1, 2)
    agent.stop()
    freed.write_bytes(log.read_bytes())
    freed.rename(logs / "app.log.1")
    log.write_text(lines("c", 1, 1))
    agent.start()
    assert agent.poll() + agent.settle() == lines("c", 1, 1)


def test_a_compressed_file_on_the_inode_of_one_that_was_read_is_not_read_as_text(start: Start, logs: Path) -> None:
    """Only what is in a compressed rotation is read, whatever the ledger knows of its inode."""
    agent = start()
    first = logs / "app.log.1"
    append(first, lines("a", 1, 3))
    assert agent.poll() == lines("a", 1, 3)
    agent.stop()
    more = "".join(f"{sha256(b'%d' % number).hexdigest()}\n" for number in range(100))
    zipped = gzip.compress(more.encode())
    assert b"\n" in zipped
    first.write_bytes(zipped)
    first.rename(logs / "app.log.2.gz")
    agent.start()
    assert agent.poll() + agent.settle() == more
    assert set(agent.states().values()) == {"ended"}
