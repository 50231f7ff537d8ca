"""Deletion, identity, kills and restarts, events of several lines, and many files."""

from __future__ import annotations

import os
import time

from conformance.harness import same_inode
from conformance.peers.cases import Generations, case
from conformance.peers.drivers import Plan
from conformance.peers.trial import Trial, lines


@case(50)
def deleted_unread(trial: Trial) -> Generations:
    """Ten megabytes are written and the file deleted at once: all are read through the open descriptor."""
    trial.start()
    trial.write("app.log", *lines("old", 2))
    time.sleep(1.5)
    written = [f"{number:07d} {'x' * 92}\n" for number in range(100_000)]
    trial.write("app.log", *written).unlink()
    return [lines("old", 2) + written]


@case(51)
def same_inode_again(trial: Trial) -> Generations:
    """Deleted and created again with the same inode while the shipper is away: the new content from byte 0."""
    path = trial.write("app.log", *lines("old", 20))
    trial.start()
    trial.wait(20)
    trial.stop()
    inode = path.stat().st_ino
    path.unlink()
    same_inode(path, inode, lines("new", 40))
    trial.start()
    return [lines("old", 20), lines("new", 40)]


@case(52)
def same_beginning_again(trial: Trial) -> Generations:
    """Deleted and created again with the same first KiB: the lines of both."""
    head = lines("the same text at the beginning of both files", 40)
    trial.start()
    path = trial.write("app.log", *head, *lines("old", 5))
    time.sleep(1.5)
    path.unlink()
    time.sleep(1.5)
    trial.write("app.log", *head, *lines("new", 5))
    return [head + lines("old", 5), head + lines("new", 5)]


@case(56)
def three_bytes(trial: Trial) -> Generations:
    """A file of three bytes is delivered as soon as its line is complete."""
    trial.start()
    trial.write("app.log", "abc")
    time.sleep(1.5)
    trial.write("app.log", "\n")
    return [["abc"]]


@case(57)
def same_head(trial: Trial) -> Generations:
    """Two files with the same first KiB grow apart: both are delivered from the start."""
    head = lines("the same text at the beginning of both files", 40)
    trial.write("a.log", *head)
    trial.write("b.log", *head)
    trial.start()
    trial.write("a.log", *lines("a", 5))
    trial.write("b.log", *lines("b", 5))
    return [head + lines("a", 5), head + lines("b", 5)]


@case(59)
def hard_links(trial: Trial) -> Generations:
    """Two hard links of one file: each line once."""
    trial.write("a.log", *lines("old", 5))
    os.link(trial.logs / "a.log", trial.logs / "b.log")
    trial.start()
    trial.write("a.log", *lines("new", 5))
    return [lines("old", 5) + lines("new", 5)]


# crashes


@case(63)
def killed_while_reading(trial: Trial) -> Generations:
    """Killed five times while a file is written, the shipper delivers each line once."""
    written: list[str] = []
    for round_ in range(5):
        trial.start(ready=0.8)
        for number in range(40):
            more = lines(f"round {round_} part {number}", 50)
            trial.write("app.log", *more)
            written += more
            time.sleep(0.01)
        trial.kill()
    trial.start()
    return [written]


@case(66)
def stopped_during_load(trial: Trial) -> Generations:
    """Stopped in order in the middle of 4,000 lines and started again: 4,000 lines."""
    trial.start()
    trial.write("app.log", *lines("line", 2000))
    trial.stop()
    trial.write("app.log", *lines("line", 2000, start=2000))
    trial.start()
    return [lines("line", 4000)]


# several lines

_HEAD = "2025-11-20 08:00:0{} ERROR [T] [a.py:1]  - "


@case(68)
def half_an_event_at_the_stop(trial: Trial) -> Generations:
    """Half of a traceback is read at the stop: after the restart it is one event, once."""
    trial.write("app.log", _HEAD.format(1) + "boom\nTraceback (most recent call last):\n")
    trial.start(Plan(multiline=True), ready=1.5)
    trial.stop()
    trial.write("app.log", '  File "a", line 1\nValueError: boom\n', _HEAD.format(2) + "next\n")
    trial.start()
    whole = _HEAD.format(1) + 'boom\nTraceback (most recent call last):\n  File "a", line 1\nValueError: boom'
    return [[whole, _HEAD.format(2) + "next"]]


@case(97)
def last_event(trial: Trial) -> Generations:
    """The last event of a file is delivered without another that follows it."""
    whole = _HEAD.format(1) + 'boom\nTraceback (most recent call last):\n  File "a", line 1\nValueError: boom'
    trial.start(Plan(multiline=True))
    trial.write("app.log", whole + "\n")
    return [[whole]]


@case(99)
def blank_lines_inside(trial: Trial) -> Generations:
    """Empty lines inside an event stay in it."""
    whole = _HEAD.format(1) + 'boom\nTraceback (most recent call last):\n  File "a", line 1\n\nValueError: boom'
    trial.start(Plan(multiline=True))
    trial.write("app.log", whole + "\n", _HEAD.format(2) + "next\n")
    return [[whole, _HEAD.format(2) + "next"]]


@case(101)
def two_files_at_once(trial: Trial) -> Generations:
    """Tracebacks of two files are written by turns: never mixed."""
    names = ("a", "b")
    parts = ["boom of {}\n", "Traceback (most recent call last):\n", '  File "{}", line 1\n', "ValueError: {}\n"]
    trial.start(Plan(multiline=True))
    for number, part in enumerate(parts):
        for name in names:
            trial.write(f"{name}.log", (_HEAD.format(1) if not number else "") + part.format(name))
        time.sleep(0.1)
    return [[_HEAD.format(1) + "".join(parts).format(name, name, name).rstrip()] for name in names]


# resources


@case(72)
def two_of_one_state(trial: Trial) -> Generations:
    """A second shipper on the same state does not make anything come twice."""
    trial.start()
    second = trial.second()
    try:
        second.start(ready=2)
        trial.write("app.log", *lines("line", 50))
        trial.wait(50)
    finally:
        second.close()
    return [lines("line", 50)]


@case(118)
def many_files(trial: Trial) -> Generations:
    """Fifty-one files get 1,000 lines each within a second: all are delivered."""
    trial.start()
    for number in range(51):
        trial.write(f"{number}.log", *lines(f"file {number}", 1000))
    return [lines(f"file {number}", 1000) for number in range(51)]
