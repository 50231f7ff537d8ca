"""Envelopes come off, parts and multi-line events are joined, and no byte is unaccounted for."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logship.lines.envelope import unwrap
from logship.lines.join import Joiner, compile_starts, together
from logship.model import Chunk, Events, FileRef, Source

STARTS = compile_starts([r"\d\d:\d\d "])


def chunk(data: bytes, envelope: str = "plain", offset: int = 0, **more) -> Chunk:
    """Make a chunk of one file."""
    return Chunk(FileRef(1, "k", "/f", Source("api", envelope)), offset, data, more.pop("span", len(data)), **more)


def record(log: str, stream: str = "stdout", time: str = "2025-11-20T08:00:00Z", **more) -> bytes:
    """Make a record of Docker's json-file."""
    return orjson.dumps({"log": log, "stream": stream, **more, "time": time}) + b"\n"


def join(data: bytes, envelope: str = "docker", starts=STARTS, **limits) -> Events:
    """Give all events of some bytes."""
    joiner = Joiner(starts, **limits)
    events = joiner.feed(unwrap(chunk(data, envelope)), 0)
    rest = joiner.flush(math.inf)
    names = ("offsets", "sizes", "texts", "times", "streams")
    return Events(*(getattr(events, name) + getattr(rest, name) for name in names),
                  events.extra | {len(events.texts) + row: extra for row, extra in rest.extra.items()},
                  events.lines + rest.lines, events.skipped + rest.skipped)  # fmt: skip


def test_offsets_say_where_the_bytes_were():
    """Each line's offset and end are those of its bytes on disk, wide characters included."""
    data = "é\n超时\n\nx\n".encode()
    lines = unwrap(chunk(data, offset=100))
    assert ["é", "超时", "", "x"] == lines.texts
    assert [100, 103, 110, 111] == lines.offsets
    assert [103, 110, 111, 113] == lines.ends


def test_invalid_utf8_is_replaced_and_its_neighbours_are_not_harmed():
    """A line that is not UTF-8 keeps what can be read of it."""
    assert ["a", "b�c", "d"] == unwrap(chunk(b"a\nb\xffc\nd\n")).texts


def test_nul_runs_are_no_part_of_a_line():
    """The hole that a truncation leaves is skipped, and the line after it is whole."""
    lines = unwrap(chunk(b"\0\0\0\0hello\nnext\n"))
    assert ["hello", "next"] == lines.texts
    assert [0, 10] == lines.offsets


def test_windows_line_ends_and_a_byte_order_mark_come_off():
    """CRLF ends and a BOM at the file's start are no text."""
    assert ["a", "b"] == unwrap(chunk(b"\xef\xbb\xbfa\r\nb\r\n")).texts


def test_a_cut_line_says_how_long_it_was():
    """A line over the limit carries its length on disk, and its end is where the next line begins."""
    lines = unwrap(chunk(b"x" * 10, span=1000, original_length=999))
    assert [1000] == lines.ends
    assert {"log.flags": ["truncated"], "log.original_length": 999} == lines.extra[0]


def test_docker_records_are_unwrapped():
    """Text, stream and time come from the record."""
    lines = unwrap(chunk(record("a\n") + record("b\n", "stderr"), "docker"))
    assert (["a", "b"], ["stdout", "stderr"], []) == (lines.texts, lines.streams, lines.partial)


@pytest.mark.parametrize(
    "broken",
    [
        b"garbage\n",
        b'{"log":"half\n',
        b"[1,2]\n",
        b'{"log":1,"stream":"stdout","time":"t"}\n',
        b'{"stream":"stdout"}\n',
        b'{"log":"a\\n","stream":"stdout","time":""},{"log":"b\\n","stream":"stdout","time":""}\n',
    ],
)
def test_a_broken_record_keeps_its_text_and_says_why(broken):
    """What is not a Docker record becomes a line of its own, marked, and its neighbours are not shifted."""
    data = record("00:00 before\n") + broken + record("00:01 after\n")
    lines = unwrap(chunk(data, "docker"))
    assert ["00:00 before", broken.decode().strip(), "00:01 after"] == lines.texts
    assert "envelope" == lines.extra[1]["error.type"]


