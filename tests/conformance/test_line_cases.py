"""Group B: what a line is."""

import resource

import pytest
from conformance.harness import lines


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
