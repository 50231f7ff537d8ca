"""Which files are read, and what a line of them is."""

from __future__ import annotations

import os
import socket
import time

from conformance.peers.cases import Generations, case
from conformance.peers.drivers import Plan
from conformance.peers.trial import Trial, lines


@case(1)
def new_file(trial: Trial) -> Generations:
    """A file that is created after the start is read from its first byte."""
    trial.start()
    trial.write("app.log", *lines("new", 2))
    return [lines("new", 2)]


@case(2)
def from_the_end(trial: Trial) -> Generations:
    """Told to begin at the end, only what is appended is delivered."""
    trial.write("app.log", *lines("old", 2))
    trial.start(Plan(patterns=("app.log",), at_end=True))
    trial.write("app.log", *lines("new", 1))
    return [lines("new", 1)]


@case(3)
def from_the_beginning(trial: Trial) -> Generations:
    """Told to begin at the beginning, old and new lines are delivered."""
    trial.write("app.log", *lines("old", 2))
    trial.start()
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 2) + lines("new", 2)]


@case(4)
def two_patterns(trial: Trial) -> Generations:
    """A file that two patterns match is delivered once."""
    trial.write("app.log", *lines("old", 2))
    trial.start(Plan(patterns=("*.log", "app*")))
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 2) + lines("new", 2)]


@case(5)
def excluded(trial: Trial) -> Generations:
    """A file that is excluded is not read, though a pattern matches it."""
    trial.start(Plan(exclude="noise*"))
    trial.write("noise.log", *lines("noise", 2))
    trial.write("app.log", *lines("new", 2))
    return [lines("new", 2)]


@case(6)
def unreadable(trial: Trial) -> Generations:
    """A file that may not be read is delivered once it may."""
    trial.write("app.log", *lines("old", 3)).chmod(0)
    trial.start(Plan(unprivileged=True), ready=4)
    (trial.logs / "app.log").chmod(0o644)
    return [lines("old", 3)]


@case(7)
def one_is_missing(trial: Trial) -> Generations:
    """One of two named files is missing: the other is delivered, and the missing one when it comes."""
    trial.write("there.log", *lines("there", 2))
    trial.start(Plan(patterns=("there.log", "missing.log")))
    trial.write("missing.log", *lines("late", 2))
    return [lines("there", 2), lines("late", 2)]


@case(10)
def odd_names(trial: Trial) -> Generations:
    """File names with spaces, an emoji, a newline, invalid UTF-8, and of 255 bytes are read."""
    names = ["with a space.log", "🙂.log", "new\nline.log", "x" * 251 + ".log"]
    trial.start()
    for number, name in enumerate(names):
        trial.write(name, *lines(f"file {number}", 2))
    trial.write(os.fsdecode(b"\xff\xfe.log"), *lines("invalid", 2))
    return [*(lines(f"file {number}", 2) for number in range(4)), lines("invalid", 2)]


@case(11)
def not_files(trial: Trial) -> Generations:
    """A directory, a FIFO, a socket and a link to /dev/zero match the pattern: the file beside them is delivered."""
    (trial.logs / "directory.log").mkdir()
    os.mkfifo(trial.logs / "fifo.log")
    (trial.logs / "zero.log").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(trial.logs)  # a socket's path may be 107 bytes long
        listening.bind("socket.log")
        os.chdir("/")
        trial.write("app.log", *lines("old", 2))
        trial.start()
        trial.write("app.log", *lines("new", 2))
        trial.wait(4)
    return [lines("old", 2) + lines("new", 2)]


@case(12)
def link_moves(trial: Trial) -> Generations:
    """A symbolic link is pointed to another file while the first is still written: nothing of either is lost."""
    aside = trial.folder / "aside"
    aside.mkdir()
    (aside / "a").write_text("".join(lines("a", 2)))
    (trial.logs / "app.log").symlink_to(aside / "a")
    trial.start()
    (aside / "b").write_text("".join(lines("b", 2)))
    (trial.logs / "next").symlink_to(aside / "b")
    (trial.logs / "next").rename(trial.logs / "app.log")
    with (aside / "a").open("a") as file:
        file.writelines(lines("a", 2, start=2))
    time.sleep(2)
    with (aside / "b").open("a") as file:
        file.writelines(lines("b", 2, start=2))
    return [lines("a", 4), lines("b", 4)]


