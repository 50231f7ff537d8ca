"""CRI lines: stamp, stream and tags come off, parts are joined, what is none stays whole."""

import math

import pytest

from logship.lines.envelope import unwrap
from logship.lines.join import Joiner
from logship.model import Chunk, FileRef, Source
from logship.sources.discovery import detect_envelope

STAMP = "2025-11-20T08:00:07.412345678Z"


def lines_of(text: str):
    """Return the lines of a CRI file."""
    data = text.encode()
    return unwrap(Chunk(FileRef(1, "k", "/x", Source("api", "cri")), 0, data, len(data)))


def test_stamp_stream_and_tags_come_off():
    """The text is what follows the tags, empty ones included; offsets are those on disk."""
    lines = lines_of(f"{STAMP} stdout F a b\n{STAMP} stderr F \n{STAMP} stdout F:x:y  c\r\n{STAMP} stdout F\n")
    assert ["a b", "", " c", ""] == lines.texts
    assert ["stdout", "stderr", "stdout", "stdout"] == lines.streams
    assert [STAMP] * 4 == lines.times
    assert lines.ends[:-1] == lines.offsets[1:]
    assert {} == lines.extra


def test_offsets_of_zones_become_utc():
    """CRI-O writes local time with an offset."""
    assert ["2025-11-20T00:00:07.4Z"] == lines_of("2025-11-20T08:00:07.4+08:00 stdout F a\n").times


def test_parts_are_joined_by_stream():
    """P goes on in the next line of the same stream."""
    text = f"{STAMP} stdout P a\n{STAMP} stderr F x\n{STAMP} stdout P b\n{STAMP} stdout F c\n"
    joiner = Joiner(None)
    lines = lines_of(text)
    events = joiner.feed(lines, 0)
    assert ["abc", "x"] == sorted(events.texts + joiner.flush(math.inf).texts)


@pytest.mark.parametrize("line", ["broken", f"{STAMP} stdout X a", f"{STAMP} out F a", f"{STAMP}", '{"log":"x"}'])
def test_what_is_no_cri_line_stays_and_says_so(line):
    """The raw text is kept, with the reason beside it."""
    lines = lines_of(f"{STAMP} stdout F good\n{line}\n")
    assert ["good", line] == lines.texts
    assert "envelope" == lines.extra[1]["error.type"]


def test_the_envelope_is_seen_in_a_files_first_bytes(tmp_path):
    """A file of CRI lines is told from a plain one; one too short to tell is looked at again."""
    cases = {
        f"{STAMP} stdout F a\n": "cri",
        "2025-11-20T08:00:07+08:00 stderr P:x a": "cri",
        f"{STAMP} stdout": None,
        "2025-11-20T08:": None,
        f"{STAMP} INFO hello\n": "plain",
        "2025-11-20 08:00:07 INFO": "plain",
    }
    for text, expected in cases.items():
        path = tmp_path / "x.log"
        path.write_text(text)
        assert expected == detect_envelope(str(path)), text
