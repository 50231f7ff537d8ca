"""Rotation by renaming, and truncation."""

from __future__ import annotations

import os
import shutil
import time

from conformance.peers.cases import Generations, case
from conformance.peers.drivers import Plan
from conformance.peers.trial import Trial, lines


@case(28)
def old_descriptor(trial: Trial) -> Generations:
    """The writer goes on in the renamed file while a new one is written: all lines of both, each once."""
    trial.start()
    with (trial.logs / "app.log").open("a", buffering=1) as writer:
        writer.writelines(lines("old", 3))
        time.sleep(1.5)
        (trial.logs / "app.log").rename(trial.logs / "app.log.1")
        writer.writelines(lines("old", 3, start=3))
        trial.write("app.log", *lines("new", 3))
        time.sleep(1.5)
        writer.writelines(lines("old", 3, start=6))
        trial.write("app.log", *lines("new", 3, start=3))
    return [lines("old", 9), lines("new", 6)]


@case(29)
def late_writer(trial: Trial) -> Generations:
    """Twenty seconds after the rename the old file, which no pattern matches now, gets a line: it is delivered."""
    trial.start(Plan(patterns=("app.log",)))
    with (trial.logs / "app.log").open("a", buffering=1) as writer:
        writer.writelines(lines("old", 2))
        time.sleep(1.5)
        (trial.logs / "app.log").rename(trial.logs / "app.1")
        trial.write("app.log", *lines("new", 2))
        time.sleep(20)
        writer.writelines(lines("old", 1, start=2))
    return [lines("old", 3), lines("new", 2)]


@case(30)
def chain(trial: Trial) -> Generations:
    """Files become .1, .2 and .3 with unread lines in each: each line once."""
    trial.start()
    for number in range(4):
        trial.write("app.log", *lines(f"file {number}", 200))
        time.sleep(0.7)
        trial.write("app.log", *lines(f"file {number}", 200, start=200))
        if number < 3:
            for old in range(number, 0, -1):
                (trial.logs / f"app.log.{old}").rename(trial.logs / f"app.log.{old + 1}")
            (trial.logs / "app.log").rename(trial.logs / "app.log.1")
    return [lines(f"file {number}", 400) for number in range(4)]


@case(31)
def rapid(trial: Trial) -> Generations:
    """Three files of three lines are rotated within 50 ms: nine of nine lines."""
    trial.start()
    for number in range(3):
        trial.write("app.log", *lines(f"file {number}", 3))
        if number < 2:
            for old in range(number, 0, -1):
                (trial.logs / f"app.log.{old}").rename(trial.logs / f"app.log.{old + 1}")
            (trial.logs / "app.log").rename(trial.logs / "app.log.1")
    return [lines(f"file {number}", 3) for number in range(3)]


@case(32)
def new_file_is_late(trial: Trial) -> Generations:
    """The file is renamed, and the new one created five seconds later: both are followed."""
    trial.start()
    trial.write("app.log", *lines("old", 2))
    time.sleep(1)
    (trial.logs / "app.log").rename(trial.logs / "app.log.1")
    time.sleep(5)
    trial.write("app.log.1", *lines("old", 2, start=2))
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 4), lines("new", 2)]


@case(33)
def out_of_the_pattern(trial: Trial) -> Generations:
    """The rotated name matches no pattern, and lines come just before and after the rename: all are delivered."""
    trial.start(Plan(patterns=("app.log",)))
    trial.write("app.log", *lines("old", 2))
    time.sleep(1.5)
    trial.write("app.log", *lines("old", 2, start=2))
    (trial.logs / "app.log").rename(trial.logs / "app.old")
    trial.write("app.old", *lines("old", 2, start=4))
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 6), lines("new", 2)]


@case(35)
def rotated_while_stopped(trial: Trial) -> Generations:
    """The file is rotated while the shipper is away: the rest of the old one and the new one, nothing again."""
    trial.write("app.log", *lines("old", 100))
    trial.start()
    trial.wait(100)
    trial.stop()
    trial.write("app.log", *lines("old", 50, start=100))
    (trial.logs / "app.log").rename(trial.logs / "app.log.1")
    trial.write("app.log", *lines("new", 50))
    trial.start()
    return [lines("old", 150), lines("new", 50)]