def test_lone_surrogates_do_not_stop_a_record():
    """A record that only Python's decoder takes is kept."""
    lines = unwrap(chunk(b'{"log":"a\\ud800b\\n","stream":"stdout","time":"t"}\n', "docker"))
    assert ["a?b"] == lines.texts


def test_attributes_of_a_record_become_labels():
    """What the log driver adds is kept."""
    lines = unwrap(chunk(record("a\n", attrs={"tag": "x"}), "docker"))
    assert {0: {"container.labels": {"tag": "x"}}} == lines.extra


def test_parts_are_joined_by_stream_with_whole_lines_between():
    """A long stdout line and the stderr lines between its parts stay apart."""
    data = record("00:00 lo") + record("00:01 err\n", "stderr") + record("ng ") + record("line\n")
    events = join(data)
    assert [("stdout", "00:00 long line"), ("stderr", "00:01 err")] == list(
        zip(events.streams, events.texts, strict=True)
    )
    assert len(data) == sum(events.sizes)


def test_parts_over_the_limit_are_cut_and_marked():
    """A joined line over the limit keeps its beginning and its length."""
    events = join(record("00:00 " + "x" * 50) + record("y" * 50 + "\n"), max_bytes=60)
    assert ["00:00 " + "x" * 50 + "y" * 4] == events.texts
    assert 106 == events.extra[0]["log.original_length"]


def test_a_part_without_its_end_is_given_when_quiet():
    """Parts of a container that died become a document that says so."""
    events = join(record("00:00 par"))
    assert (["00:00 par"], ["incomplete"]) == (events.texts, events.extra[0]["log.flags"])


def test_a_traceback_belongs_to_its_line():
    """Lines that begin no event continue the one before, empty lines inside included."""
    data = b"00:00 boom\nTraceback:\n  File\n\nDuring handling\nValueError\n00:01 next\n"
    events = join(data, "plain")
    assert ["00:00 boom\nTraceback:\n  File\n\nDuring handling\nValueError", "00:01 next"] == events.texts
    assert [0, 57] == events.offsets
    assert len(data) == sum(events.sizes)


def test_lines_before_the_first_start_are_kept():
    """A continuation of nothing is an event of its own; empty lines are only counted."""
    events = join(b"\norphan\nmore\n00:00 x\n", "plain")
    assert (["orphan\nmore", "00:00 x"], 1, 4) == (events.texts, events.skipped, events.lines)


def test_too_many_lines_are_cut_and_none_is_lost():
    """An event over the limit ends with a marker and goes on in the next."""
    joiner = Joiner(STARTS, max_lines=3)
    first = joiner.feed(unwrap(chunk(b"00:00 a\n")), 0)
    second = joiner.feed(unwrap(chunk(b"b\nc\nd\ne\n", offset=8)), 0)
    third = joiner.flush(math.inf)
    assert [[], ["00:00 a\nb\nc"], ["d\ne"]] == [first.texts, second.texts, third.texts]
    assert ["multiline_cut"] == second.extra[0]["log.flags"]


def test_an_event_stays_open_until_quiet():
    """The last event is given by time, and the time counts from its last line."""
    joiner = Joiner(STARTS)
    joiner.feed(unwrap(chunk(b"00:00 a\n")), 1)
    joiner.feed(unwrap(chunk(b"b\n", offset=8)), 5)
    assert [] == joiner.flush(4).texts
    assert {"": 0} == joiner.pending()
    assert ["00:00 a\nb"] == joiner.flush(5).texts
    assert {} == joiner.pending()


def test_without_starts_each_line_is_an_event():
    """A pipeline that names no start has one-line events and nothing pending."""
    joiner = Joiner(None)
    events = joiner.feed(unwrap(chunk(b"a\n\nb\n")), 0)
    assert (["a", "b"], 1, {}) == (events.texts, events.skipped, joiner.pending())


