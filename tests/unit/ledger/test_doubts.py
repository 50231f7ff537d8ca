"""What a stop leaves in doubt."""

import pytest
from contract.batches import commit, register

from logship.ledger import doubts
from logship.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    """Give a ledger with three batches that wait for a follower."""
    with Ledger.open(tmp_path) as ledger:
        ledger.follow("es")
        file = register(ledger)
        for start in range(3):
            commit(ledger, file, start=start)
        yield ledger


def test_what_was_noted_at_a_stop_is_in_doubt_at_the_next_start(ledger):
    """Batches that have an outcome already are not."""
    first, second, third = (batch.seq for batch in ledger.after(0, limit=3))
    doubts.note(ledger, "es", [third, second, first - 1])
    assert doubts.take(ledger, "es", 4) == [second, third]


def test_after_a_kill_all_that_may_have_been_under_way_is_in_doubt(ledger):
    """The note of the stop before counts once."""
    doubts.note(ledger, "es", [])
    assert doubts.take(ledger, "es", 2) == []
    assert doubts.take(ledger, "es", 2) == [batch.seq for batch in ledger.after(0, limit=3)]
