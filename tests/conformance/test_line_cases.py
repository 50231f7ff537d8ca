"""Group B: what a line is."""

import codecs
import gzip
import itertools
import resource

import pytest
from conformance.harness import lines

from logship.config.settings import FileSource


def test_case_016_a_line_that_was_unfinished_at_the_stop_is_one_event(site):
    """An unfinished line at the stop and its rest after the restart are one event."""
    site.write("app.log", "partial")
    site.run()
    site.write("app.log", " line\n")
    site.run()
    site.check(["partial line"])


def test_case_017_a_line_in_two_writes_is_one_event(site):
    """The halves of a line, two seconds apart, are one event."""
    with site.agent() as agent:
        site.write("app.log", "first ")
        agent.poll(2.0)
        agent.poll(2.0)
        site.write("app.log", "second\n")
        agent.settle()
    site.check(["first second"])


def test_case_018_empty_lines_are_no_events_and_are_not_read_again(site):
    """Only newlines, leading and repeated empty lines: no events, and the position after them is in the ledger."""
    site.write("empty.log", "\n" * 50)
    site.write("mixed.log", "\n\n", "one\n", "\n\n\n", "two\n", "\n")
    site.run()
    for file in site.books().files:
        assert file.size == file.position
    site.write("empty.log", "at last\n")
    site.run()
    site.check(["at last"], ["one", "two"])


def test_case_019_a_carriage_return_at_the_end_of_a_read_belongs_to_the_line_end(site):
    r"""CRLF whose \r is byte 8191 and whose \n is byte 8192 of a read ends a clean event."""
    first = "x" * 8191
    site.write("app.log", first, "\r\n", "second\r\n")
    site.run(ingest={"chunk_bytes": 8192})
    site.check([first, "second"])


def source(site, **options) -> FileSource:
    """Name the files of a site's logs."""
    return FileSource(path=str(site.logs / "*.log*"), service="api", **options)


def put(site, data: bytes) -> None:
    """Append bytes to app.log."""
    with (site.logs / "app.log").open("ab") as file:
        file.write(data)


def stamped(count: int, text: str) -> list[str]:
    """Return lines as Dify's api writes them: enough for a short way, where there is one for them."""
    return [f"2025-11-20 08:00:{n % 60:02d}.412 INFO [MainThread] [a.py:{n}]  - {text} {n}" for n in range(count)]


DELIMITERS = ["\x1e", "\r\n--\r\n", "。", "aa", "||\n||"]


@pytest.mark.parametrize("delimiter", DELIMITERS, ids=["RS", "line", "3 bytes", "overlapping", "5 bytes"])
def test_case_020_records_end_at_a_delimiter_of_their_own(site, delimiter):
    """
    Records with newlines inside them end at a delimiter of one to six bytes, which lies across every edge of a read.

    One that is longer than the limit, one whose delimiter is written in two parts, and one that was unfinished at the
    stop are each one event too.
    """
    records = [f"record {n}\n  {'x' * (n % 97)} of {n}" for n in range(400)]
    options, limits = source(site, delimiter=delimiter), {"chunk_bytes": 4096, "max_line_bytes": 8192}
    end = delimiter.encode()
    put(site, b"".join(record.encode() + end for record in records))
    with site.agent(options, ingest=limits) as agent:
        agent.settle()
        put(site, b"y" * 9000 + end + b"in two" + end[:1])
        agent.settle()
        put(site, end[1:] + b"half a ")
        agent.settle()
    put(site, b"record" + end)
    site.run(options, ingest=limits)
    site.check([*records, "y" * 8192, "in two", "half a record"])
    assert [9000] == [doc.body["log"]["original_length"] for doc in site.documents() if "flags" in doc.body["log"]]