@given(
    st.lists(
        st.tuples(st.sampled_from(["00:00 s", " c", "", "x"]), st.sampled_from(["stdout", "stderr"]), st.booleans()),
        max_size=40,
    ),
    st.lists(st.integers(1, 39), max_size=4),
)
def test_every_byte_and_line_is_in_one_event_or_skipped(lines, cuts):
    """However lines, streams, parts and chunks fall, sizes and skipped bytes add up to what was read."""
    records = [record(text + ("" if part else "\n"), stream) for text, stream, part in lines]
    joiner = Joiner(STARTS)
    size = count = offset = 0
    for begin, end in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), 40], strict=True):
        data = b"".join(records[begin:end])
        if not data:
            continue
        events = joiner.feed(unwrap(chunk(data, "docker", offset)), 0)
        offset += len(data)
        size += sum(events.sizes) + events.skipped
        assert sorted(events.offsets) == events.offsets
        count += len(events.texts)
    rest = joiner.flush(math.inf)
    assert offset == size + sum(rest.sizes) + rest.skipped
    assert {} == joiner.pending()


@given(
    st.lists(
        st.sampled_from(["00:00 begins", "00:00 a longer line that begins", "goes on", "", "x" * 30, "超时"]),
        max_size=30,
    ),
    st.integers(1, 5),
    st.integers(1, 60),
)
def test_the_limits_of_an_event_hold_however_it_is_read(lines, most_lines, most_bytes):
    """An event that lies whole in one chunk is cut where one that is read line by line is, and marked as that is."""
    data = "".join(f"{line}\n" for line in lines).encode()
    read = []
    for pieces in ([data], data.splitlines(keepends=True)):
        joiner, offset = Joiner(STARTS, max_lines=most_lines, max_bytes=most_bytes), 0
        events = []
        for piece in filter(None, pieces):
            events.append(joiner.feed(unwrap(chunk(piece, offset=offset)), 0))
            offset += len(piece)
        events.append(joiner.flush(math.inf))
        found = together(events)
        read.append((found.offsets, found.sizes, found.texts, found.extra, found.lines, found.skipped))
        assert all(text.count("\n") < most_lines for text in found.texts)
    assert read[0] == read[1]


def test_a_line_that_is_a_whole_event_takes_nothing_after_it():
    """What follows a line that stands alone begins an event, in this chunk and in the next."""
    joiner = Joiner(compile_starts([r"\{", r"\d\d:\d\d "]), compile_starts([r"\{.*\}$"]))
    events = joiner.feed(unwrap(chunk(b"{1}\nplain\nmore\n00:00 a\n b\n{2}\n")), 0)
    assert ["{1}", "plain\nmore", "00:00 a\n b", "{2}"] == events.texts
    assert {} == joiner.pending()


def test_colours_come_off():
    """A terminal's control sequences are no text, as bytes and as a Docker record's escapes."""
    assert ["red done"] == unwrap(chunk(b"\x1b[31mred\x1b[0m done\n")).texts
    assert ["red"] == unwrap(chunk(record("\x1b[31mred\x1b[0m\n"), "docker")).texts


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("token\x1b[31mghp_EXAMPLEexample0123\x1b[0m", "token ghp_EXAMPLEexample0123"),
        ("a\x1b[1m\x1b[31msk-EXAMPLE-example0123", "a sk-EXAMPLE-example0123"),
        ("sk-ant-api\x1b[0m03-EXAMPLEexample", "sk-ant-api03-EXAMPLEexample"),
        ("pass\x1b[01;31mword\x1b[m", "password"),
        (r'{"message":"sk-ant-api\u001b[0m03-EXAMPLE"}', '{"message":"sk-ant-api03-EXAMPLE"}'),
        (r'{"message":"a\u001b[31mghp_EXAMPLEexample0123\u001B[0m"}', '{"message":"a ghp_EXAMPLEexample0123"}'),
        (r'{"message":"\\u001b[31m is red"}', r'{"message":"\\u001b[31m is red"}'),
        (r'{"message":"\\\u001b[31mred"}', r'{"message":"\\red"}'),
    ],
)
def test_colours_neither_hide_a_key_nor_part_it(written, read):
    """Where a sequence stood between a letter and a key, a space keeps them apart; elsewhere nothing is left of it."""
    assert [read] == unwrap(chunk(written.encode() + b"\n")).texts
    assert [read] == unwrap(chunk(record(written + "\n"), "docker")).texts
