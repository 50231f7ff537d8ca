"""What is destroyed before it is read is reported, with its byte range as far as it can be known."""

import os

import pytest
from conformance.harness import lines, logrotate, permissions_hold


def test_case_036_a_rotation_that_was_deleted_unread_while_stopped_is_a_gap(site):
    """
    Rotated twice while the agent is away, and the file it was reading deleted: a gap names it and its first lost byte.

    In spirit: nobody knows how many bytes a file had that nobody looked at, so the gap has no end.
    """
    site.write("app.log", *lines("old", 10))
    site.run()
    position = sum(map(len, lines("old", 10)))
    site.write("app.log", *lines("old", 10, start=10))
    logrotate(site, "create", "rotate 5")
    site.write("app.log", *lines("newer", 5))
    logrotate(site, "create", "rotate 5")
    site.write("app.log", *lines("newest", 5))
    (site.logs / "app.log.2").unlink()
    with site.agent() as agent:
        agent.rest()
    site.check(lines("old", 10), lines("newer", 5), lines("newest", 5), lost=[("app.log", position, None)])
    (gap,) = site.gaps()
    event = gap.body["event"]
    assert ("event", "log-deleted", "unknown") == (event["kind"], event["action"], event["outcome"])
    (known,) = site.books().newest_gaps
    assert (position, None, "deleted") == (known.first, known.behind, known.cause)


def test_files_that_could_not_be_read_before_they_were_deleted_are_gaps(site):
    """Of files that were seen and may not be opened, each that is deleted is a gap of exactly its bytes."""
    texts = {f"f{number}.log": lines(f"of {number}", 5 + number) for number in range(5)}
    with permissions_hold(), site.agent() as agent:
        for name, written in texts.items():
            site.write(name, *written).chmod(0)
        agent.settle()
        for name in texts:
            (site.logs / name).unlink()
        agent.rest()
    assert [] == site.messages()
    expected = [(name, 0, sum(map(len, written))) for name, written in texts.items()]
    assert sorted(expected) == sorted(site.lost())
    site.check_books()


@pytest.mark.parametrize("way", ["truncate", "rewrite"])
def test_bytes_that_are_destroyed_under_the_agent_s_eyes_are_a_gap(site, way):
    """Unread bytes that a scan saw are cut off or written over: the gap is exactly theirs, and an alert."""
    first, unread = lines("first", 10), lines("unread", 30)
    path = site.write("app.log", *first)
    start, end = sum(map(len, first)), sum(map(len, first + unread))
    with site.agent() as agent:
        agent.settle()
        site.write("app.log", *unread)
        agent.tailer.scan(site.now)
        if way == "truncate":
            os.truncate(path, 0)
        else:
            path.write_text("".join(lines("other bytes", 100)))
        agent.settle()
    site.check(first, *([lines("other bytes", 100)] if way == "rewrite" else []), lost=[("app.log", start, end)])
    assert "alert" == site.gaps()[0].body["event"]["kind"]
    assert end - start == site.books().bytes_lost