@case(38)
def renamed_over(trial: Trial) -> Generations:
    """A file with unread lines is renamed over: they are read through the open descriptor."""
    trial.start()
    trial.write("app.log.1", *lines("first", 2))
    time.sleep(1.5)
    trial.write("app.log", *lines("second", 2))
    trial.write("app.log.1", *lines("first", 5000, start=2))
    (trial.logs / "app.log").rename(trial.logs / "app.log.1")
    return [lines("first", 5002), lines("second", 2)]


# truncation


@case(40)
def truncated(trial: Trial) -> Generations:
    """The file is truncated and written again a second later: the new lines are read from byte 0."""
    trial.start()
    path = trial.write("app.log", *lines("old", 5))
    time.sleep(1.5)
    path.write_text("")
    time.sleep(1.5)
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 5), lines("new", 2)]


@case(41)
def truncated_and_longer(trial: Trial) -> Generations:
    """Truncated and written longer than before at once, with another first line: all new lines."""
    trial.start()
    path = trial.write("app.log", *lines("old", 5))
    time.sleep(1.5)
    path.write_text("".join(lines("new", 20)))
    return [lines("old", 5), lines("new", 20)]


@case(42)
def truncated_same_first_line(trial: Trial) -> Generations:
    """As before, but with the same first line: all new lines."""
    trial.start()
    path = trial.write("app.log", "header\n", *lines("old", 5))
    time.sleep(1.5)
    path.write_text("".join(["header\n", *lines("new", 20)]))
    return [["header\n", *lines("old", 5)], ["header\n", *lines("new", 20)]]


@case(43)
def only_in_the_copy(trial: Trial) -> Generations:
    """Copy and truncate: lines that were appended before the truncation are in the copy, which matches: each once."""
    trial.start()
    path = trial.write("app.log", *lines("old", 300))
    time.sleep(1.5)
    trial.write("app.log", *lines("old", 300, start=300))
    shutil.copyfile(path, trial.logs / "app.log.1")
    path.write_text("")
    time.sleep(1.5)
    trial.write("app.log", *lines("new", 3))
    return [lines("old", 600), lines("new", 3)]


@case(44)
def sparse_head(trial: Trial) -> Generations:
    """A writer without O_APPEND goes on at its offset after the truncation: the line after the hole is delivered."""
    trial.start()
    with (trial.logs / "app.log").open("wb", buffering=0) as writer:
        writer.write("".join(lines("old", 50)).encode())
        time.sleep(1.5)
        os.truncate(trial.logs / "app.log", 0)
        time.sleep(1)
        writer.write(b"after the hole\nand one more\n")
        trial.wait(52)
    return [lines("old", 50), ["after the hole", "and one more"]]


@case(45)
def copied_while_stopped(trial: Trial) -> Generations:
    """Copy and truncate while the shipper is away: only what is new."""
    path = trial.write("app.log", *lines("old", 50))
    trial.start()
    trial.wait(50)
    trial.stop()
    shutil.copyfile(path, trial.logs / "app.log.1")
    path.write_text("".join(lines("new", 60)))
    trial.start()
    return [lines("old", 50), lines("new", 60)]


@case(48)
def edited_in_place(trial: Trial) -> Generations:
    """An editor saves the file: a new inode with the same content, which is not sent again."""
    trial.start()
    path = trial.write("app.log", *lines("old", 300))
    time.sleep(1.5)
    shutil.copyfile(path, trial.folder / "saved")
    (trial.folder / "saved").rename(path)
    time.sleep(1.5)
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 300) + lines("new", 2)]


@case(49)
def last_line_removed(trial: Trial) -> Generations:
    """The last line is removed from the end and others appended: the file is not sent again as a whole."""
    trial.start()
    path = trial.write("app.log", *lines("old", 50))
    time.sleep(1.5)
    os.truncate(path, path.stat().st_size - len("old 49\n"))
    time.sleep(1.5)
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 50) + lines("new", 2)]
