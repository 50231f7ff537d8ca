"""The courier against a real ledger and a sink that fails by a script."""

import threading

import pytest
from contract.batches import commit, outcomes, register
from contract.scripted import ScriptedSink
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.delivery.bulk import documents
from logship.delivery.courier import Courier
from logship.delivery.sink import SinkUnavailable
from logship.errors import AccountingError, LedgerDamaged
from logship.ledger.ledger import Ledger
from logship.model import Receipt


@pytest.fixture
def ledger(tmp_path):
    """Give an empty ledger."""
    with Ledger.open(tmp_path / "state") as opened:
        yield opened


def courier(ledger, sink, **options):
    """Make a courier whose pauses have no element of chance."""
    return Courier(ledger, sink, options.pop("stop", threading.Event()), jitter=lambda: 1.0, **options)


def cursor(ledger, name="scripted"):
    """Return a cursor's place and its last error."""
    return ledger.connection.execute("SELECT seq, last_error FROM cursor WHERE name = ?", (name,)).fetchone()


def test_batches_are_delivered_in_order(ledger):
    """Each step settles one batch, in the order of their commits, until none is left."""
    file = register(ledger)
    seqs = [commit(ledger, file, start=start) for start in (0, 2, 4)]
    sink = ScriptedSink()
    one = courier(ledger, sink)
    assert [one.step() for _ in range(4)] == [True, True, True, False]
    assert list(sink.taken) == [f"{file.key}-{offset}" for offset in range(6)]
    assert cursor(ledger) == (seqs[-1], "")
    assert outcomes(ledger, "scripted") == {file.id: (6, 0, 0)}


def test_nothing_moves_while_the_sink_is_unavailable(ledger):
    """A failed attempt leaves the cursor where it was, notes the error, and the next success clears it."""
    file = register(ledger)
    seq = commit(ledger, file)
    one = courier(ledger, ScriptedSink("UU"))
    one.step()
    one.step()
    assert cursor(ledger) == (0, "connection refused")
    assert outcomes(ledger, "scripted") == {}
    one.step()
    assert cursor(ledger) == (seq, "")


def test_a_lost_reply_is_found_out_by_the_repetition(ledger):
    """Documents whose reply was lost are counted as duplicates, once, and are there once."""
    file = register(ledger)
    commit(ledger, file, documents=3)
    sink = ScriptedSink("L")
    one = courier(ledger, sink)
    one.step()
    one.step()
    assert len(sink.taken) == 3
    assert outcomes(ledger, "scripted") == {file.id: (0, 3, 0)}


def test_only_what_was_put_off_is_repeated(ledger):
    """After [429, 201, 201] only the first document is sent again, and the next batch waits for it."""
    file = register(ledger)
    commit(ledger, file, documents=3)
    commit(ledger, file, documents=1, start=3)
    sink = ScriptedSink("44")
    one = courier(ledger, sink)
    while one.step():
        pass
    key = file.key
    assert sink.calls == [[f"{key}-0", f"{key}-1", f"{key}-2"], [f"{key}-0"], [f"{key}-0"], [f"{key}-3"]]
    assert outcomes(ledger, "scripted") == {file.id: (4, 0, 0)}


def test_a_refused_document_is_kept_with_its_reason(ledger):
    """A rejected document is in the ledger with status and reason, and its file's books close."""
    first, second = register(ledger, "a.log"), register(ledger, "b.log")
    commit(ledger, first, second)
    one = courier(ledger, ScriptedSink("r"))
    one.step()
    rows = ledger.connection.execute("SELECT id, status, reason FROM rejected").fetchall()
    assert rows == [(f"{first.key}-0", 400, "document_parsing_exception")]
    assert outcomes(ledger, "scripted") == {first.id: (1, 0, 1), second.id: (2, 0, 0)}


def test_duplicates_are_counted_for_their_own_file(ledger):
    """In a batch of two files, a document that was there already counts for the file that its id names."""
    first, second = register(ledger, "a.log"), register(ledger, "b.log")
    commit(ledger, first, second)
    one = courier(ledger, ScriptedSink(taken={f"{second.key}-1": b"{}"}))
    one.step()
    assert outcomes(ledger, "scripted") == {first.id: (2, 0, 0), second.id: (1, 1, 0)}


