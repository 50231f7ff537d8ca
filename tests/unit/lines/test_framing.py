"""Records of other encodings and delimiters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logship.lines.envelope import unwrap
from logship.lines.framing import Framing, framing_of, known_encoding
from logship.model import Chunk, FileRef, Source

#: Encoding, delimiter, and characters whose bytes look like the delimiter's at a wrong place.
TRAPS = [
    ("utf-8", "\n", "aé超🙂"),
    ("utf-8", "||", "a|é超"),
    ("utf-8", "aba", "abc"),
    ("utf-16-le", "\n", "ਊĀ超🙂aĊ"),
    ("utf-16-be", "\n", "Āਊ超🙂aĊ"),
    ("utf-16-le", "||", "|籼a"),
    ("utf-32-le", "\n", "aਊ🙂"),
    ("gbk", "|", "鉢鎩a超"),
    ("gbk", "。", "。、aⅡ超"),
    ("gb18030", "0", "超🙂鉢a"),
    ("shift_jis", "|", "ポソa表"),
    ("big5", "\\", "功許a逾"),
    ("latin-1", "¬¬", "é¬a"),
]


def lines_of(data: bytes, source: Source, *edges: int):
    """Return the texts and offsets of bytes that are read in pieces, each up to the last whole record."""
    framing, texts, offsets, position = framing_of(source), [], [], 0
    for edge in [*edges, len(data)]:
        end = position + framing.end(data[position:edge])
        if end > position:
            lines = unwrap(Chunk(FileRef(1, "k", "/f", source), position, data[position:end], end - position))
            assert lines.offsets[1:] == lines.ends[:-1]
            assert (position, end) == (lines.offsets[0], lines.ends[-1])
            texts += lines.texts
            offsets += lines.offsets
            position = end
    assert position == len(data)
    return texts, offsets


@pytest.mark.parametrize(("encoding", "delimiter", "characters"), TRAPS)
@given(data=st.data())
def test_records_are_what_was_written(encoding, delimiter, characters, data):
    """Whatever the edges of the reads, each record is whole, decoded, and has the offset of its first byte."""
    source = Source("x", encoding=encoding, delimiter=delimiter)
    texts = data.draw(st.lists(st.text(characters, max_size=8), min_size=1, max_size=8))
    # A delimiter may arise between a text and the delimiter after it: what counts is the first of them.
    texts = "".join(text + delimiter for text in texts).split(delimiter)[:-1]
    written = [(text + delimiter).encode(encoding) for text in texts]
    whole = b"".join(written)
    edges = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    found, offsets = lines_of(whole, source, *edges)
    assert texts == found
    assert [sum(map(len, written[:n])) for n in range(len(written))] == offsets


@pytest.mark.parametrize(
    ("encoding", "data", "kept"),
    [
        ("utf-8", b"ab", b"ab"),
        ("utf-8", "é".encode()[:1], b""),
        ("utf-8", "x😀".encode(), "x😀".encode()),
        ("utf-8", "x😀".encode()[:4], b"x"),
        ("utf-8", b"", b""),
        ("utf-16-le", "x😀".encode("utf-16-le")[:5], b"x\0"),
        ("gbk", "超a时".encode("gbk")[:-1], "超a".encode("gbk")),
        ("latin-1", b"\xe9", b"\xe9"),
    ],
)
def test_only_a_character_that_is_not_whole_is_dropped(encoding, data, kept):
    """What is cut off at the end of a long line is a part of a character, and nothing else."""
    assert kept == Framing(encoding, "\n").whole(data)


def test_bytes_that_are_no_characters_are_replaced_and_holes_counted():
    """Invalid bytes become U+FFFD, runs of NUL characters are taken out and counted, others are escaped."""
    source = Source("x", encoding="utf-16-le")
    data = bytes(40) + "a\0b\n".encode("utf-16-le") + b"\x00\xd8" + "c\r\nrest".encode("utf-16-le") + b"\x41"
    lines = unwrap(Chunk(FileRef(1, "k", "/f", source), 100, data, len(data)))
    assert ["a\\0b", "�c", "rest�"] == lines.texts
    assert {0: {"log.nul_bytes": 40}} == lines.extra


@pytest.mark.parametrize(("name", "usual"), [("latin-1", "iso8859-1"), ("UTF8", "utf-8"), ("windows-1252", "cp1252")])
def test_an_encoding_may_be_named_in_several_ways(name, usual):
    """Names are those of the codec registry."""
    assert usual == known_encoding(name)


@pytest.mark.parametrize("name", ["nope", "iso-2022-jp", "utf-7", "hex", "unicode_escape", "idna", "cp037"])
def test_an_encoding_whose_records_cannot_be_told_apart_is_refused(name):
    """Those with a state, and what is no encoding of text, cannot be read from any line on."""
    with pytest.raises(LookupError):
        known_encoding(name)