ENCODINGS = {
    "utf-8": (codecs.BOM_UTF8, "超时：déjà 🙂"),
    "utf-16-le": (codecs.BOM_UTF16_LE, "超时：déjà 🙂 ਊĀ"),
    "utf-16-be": (codecs.BOM_UTF16_BE, "超时：déjà 🙂 Āਊ"),
    "gb18030": (b"", "超时🙂"),
    "gbk": (b"", "超时，请重试"),
    "big5": (b"", "逾時：內容"),
    "shift_jis": (b"", "ソース表示"),
    "latin-1": (b"", "où, déjà"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_case_024_text_is_decoded_and_a_byte_order_mark_is_no_part_of_it(site, encoding):
    """
    UTF-8 and UTF-16 with a byte order mark, which tells what they are; gb18030, gbk, big5, shift_jis and latin-1.

    Texts are right, whatever edge of a read or of a write a character lies across; positions are bytes of the file;
    compressed files are decoded too.
    """
    mark, text = ENCODINGS[encoding]
    texts = stamped(300, text)
    options = source(site) if mark else source(site, encoding=encoding)
    written = [f"{line}\r\n".encode(encoding) for line in texts]
    put(site, mark + b"".join(written))
    with site.agent(options, ingest={"chunk_bytes": 4096}) as agent:
        agent.settle()
        for byte in f"{text}\n".encode(encoding):
            put(site, bytes([byte]))
            agent.poll()
    (site.logs / "other.log.1.gz").write_bytes(gzip.compress(mark + f"{text} 1\n{text} 2\n".encode(encoding)))
    site.run(options)
    site.check([*(f"{text} {n}" for n in range(300)), text], [f"{text} 1\n{text} 2"])
    ends = list(itertools.accumulate(map(len, written), initial=len(mark)))
    assert [0, *ends[1:]] == [document.offset for document in site.documents()[:301]]


LIMIT = 1 << 20


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 64 * LIMIT])
def test_case_021_a_line_longer_than_the_limit_is_cut_and_says_so(site, length):
    """
    Lines of the limit, one less and one more, of 2 and of 64 MiB: the longer ones are cut and marked.

    The short line after them is delivered and memory stays bounded. In spirit: the length is noted, no hash.
    """
    with (site.logs / "app.log").open("w") as file:
        for _ in range(length // LIMIT):
            file.write("x" * LIMIT)
        file.write("x" * (length % LIMIT) + "\nshort\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    site.run()
    assert 48 << 10 > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    long, short = site.documents()
    assert "short" == short.message
    assert "x" * min(length, LIMIT) == long.message
    if length > LIMIT:
        assert (length, ["truncated"]) == (long.body["log"]["original_length"], long.body["log"]["flags"])
    else:
        assert "flags" not in long.body["log"]
    site.check_books()


@pytest.mark.parametrize("character", ["é", "超", "🙂"])
@pytest.mark.parametrize("shift", range(4))
def test_case_022_a_line_is_cut_between_characters(site, character, shift):
    """A line that is cut within a character of two, three or four bytes ends before that character."""
    limit = 4096
    site.write("app.log", "x" * (limit - shift), character * 8, "\n", "short\n")
    site.run(ingest={"max_line_bytes": limit, "chunk_bytes": limit})
    whole = shift // len(character.encode())
    site.check(["x" * (limit - shift) + character * whole, "short"])


def test_case_026_white_space_before_a_text_is_kept(site):
    """Leading tabs and spaces of a line are in its event."""
    site.write("app.log", "\t\ttabs\n")
    site.write("other.log", "    spaces\n")
    site.write("third.log", "head\n", "  \tbody\n", "next\n")
    site.run()
    site.check(["\t\ttabs"], ["    spaces"], ["head\n  \tbody", "next"])


@pytest.mark.parametrize("length", [4096, 4097, 16384, 16385])
def test_case_027_lines_of_buffer_sizes_stay_whole(site, length):
    """Lines of 4,097 and 16,385 bytes, and of one less, are whole."""
    texts = [character * (length - 1) + "\n" for character in "abc"]
    site.write("app.log", *texts, *(character * length + "\n" for character in "abc"), *lines("line", 3))
    site.run(ingest={"chunk_bytes": 4096})
    site.check([*texts, *(character * length for character in "abc"), *lines("line", 3)])


def test_case_025_runs_of_nul_bytes_are_passed_over_and_counted(site):
    """NUL bytes before, between and inside lines, 1.7 MB of them: passed over and counted, every line is there."""
    hole = 1_700_000
    with (site.logs / "app.log").open("wb") as file:
        file.write(bytes(hole) + b"first\n" + bytes(hole) + b"second\n")
        file.write(b"in" + bytes(5000) + b"side\n" + bytes(100) + b"last\n")
    site.run()
    site.check(["first", "second", "inside", "last"])
    counted = sum(document.body["log"].get("nul_bytes", 0) for document in site.documents())
    (file,) = site.books().files
    assert 2 * hole + 5100 == counted + file.bytes_skipped


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f"])
def test_case_023_a_byte_that_is_no_utf_8_is_replaced_and_the_line_is_there(site, bad):
    """
    Invalid UTF-8 within a line: replaced by U+FFFD, the rest of the line and its neighbours are as they were.

    In spirit: the raw bytes are not kept beside it.
    """
    with (site.logs / "app.log").open("wb") as file:
        file.write(b"before\nna" + bad + b" ve\nafter\n")
    site.run()
    before, text, after = site.messages()
    assert ("before", "after") == (before, after)
    assert ("na", " ve") == (text[:2], text[-3:])
    assert {"\ufffd"} == set(text[2:-3])
    site.check_books()