@case(14)
def link_and_target(trial: Trial) -> Generations:
    """A link and the file that it points to both match: each line once."""
    trial.write("app.log", *lines("old", 2))
    (trial.logs / "current.log").symlink_to(trial.logs / "app.log")
    trial.start()
    trial.write("app.log", *lines("new", 2))
    return [lines("old", 2) + lines("new", 2)]


@case(15)
def few_descriptors(trial: Trial) -> Generations:
    """Two hundred files, and a hundred descriptors: each line once."""
    for number in range(200):
        trial.write(f"{number}.log", *lines(f"file {number}", 2))
    trial.start(Plan(open_files=100), ready=4)
    return [lines(f"file {number}", 2) for number in range(200)]


# lines


@case(16)
def unfinished_at_the_stop(trial: Trial) -> Generations:
    """An unfinished line at the stop and its rest after the restart are one event."""
    trial.write("app.log", "partial")
    trial.start()
    trial.stop()
    trial.write("app.log", " line\n")
    trial.start()
    return [["partial line"]]


@case(17)
def two_writes(trial: Trial) -> Generations:
    """The halves of a line, two seconds apart, are one event."""
    trial.start()
    trial.write("app.log", "first ")
    time.sleep(2)
    trial.write("app.log", "second\n")
    return [["first second"]]


@case(18)
def empty_lines(trial: Trial) -> Generations:
    """Empty lines are passed over or delivered, and not read again after a restart."""
    trial.write("app.log", "\n\none\n\n\n\ntwo\n\n")
    trial.start()
    trial.wait(2)
    trial.stop()
    trial.start()
    trial.write("app.log", "three\n")
    trial.wait(3)
    empty = sum(not text for text in trial.delivered())
    return [["one", "two", "three", *([""] * (6 if empty else 0))]]


@case(19)
def carriage_return(trial: Trial) -> Generations:
    r"""CRLF whose \r and \n lie on the two sides of a buffer's edge end clean events."""
    trial.write("app.log", "x" * 8191 + "\r\n" + "y" * 56 + "\r\nlast\r\n")
    trial.start()
    return [["x" * 8191, "y" * 56, "last"]]


@case(21)
def long_lines(trial: Trial) -> Generations:
    """Lines of 64 KiB and of a million bytes are whole, and the short one after them is there."""
    texts = ["a" * 65536, "b" * 1_000_000, "short"]
    trial.write("app.log", *(text + "\n" for text in texts))
    trial.start()
    return [texts]


@case(25)
def nul_bytes(trial: Trial) -> Generations:
    """A run of NUL bytes between two lines, as a crash leaves it, does not spoil the lines around it."""
    trial.write("app.log", "before\n", b"\0" * 100_000, "\nafter\n")
    trial.start()
    trial.wait(2)
    odd = [text for text in trial.delivered() if text not in {"before", "after"} and not text.strip("\0")]
    return [["before", "after", *odd]]


@case(26)
def leading_blanks(trial: Trial) -> Generations:
    """Leading tabs and spaces are kept."""
    texts = ["\ttab", "    four", "none"]
    # in one file an indented line may be taken for more of the line before
    for number, text in enumerate(texts):
        trial.write(f"{number}.log", text + "\n")
    trial.start()
    return [[text] for text in texts]


@case(27)
def buffer_lengths(trial: Trial) -> Generations:
    """Lines of 4,097 and 16,385 bytes are whole."""
    texts = ["a" * 4097, "b" * 16385, "c" * 4096, "d" * 16384]
    trial.write("app.log", *(text + "\n" for text in texts))
    trial.start()
    return [texts]
