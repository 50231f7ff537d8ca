"""What every sink promises, held against each of them."""

import contextlib
import io
import os
from collections import Counter

import orjson
import pytest
from contract.batches import document, stored
from contract.receiver import receiving
from contract.scripted import ScriptedSink

from logship.delivery.bulk import documents
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.console import ConsoleSink
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.delivery.sinks.file import FileSink
from logship.delivery.sinks.forward import ForwardSink
from logship.elastic.client import connect
from logship.model import Receipt


class Memory:
    """The sink that tests of couriers use."""

    def __init__(self):
        self.taken = {}

    def sink(self):
        """Make a sink, as after a restart."""
        return ScriptedSink(taken=self.taken)

    def broken(self):
        """Make a sink that cannot reach the place."""
        return ScriptedSink("U")

    def contents(self):
        """Return the documents that are there."""
        return [orjson.loads(one) for one in self.taken.values()]


class File:
    """A file, rotated after every few documents."""

    def __init__(self, folder):
        self.path = folder / "out" / "dify.ndjson"

    def sink(self):
        """Make a sink, as after a restart."""
        return FileSink(self.path, max_size=300, backups=20)

    def broken(self):
        """Make a sink that cannot reach the place."""
        blocked = self.path.parent.parent / "blocked"
        blocked.write_text("a file where a folder should be")
        return FileSink(blocked / "dify.ndjson")

    def contents(self):
        """Return the documents that are there."""
        files = sorted(self.path.parent.glob("dify.ndjson*"))
        data = b"".join(one.read_bytes() for one in files if not one.name.endswith(".state"))
        return [orjson.loads(line) for line in data.splitlines()]


class Elastic:
    """A data stream on a real server."""

    def __init__(self, client, namespace):
        self.client = client
        self.namespace = namespace

    def sink(self):
        """Make a sink, as after a restart."""
        return ElasticsearchSink(self.client, namespace=self.namespace)

    def broken(self):
        """Make a sink that cannot reach the place."""
        return ElasticsearchSink(connect(["http://127.0.0.1:1"]), namespace=self.namespace)

    def contents(self):
        """Return the documents that are there."""
        stream = f"logs-dify.api-{self.namespace}"
        self.client.request("POST", f"/{stream}/_refresh")
        answer = self.client.request("GET", f"/{stream}/_search?size=10000").json()
        return [hit["_source"] for hit in answer["hits"]["hits"]] if "hits" in answer else []


class Forward:
    """A receiver of the forward protocol, with what stands behind it."""

    def __init__(self, server, folder):
        self.server = server
        self.state = folder / "forward.json"
        self.open = contextlib.ExitStack()

    def sink(self):
        """Make a sink, as after a restart."""
        made = ForwardSink(*self.server.server_address, state=self.state)
        return self.open.enter_context(contextlib.closing(made))

    def broken(self):
        """Make a sink that cannot reach the place."""
        return ForwardSink("127.0.0.1", 1, state=self.state)

    def contents(self):
        """Return the documents that are there."""
        return list(self.server.records.values())


@pytest.fixture(params=["memory", "file", "forward", "elastic"])
def place(request, tmp_path):
    """Give each place that documents can be sent to."""
    if request.param == "memory":
        yield Memory()
    elif request.param == "file":
        yield File(tmp_path)
    elif request.param == "forward":
        with receiving() as server:
            forward = Forward(server, tmp_path)
            with forward.open:
                yield forward
    else:
        yield Elastic(request.getfixturevalue("elasticsearch"), request.getfixturevalue("namespace"))


def multiset(found):
    """Count equal documents."""
    return Counter(orjson.dumps(one, option=orjson.OPT_SORT_KEYS) for one in found)


def test_what_is_delivered_is_there(place):
    """A batch of good documents is delivered whole, and every document of it can be read back."""
    sent = [document(number) for number in range(5)]
    receipt = place.sink().send(stored(*sent), None)
    assert receipt == Receipt(delivered=5)
    assert multiset(sent) == multiset(place.contents())


def test_a_batch_sent_twice_is_there_once(place):
    """A repeated batch is told as duplicate, document by document, and leaves no second copy."""
    sent = [document(number) for number in range(3)]
    batch, sink = stored(*sent), place.sink()
    sink.send(batch, None)
    assert sink.send(batch, None) == Receipt(duplicate=["k-0", "k-1", "k-2"])
    assert multiset(sent) == multiset(place.contents())


def test_a_restart_does_not_forget_what_was_delivered(place):
    """A new sink that is given the last batch again leaves no second copy."""
    first, last = [document(1), document(2)], [document(3), document(4)]
    place.sink().send(stored(*first, key="a"), None)
    place.sink().send(stored(*last, seq=2, key="b"), None)
    assert place.sink().send(stored(*last, seq=2, key="b"), None) == Receipt(duplicate=["b-0", "b-1"])
    assert multiset(first + last) == multiset(place.contents())


def test_equal_documents_are_different_events(place):
    """Two documents that are equal to the letter, but were read at different places, are both delivered."""
    place.sink().send(stored(document(7), document(7)), None)
    place.sink().send(stored(document(7), seq=2, key="other"), None)
    assert multiset([document(7)] * 3) == multiset(place.contents())


def test_only_the_named_documents_are_sent(place):
    """A repetition of two documents out of four sends these two."""
    receipt = place.sink().send(stored(*map(document, range(4))), frozenset({"k-1", "k-3"}))
    assert receipt == Receipt(delivered=2)
    assert multiset([document(1), document(3)]) == multiset(place.contents())


def test_an_unreachable_place_takes_nothing(place):
    """A sink that cannot reach its place raises SinkUnavailable, and nothing is there."""
    sink = place.broken()
    with pytest.raises(SinkUnavailable):
        sink.send(stored(document()), None)
    sink.close()
    assert place.contents() == []


@pytest.mark.parametrize(
    "text", ['quote " backslash \\ \u2028 超时', 'a\n{"create":{"_id":"forged"}}\n{}', "\x00\x1b[31m", "𝄞" * 200]
)
def test_any_text_is_carried_as_it_is(place, text):
    """Text with control characters, or that looks like a bulk action, arrives unchanged and as one document."""
    place.sink().send(stored(document(message=text)), None)
    assert [document(message=text)] == place.contents()


def test_a_console_is_given_json_or_text():
    """A stream gets each document as JSON, or as one readable line with the rest of the message set in."""
    batch = stored(document(1), document(2, message="failed\nTraceback", service={"name": "api"}))
    json, text = io.BytesIO(), io.BytesIO()
    ConsoleSink(json).send(batch, None)
    ConsoleSink(text, form="text").send(batch, None)
    assert [one for _, one in documents(batch)] == json.getvalue().splitlines()
    assert text.getvalue().decode().splitlines() == [
        "2026-01-02T03:04:05.678Z info     - line 1",
        "2026-01-02T03:04:05.678Z info     api failed",
        "    Traceback",
    ]


def test_a_closed_pipe_is_unavailable():
    """A stream whose reader has gone raises SinkUnavailable."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "wb", buffering=0)
    with pytest.raises(SinkUnavailable), stream:
        ConsoleSink(stream).send(stored(document()), None)
