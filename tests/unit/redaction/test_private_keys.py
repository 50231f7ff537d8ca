"""No line of a private key survives, whatever the service, the format, and what came between its lines."""

import base64
import json
import math
import random
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.data import data_path
from logship.lines.envelope import unwrap
from logship.lines.join import Joiner, compile_starts
from logship.model import Chunk, FileRef, Source
from logship.pipeline.encoder import Encoder
from logship.pipeline.samples import documents
from logship.pipeline.spec import Pipelines

PIPELINES = Pipelines.load([data_path("pipelines")])
BODY = base64.b64encode(random.Random(5).randbytes(320)).decode()
LINES = [BODY[start : start + 64] for start in range(0, len(BODY), 64)]
KEY = ["-----BEGIN RSA " + "PRIVATE KEY-----", *LINES, "-----END RSA " + "PRIVATE KEY-----"]
#: A line that begins an event in every log of the kind.
BEFORE = {
    "nginx": '10.0.0.1 - - [20/Nov/2025:08:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8" "-"',
    "postgres": "2025-11-20 08:00:00.101 UTC [812] LOG:  ready",
}
USUAL = "2025-11-20 08:00:01 INFO ready"


def survivors(found):
    """Return the lines of the key that are left in documents."""
    text = json.dumps(found)
    return [line for line in LINES if line[:12] in text or line[-12:] in text]


def source(name):
    """Return a source that the pipeline is for."""
    services = PIPELINES.specs[name].services
    return Source(services[0].replace("*", "x") if services else "unheard-of", "plain")


def pieces(redactor, name, parts, *, restarted=False):
    """Return the documents of parts that are written apart: after each the log is quiet, or the agent restarted."""
    spec, found, offset = PIPELINES.specs[name], [], 0
    encoder = Encoder(spec, source(name), redactor, key="key", constants={})
    joiner = Joiner(compile_starts(spec.starts), compile_starts(spec.alone))
    for part in parts:
        data = "".join(f"{line}\n" for line in part).encode()
        chunk = Chunk(FileRef(1, "key", "/f", source(name)), offset, data, len(data))
        offset += len(data)
        for events in (joiner.feed(unwrap(chunk), 0), joiner.flush(math.inf)):
            found += [orjson.loads(pair.split(b"\n")[1]) for pair in encoder.encode(events).documents]
        if restarted:
            joiner = Joiner(compile_starts(spec.starts), compile_starts(spec.alone))
    return found


@pytest.mark.parametrize("name", sorted(PIPELINES.specs))
@pytest.mark.parametrize("before", ["", "E   ", "> ", "  "])
def test_a_key_of_several_lines_is_one_event_in_every_log(redactor, name, before):
    """Where each line would be an event of its own, those of a key are not."""
    first = BEFORE.get(name, USUAL)
    text = "".join(f"{line}\n" for line in [first, *[before + line for line in KEY], first])
    found = documents(PIPELINES.specs[name], source(name), text, redactor)
    assert [] == survivors(found)
    assert len(found) <= 3


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("cuts", [[2], [3], [2, 4]])
@pytest.mark.parametrize("name", sorted(PIPELINES.specs))
def test_a_key_that_is_written_in_pieces_is_found_in_each(redactor, name, cuts, restarted):
    """The half with the mark before it, that with the mark behind it, and what has neither."""
    first = BEFORE.get(name, USUAL)
    edges = [0, *cuts, len(KEY)]
    parts = [KEY[start:end] for start, end in pairwise(edges)]
    assert [] == survivors(pieces(redactor, name, [[first], *parts, [first]], restarted=restarted))


@pytest.mark.parametrize("name", sorted(PIPELINES.specs))
def test_a_line_of_another_between_those_of_a_key_hides_nothing(redactor, name):
    """Two processes write into one log."""
    other = BEFORE.get(name, USUAL)
    for at in range(1, len(KEY)):
        found = pieces(redactor, name, [[other, *KEY[:at], other, *KEY[at:], other]])
        assert [] == survivors(found)
        assert 3 <= json.dumps(found).count(other.rpartition(" ")[2].replace('"', '\\"'))


def test_a_key_that_begins_among_the_attributes_of_a_line_is_found(redactor):
    """A format that takes the first line apart does not part the key."""
    line = "2025-11-20T08:00:06.1Z INFO dify-plugin-daemon logger.go:15 plugin instance log plugin=acme/x:0.0.1 key="
    for end in (len(KEY), len(KEY) - 1):
        text = line + "\n".join(KEY[:end]) + "\n"
        found = documents(PIPELINES.specs["plugin_daemon"], Source("plugin_daemon"), text, redactor)
        assert [] == survivors(found)
        assert "acme/x:0.0.1" == found[0]["dify"]["plugin"]["id"]


@pytest.mark.parametrize("text", ["\n".join(LINES[:2]), LINES[2], "> " + "\n> ".join(LINES[1:])])
def test_what_is_nothing_but_lines_of_a_key_is_hidden(redactor, text):
    """Without any mark the look of it is enough, where nothing else stands beside it."""
    assert [1] == list(redactor.suspects(["x", text, "y " + text]))
    assert [] == survivors(redactor.redact(text)[0])
    assert ("y " + text, {}) == redactor.redact("y " + text)


@pytest.mark.parametrize(
    "text", ["0123456789abcdef" * 4, "/console/api/" + "models/" * 8, "-" * 64, "a" * 64, "EXAMPLE" * 10, LINES[0][:40]]
)
def test_what_looks_otherwise_is_kept(redactor, text):
    """Hashes, paths, rules and short words are no lines of a key."""
    assert (text, {}) == redactor.redact(text)


def test_lines_that_are_no_key_stay_apart():
    """Hashes, words and paths as long as a line of a key begin events of their own."""
    hashed = "0123456789abcdef" * 4
    texts = [hashed, hashed, "done", "/console/api/" + "models/" * 8, KEY[0] + " missing", "Ready"]
    joiner = Joiner(None)
    data = "".join(f"{text}\n" for text in texts).encode()
    events = joiner.feed(unwrap(Chunk(FileRef(1, "k", "/f", Source("x")), 0, data, len(data))), 0)
    assert texts == events.texts
    assert {} == joiner.pending()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*KEY, *LINES, "", "ready", " x", "00:00 x", "E   " + LINES[0], "Proc-Type: 4"]), max_size=30
    ),
    st.sampled_from([None, r"\S", r"\d\d:"]),
    st.integers(2, 9),
)
def test_keys_are_joined_however_they_are_read(lines, starts, most):
    """Events are the same whether a log is read at once or line by line, and no byte is lost."""
    data = "".join(f"{line}\n" for line in lines).encode()
    read = []
    for parts in ([data], data.splitlines(keepends=True)):
        joiner, offset, found = Joiner(compile_starts([starts] if starts else []), max_lines=most), 0, []
        size = 0
        for part in filter(None, parts):
            chunk = Chunk(FileRef(1, "k", "/f", Source("x")), offset, part, len(part))
            events = joiner.feed(unwrap(chunk), 0)
            offset += len(part)
            found += events.texts
            size += sum(events.sizes) + events.skipped
        rest = joiner.flush(math.inf)
        read.append(found + rest.texts)
        assert offset == size + sum(rest.sizes) + rest.skipped
        assert {} == joiner.pending()
    assert read[0] == read[1]