def test_a_new_courier_goes_on_where_the_last_one_stopped(ledger):
    """A restart reads the cursor from the ledger."""
    file = register(ledger)
    commit(ledger, file)
    courier(ledger, ScriptedSink()).step()
    commit(ledger, file, start=2)
    sink = ScriptedSink()
    one = courier(ledger, sink)
    assert (one.step(), one.step()) == (True, False)
    assert sink.calls == [[f"{file.key}-2", f"{file.key}-3"]]


def test_pauses_double_up_to_a_minute_and_end_with_success(ledger):
    """Pauses grow from half a second to sixty, and the first success ends them."""
    commit(ledger, register(ledger))
    one = courier(ledger, ScriptedSink("U" * 9))
    pauses = []
    for _ in range(10):
        one.step()
        pauses.append(one.pause)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 0]


def test_chance_takes_up_to_half_of_a_pause(ledger):
    """Couriers that failed at the same time do not come back at the same time."""
    commit(ledger, register(ledger))
    one = Courier(ledger, ScriptedSink("U"), threading.Event(), jitter=lambda: 0.0)
    one.step()
    assert one.pause == 0.25


def test_progress_shortens_the_pause(ledger):
    """When a repetition delivers something, the next pause is the first one again."""
    commit(ledger, register(ledger), documents=3)
    one = courier(ledger, ScriptedSink("UUU4"))
    pauses = []
    for _ in range(4):
        one.step()
        pauses.append(one.pause)
    assert pauses == [0.5, 1, 2, 0.5]


class Refusing:
    """A sink that says how long to leave it alone."""

    name = "refusing"

    def send(self, _batch, _only):
        """Refuse."""
        raise SinkUnavailable("HTTP 403", pause=60.0)

    def close(self):
        """Do nothing."""


def test_a_sink_may_ask_for_a_longer_pause(ledger):
    """A refused key is not tried again every second."""
    commit(ledger, register(ledger))
    one = courier(ledger, Refusing())
    one.step()
    assert one.pause == 60


class Forgetful(ScriptedSink):
    """A sink that loses sight of a document."""

    def send(self, batch, only):
        """Tell of one document too few."""
        return Receipt(delivered=len(documents(batch, only)) - 1)


def test_a_receipt_must_name_every_document(ledger):
    """The cursor does not pass a document that has no outcome, even when the sink believes so."""
    commit(ledger, register(ledger))
    with pytest.raises(AccountingError, match="given 2 documents of batch 1 and told of 1"):
        courier(ledger, Forgetful()).step()
    assert cursor(ledger)[0] == 0


def test_a_damaged_batch_stops_the_cursor_in_view(ledger):
    """A batch whose bytes were damaged is not skipped: it is an error, the cursor stays, and the status says why."""
    commit(ledger, register(ledger))
    ledger.connection.execute("UPDATE batch SET body = substr(body, 1, 20)")
    with pytest.raises(LedgerDamaged):
        courier(ledger, ScriptedSink()).step()
    seq, error = cursor(ledger)
    assert (seq, error[:33]) == (0, "batch 1 in the ledger is damaged:")


def test_run_waits_between_attempts_and_stops_when_told(ledger):
    """`run` waits for the pause after a failure and for the idle time when there is nothing to do."""
    commit(ledger, register(ledger))
    stop, waited = threading.Event(), []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            stop.set()

    courier(ledger, ScriptedSink("UU"), stop=stop, wait=wait, idle=7.0).run()
    assert waited == [0.5, 1.0, 7.0]


def test_drain_says_whether_everything_was_sent(ledger):
    """`drain` ends when nothing is left or at the deadline, and never waits beyond it."""
    commit(ledger, register(ledger))
    now = [0.0]
    waited = []

    def wait(seconds):
        waited.append(seconds)
        now[0] += seconds

    sink = ScriptedSink("UUUU")
    one = courier(ledger, sink, clock=lambda: now[0], wait=wait)
    assert one.drain(2.0) is False
    assert waited == [0.5, 1.0, 0.5]
    assert one.drain(100.0) is True
    assert len(sink.taken) == 2


