"""Where the head of a file cannot be removed: left alone, or copied and emptied when that was agreed to."""

import pytest
from rotation.conftest import agent, numbered, whole
from rotation.test_collapse import check_documents, write
from rotation.writer import line


def test_without_agreement_the_file_is_left_alone(memory):
    """On tmpfs nothing is rotated, and status says why and what could be done."""
    with agent(memory, backup_count=5) as running:
        live = write(memory, 0, 3000)
        running.settle()
    assert numbered(live) == []
    (state,) = memory.books().rotation
    assert state.method == "refused"
    assert "cannot remove the head" in state.reason
    assert "allow_truncate" in state.reason
    check_documents(memory, 3000)


def test_with_agreement_the_file_is_copied_and_emptied(memory):
    """What a writer that stands still has written is all there, once; status says what can be lost otherwise."""
    with agent(memory, backup_count=3, allow_truncate=True) as running:
        for part in range(6):
            live = write(memory, part * 1000, part * 1000 + 1000)
            running.settle()
    assert [one.name for one in numbered(live)] == ["app.log.3", "app.log.2", "app.log.1"]
    assert all(one.stat().st_size > 65536 for one in numbered(live))
    assert b"".join(line(number) for number in range(6000)).endswith(whole(live))
    (state,) = memory.books().rotation
    assert (state.method, state.count >= 4) == ("truncate", True)
    assert "are lost" in state.reason
    assert memory.messages() == [line(number).decode().rstrip("\n") for number in range(6000)]
    memory.check_books()


def test_an_unfinished_line_is_kept_in_the_copy(memory):
    """Lines go on in the emptied file; a line that was not finished is kept in the copy, and not torn."""
    with agent(memory, backup_count=9, allow_truncate=True) as running:
        live = write(memory, 0, 1000)
        memory.write("app.log", "not finished")
        running.poll()
        running.poll()
        assert [one.name for one in numbered(live)] == ["app.log.1"]
        assert live.stat().st_size == 0
        write(memory, 1000, 1010)
        running.settle()
    expected = [line(number).decode().rstrip("\n") for number in range(1010)]
    assert sorted(memory.messages()) == expected
    (copy,) = numbered(live)
    assert copy.read_bytes().endswith(b"\nnot finished")
    memory.check_books()


@pytest.mark.parametrize("restarts", [1, 3])
def test_copies_are_not_read_again_after_a_restart(memory, restarts):
    """An agent that starts anew knows the copies, and goes on."""
    for part in range(3):
        with agent(memory, backup_count=9, allow_truncate=True) as running:
            live = write(memory, part * 1000, part * 1000 + 1000)
            running.settle()
    for _ in range(restarts):
        with agent(memory, backup_count=9, allow_truncate=True) as running:
            running.settle()
    assert len(numbered(live)) >= 2
    assert sorted(memory.messages()) == sorted(line(number).decode().rstrip("\n") for number in range(3000))
    memory.check_books()
