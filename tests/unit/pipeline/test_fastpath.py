"""The short way from record to document gives what the long way gives."""

import math
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.data import data_path
from logship.lines.envelope import cut, unwrap, unwrap_some
from logship.lines.join import Joiner, compile_starts
from logship.model import Chunk, FileRef, Source
from logship.pipeline.compiled import compile_pipeline
from logship.pipeline.encoder import Encoder
from logship.pipeline.enrichment.user_agent import UserAgents
from logship.pipeline.escaped import escaped, record_pattern
from logship.pipeline.logformat import understand
from logship.pipeline.redaction import Redactor
from logship.pipeline.spec import Pipelines

_ROOT = data_path("pipelines")
KNOWN = Pipelines.load([_ROOT])
REDACTOR = Redactor.load(Path(_ROOT) / "redaction.yaml", policies={}, key=b"k" * 32)
ENRICH = {"user_agent.original": UserAgents()}
STAMP = "2025-11-20 08:00:{:02d}.{:03d}"


def record(text, stream="stdout", *, end="\n", **more):
    """Return Docker's record of a line, HTML characters escaped as Docker does."""
    data = orjson.dumps({"log": text + end, "stream": stream, "time": "2025-11-20T08:00:01.5Z", **more})
    for character in (b"<", b">", b"&"):
        data = data.replace(character, b"\\u%04x" % ord(character))
    return data + b"\n"


def usual(number, message="cache warmed", trace="ab" * 16):
    """Return a line of the api in its usual form."""
    stamp = STAMP.format(number % 60, number % 1000)
    return f"{stamp} INFO [Thread-{number % 7}] [app.py:{number}] {trace} - {message}"


def documents(chunks, service, *, short, spec=None, **more):
    """Return the documents of chunks of a container's file, and how many of them came the short way."""
    source = Source(service, "docker")
    spec = spec or KNOWN.for_source(source)
    more = {"constants": {"host": {"name": "h"}}} | more
    encoder = Encoder(spec, source, REDACTOR, key="key", enrich=ENRICH, **more)
    joiner = Joiner(compile_starts(spec.starts), compile_starts(spec.alone))
    found, quick, offset = [], 0, 0
    for data in chunks:
        chunk = Chunk(FileRef(1, "key", "/f", source), offset, data, len(data))
        offset += len(data)
        raw, edges = cut(chunk)
        taken = encoder.take(data, raw, edges) if short and not joiner.has_parts else None
        lines = unwrap(chunk) if taken is None else unwrap_some(raw, edges, taken.rest)
        if taken is not None and "" in lines.times:
            taken, lines = None, unwrap(chunk)
        encoded = encoder.encode(joiner.feed(lines, 0), [taken] if taken else [])
        made = encoded.documents
        if taken is not None:
            quick += taken.count
            left = set(taken.rest)
            assert taken.size == sum(len(line) for row, line in enumerate(raw) if row not in left)
            lines_of = b"".join(encoded.documents).split(b"\n")[:-1]
            made = [b"%b\n%b\n" % pair for pair in zip(*[iter(lines_of)] * 2, strict=True)]
            assert len(made) == encoded.count
            times = [orjson.loads(one.split(b"\n")[1])["@timestamp"] for one in made]
            assert (min(times), max(times)) == (min(encoded.times), max(encoded.times))
        found += made
    found += encoder.encode(joiner.flush(math.inf)).documents
    return [tuple(map(orjson.loads, one.splitlines())) for one in found], quick


def both(chunks, service="api", spec=None):
    """Return the documents of both ways, and how many came the short way."""
    long, _ = documents(chunks, service, short=False, spec=spec)
    short, quick = documents(chunks, service, short=True, spec=spec)
    return long, short, quick


def place(pair):
    """Return where a document's bytes were."""
    return int(pair[0]["create"]["_id"].rpartition("-")[2])


@pytest.mark.parametrize(
    ("layout", "dates", "line"),
    [
        ("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S", "2025-11-20 08:00:{:02d} INFO a.b: c"),
        ("[%(asctime)s] [%(levelname)-8s] [%(threadName)s] %(req_id)s %(message)s", "%d/%b/%Y %H:%M:%S %z",
         "[20/Nov/2025 08:00:{:02d} +0000] [ERROR   ] [Thread-3 (f)] 0a1b2c3d4e c"),
        ("%(created)f|%(colour)s|%(message)s", "%c", "17636256{:02d}.123456|dark green|c"),
    ],
)  # fmt: skip
def test_lines_of_a_log_format_go_the_short_way(layout, dates, line):
    """A layout whose parts end where the next begins is read from Docker's record."""
    spec = understand(KNOWN, layout, dates).specs["api"]
    chunk = b"".join(record(line.format(number % 60)) for number in range(100))
    long, short, quick = both([chunk] * 3, spec=spec)
    assert sorted(long, key=place) == sorted(short, key=place)
    assert quick > 190