def test_drain_gives_up_at_once_when_told_to_stop(ledger):
    """After a stop, what can be sent is sent; the first failure ends it without waiting."""
    file = register(ledger)
    commit(ledger, file)
    commit(ledger, file, start=2)
    stop = threading.Event()
    stop.set()
    one = courier(ledger, ScriptedSink("dU"), stop=stop)
    assert one.drain(float("inf")) is False
    assert one.drain(float("inf")) is True


class Patient(ScriptedSink):
    """A sink that takes several batches at a time, and answers one only when a number of them are there."""

    in_flight = 3

    def __init__(self, script="", together=3):
        super().__init__(script)
        self.lock = threading.Lock()
        self.barrier = threading.Barrier(together, timeout=20)

    def send(self, batch, only):
        """Wait for the others, then play a letter."""
        if self.barrier.parties > 1:
            self.barrier.wait()
        with self.lock:
            return super().send(batch, only)


def test_several_batches_are_under_way_and_settled_in_order(ledger):
    """Three requests wait for one another, which they could not one after the other; the cursor moves by one a step."""
    file = register(ledger)
    seqs = [commit(ledger, file, start=start) for start in (0, 2, 4)]
    one = courier(ledger, Patient())
    reached = []
    for _ in range(3):
        one.step()
        reached.append(cursor(ledger)[0])
    assert (reached, one.step()) == (seqs, False)


def test_what_is_under_way_at_a_stop_is_settled(ledger):
    """A stop that comes while three requests wait for their answers loses none of these, and sends no fourth."""
    file = register(ledger)
    seqs = [commit(ledger, file, start=start) for start in (0, 2, 4, 6)]
    stop = threading.Event()
    sink = Patient()
    send = sink.send

    def stopping(batch, only):
        stop.set()
        return send(batch, only)

    sink.send = stopping
    courier(ledger, sink, stop=stop).run()
    assert (cursor(ledger)[0], len(sink.calls)) == (seqs[2], 3)


def test_the_cursor_waits_for_the_oldest_of_several(ledger):
    """While the oldest batch has no outcome the cursor stays before it, whatever became of later ones."""
    file = register(ledger)
    for start in (0, 2, 4):
        commit(ledger, file, start=start)
    sink = Patient("UUU", together=1)
    one = courier(ledger, sink)
    one.step()
    assert (cursor(ledger)[0], one.window) == (0, 1)
    while one.step():
        pass
    assert (len(sink.taken), sum(outcomes(ledger, "scripted")[file.id])) == (6, 6)


def test_fewer_batches_are_under_way_after_a_failure_and_more_after_successes(ledger):
    """The number is halved by a failure, and grows by one with each round that went well, to what the sink allows."""
    file = register(ledger)
    for start in range(0, 16, 2):
        commit(ledger, file, start=start)
    one = courier(ledger, Patient("U", together=1))
    windows = []
    while one.step():
        windows.append(one.window)
    assert (min(windows), windows[-1]) == (1, 3)


@settings(max_examples=60, deadline=None)
@given(
    script=st.text("dUL4r", max_size=12),
    batches=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    together=st.booleans(),
)
def test_whatever_fails_each_document_ends_in_one_place(tmp_path_factory, script, batches, together):
    """After any failures every document is taken once or rejected once, in order of batches, and the books close."""
    with Ledger.open(tmp_path_factory.mktemp("ledger")) as ledger:
        file, start = register(ledger), 0
        for count in batches:
            commit(ledger, file, documents=count, start=start)
            start += count
        sink = Patient(script, together=1) if together else ScriptedSink(script)
        one = courier(ledger, sink)
        while one.step():
            pass
        refused = {row[0] for row in ledger.connection.execute("SELECT id FROM rejected")}
        assert refused | set(sink.taken) == {f"{file.key}-{offset}" for offset in range(start)}
        assert refused & set(sink.taken) == set()
        assert sum(outcomes(ledger, "scripted")[file.id]) == start