LEARN = b"".join(record(usual(number)) for number in range(40))
LINES = st.one_of(
    st.builds(lambda n: record(usual(n)), st.integers(0, 999)),
    st.builds(lambda n, text: record(usual(n, text)), st.integers(0, 999), st.text(max_size=40)),
    st.builds(lambda n: record(usual(n, trace="")), st.integers(0, 999)),
    st.sampled_from(
        [
            record(usual(1), "stderr"),
            record("Traceback (most recent call last):"),
            record('  File "/app/a.py", line 1, in f'),
            record("ValueError: no"),
            record("ValueError: no", "stderr"),
            record(""),
            record("x" * 30, end=""),
            record(usual(2), end=""),
            record(usual(3, 'says "no" to a<b & c')),
            record(usual(4, "tab\there and a \\ there")),
            record(usual(5, "api_key=sk-EXAMPLEEXAMPLEEXAMPLE1234567890")),
            record(usual(6, "Task a.b[0b5c7a10-1111-4222-8333-000000000001] received")),
            record(usual(7, "\x1b[31mred\x1b[0m")),
            record(usual(8), attrs={"team": "x"}),
            record(usual(9, "超时 für alle")),
            record(usual(10), end="\r\n"),
            record(usual(11).replace("INFO", "STRANGE")),
            record(usual(12).replace("2025-11-20", "2025-13-99")),
            record(usual(13, trace="0123456789")),
            record('{"ts":"2025-11-20T08:00:00Z","severity":"INFO","message":"json"}'),
            b"not a record\n",
            b'{"log":"2025-11-20 08:00:00.001 INFO [a] [b.py:1] - cut\n',
            b'{"log":"2025-11-20 08:00:00.001 INFO [a"] [b.py:1]  - q\\n","stream":"stdout","time":"t"}\n',
            b'{"log":"2025-11-20 08:00:00.001 INFO [a\x01] [b.py:1]  - q\\n","stream":"stdout","time":"t"}\n',
            b'{"log":"2025-11-20 08:00:00.001 INFO [a] [b.py:1]  - \xff\\n","stream":"stdout","time":"t"}\n',
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(LINES, min_size=1, max_size=40), min_size=1, max_size=4))
def test_any_lines_give_the_same_documents_both_ways(groups):
    """Whatever lies between usual lines, both ways give the same documents."""
    some = b"".join(record(usual(number)) for number in range(20))
    long, short, _ = both([LEARN, *[some + b"".join(group) + some for group in groups]])
    assert sorted(short, key=place) == sorted(long, key=place)


def test_usual_lines_go_the_short_way():
    """Once it is known what is usual, nearly every line is taken without decoding it."""
    long, short, quick = both([LEARN, LEARN, LEARN])
    assert short == long
    assert quick == 78


@pytest.mark.parametrize("name", sorted(KNOWN.specs))
def test_the_samples_of_every_pipeline_give_the_same_documents_both_ways(name):
    """Each one-line sample, among many of its form, becomes the same document both ways."""
    spec = KNOWN.specs[name]
    service = spec.services[0].replace("*", "x") if spec.services else "unheard-of"
    texts = [sample.input.rstrip("\n") for sample in spec.samples if "\n" not in sample.input.rstrip("\n")]
    for text in texts:
        chunk = b"".join(record(text) for _ in range(40))
        long, short, _ = both([chunk, chunk, chunk], service)
        assert short == long, text


def test_access_lines_with_their_quotes_go_the_short_way():
    """A form with quotes is found in its escaped text; a field that only some lines have is in these only."""
    line = '10.0.0.1 - - [20/Nov/2025:08:00:{:02d} +0000] "GET /a{} HTTP/1.1" 200 5 "{}" "curl/8" "-"'
    texts = [line.format(n, "?q=1" if n % 2 else "", "-" if n % 3 else "http://x/") for n in range(50)]
    chunk = b"".join(map(record, texts))
    long, short, quick = both([chunk, chunk], "nginx")
    assert short == long
    assert quick == 49


@pytest.mark.parametrize("pattern", ["a\\tb", "(?P<a>x)(?P=a)", "[\"']", "ü", "\\bword"])
def test_what_cannot_be_told_from_the_record_is_left_to_the_long_way(pattern):
    """A pattern whose escaped form is not certain has none."""
    assert escaped(pattern) is None
    assert record_pattern(pattern) is None


@pytest.mark.parametrize("own", [{}, {"log": {"level": "kept"}}, {"process": "text"}])
def test_files_that_share_what_their_parts_become_keep_their_own_constants(own):
    """What one file learned is used for the others, with the constants of each."""
    compiled = compile_pipeline(KNOWN.specs["api"], "UTC")
    chunk = b"".join(record(usual(number)) for number in range(300))
    for path in ("/var/log/a", "/var/log/b", "/var/log/c"):
        more = {"path": path, "constants": {"host": {"name": path}} | own}
        long, _ = documents([chunk] * 2, "api", short=False, **more)
        short, quick = documents([chunk] * 2, "api", short=True, compiled=compiled, **more)
        assert short == long
        assert quick > 250
        assert {document["log"]["file"]["path"] for _, document in short} == {path}


@pytest.mark.parametrize("trace", ["no-trace-id-here", "ABCDEF0123456789", "0123456789abcdeg", "0123456789é"])
def test_what_stands_where_an_id_should_is_no_id(trace):
    """Text that is not hexadecimal digits is not taken for the id of a trace."""
    odd = b"".join(record(usual(number, trace=trace)) for number in range(5))
    long, short, _ = both([LEARN, LEARN + odd + LEARN, LEARN])
    assert short == long


def test_a_beginning_that_needs_more_than_the_stamp_is_looked_for_in_each_line():
    """Where the text after the stamp decides whether an event begins, lines without it belong to the one before."""
    spec = KNOWN.specs["api"].model_copy(update={"starts": [r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO "]})
    chunk = LEARN + record(usual(3).replace("INFO", "DEBUG")) + LEARN
    long, short, quick = both([chunk] * 12, spec=spec)
    assert short == long
    assert quick > 70


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 30, "007", "0"])
def test_numbers_that_lie_bare_in_json_fit_their_field(number):
    """What is no number of 64 bits is none in either way."""
    line = f'10.0.0.1 - - [20/Nov/2025:08:00:00 +0000] "GET /a HTTP/1.1" 200 {number} "-" "curl/8" "-"'
    chunk = b"".join(record(line) for _ in range(50))
    long, short, _ = both([chunk, chunk], "nginx")
    assert short == long
