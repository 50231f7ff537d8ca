"""Nothing of a document is written unredacted: not its fields, not what comes beside the line, not what is constant."""

import re

import orjson
import pytest

from logship.data import data_path
from logship.model import Events, Source
from logship.pipeline.encoder import Encoder
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import documents
from logship.pipeline.spec import Pipelines

SECRET = "EXAMPLEexample0123456789"
STAMP = "2025-11-20 08:00:07.412 ERROR [Dummy-7] [x.py:88] 6f1e0c1e9a - "
RULES = data_path("pipelines") / "redaction.yaml"


@pytest.fixture(scope="module")
def pipelines():
    """Give the shipped pipelines."""
    return Pipelines.load_for_use(data_path("pipelines"), [])


@pytest.fixture
def encode(pipelines):
    """Give a function that encodes texts of a service, and returns the documents and the counts by rule."""

    def call(service, texts, *, extra=None, fields=None, policies=None, constants=None):
        source = Source(service, "plain", "", "UTC", fields or {})
        redactor = Redactor.load(RULES, policies=policies or {}, key=b"a key of the tests")
        encoder = Encoder(
            pipelines.for_source(source), source, redactor, key="f", constants=constants or {}, keep_original="always"
        )
        count = len(texts)
        events = Events(
            list(range(count)), [1] * count, list(texts), [""] * count, ["stdout"] * count, extra or {}, lines=count
        )
        encoded = encoder.encode(events)
        return [orjson.loads(document.split(b"\n")[1]) for document in encoded.documents], encoded.redacted

    return call


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("api", f"{STAMP}connect to redis://:{SECRET}@redis:6379/1"),
        ("api", f"{STAMP}failed\nTraceback (most recent call last):\n  File \"/a.py\", line 3, in f\n"
                f"    c(api_key='{SECRET}')\nValueError: api_key={SECRET} is wrong"),
        ("api", f'{{"ts":"2025-11-20T08:03:12.901Z","severity":"ERROR","service":"d","caller":"a.py:7","message":"x",'
                f'"stack_trace":"api_key={SECRET}","attributes":{{"password":"{SECRET}","n":{{"token":["{SECRET}"]}}}}}}'),
        ("nginx", f'172.18.0.1 - - [20/Nov/2025:08:03:12 +0000] "GET /x?token={SECRET}&a=1 HTTP/1.1" 200 5 '
                  f'"https://d.example/?access_token={SECRET}" "bot/1 (api_key={SECRET})"'),
        ("db_postgres", "2025-11-20 08:10:00.101 UTC [812] ERROR:  x\n"
                        f"\tDETAIL:  Key (token)=({SECRET}) already exists."),
        ("unheard_of", f"no format knows this: password={SECRET}"),
    ],
)  # fmt: skip
def test_no_field_of_a_document_holds_the_secret(encode, service, text):
    """Message, original, trace, URL, referrer, user agent and flattened attributes are all redacted, and counted."""
    documents, counts = encode(service, ["nothing here", text, "nor here"])
    assert SECRET not in orjson.dumps(documents).decode()
    assert sum(counts.values()) >= 1


def test_what_an_engine_writes_beside_a_line_is_redacted_and_counted(encode):
    """Docker's `attrs`, labels and variables of the container, come with lines that are no suspects."""
    attrs = {"container.attrs": {"DB_PASSWORD": SECRET, "tier": "api", "note": f"key sk-{SECRET}"}}
    documents, counts = encode("api", ["a", "b"], extra={0: attrs, 1: attrs})
    assert SECRET not in orjson.dumps(documents).decode()
    assert ["api", "api"] == [document["container"]["attrs"]["tier"] for document in documents]
    assert {"password": 2, "openai-key": 2} == counts


def test_constants_of_a_file_are_redacted(encode):
    """Labels of the container and of the operator hold no secret in any document."""
    fields = {"container": {"name": "api-1", "labels": {"token": SECRET, "team": "a"}}}
    documents, _ = encode("api", ["a"], fields=fields, constants={"labels": {"dsn": f"redis://:{SECRET}@r/1"}})
    assert SECRET not in orjson.dumps(documents).decode()
    assert documents[0]["container"]["labels"]["team"] == "a"
    assert documents[0]["container"]["name"] == "api-1"


def test_a_secret_of_a_field_inside_an_object_is_counted(encode):
    """What is found by a key's name in an object counts like what is found in a text."""
    line = '{"ts":"2025-11-20T08:03:12.901Z","severity":"INFO","message":"x","extra":{"password":"EXAMPLE0123 words"}}'
    documents, counts = encode("api", [line])
    assert "EXAMPLE0123" not in orjson.dumps(documents).decode()
    assert counts["password"] >= 1


def test_a_stamp_that_cannot_be_read_is_kept(pipelines):
    """Its field can hold no such value, so the whole line stands in `event.original`."""
    source = Source("api")
    redactor = Redactor.load(RULES, policies={}, key=b"a key of the tests")
    text = '{"ts":"20th of never","severity":"INFO","service":"d","caller":"a.py:7","message":"x"}\n'
    (document,) = documents(pipelines.for_source(source), source, text, redactor)
    assert document["event"]["original"] == text.rstrip("\n")


@pytest.mark.parametrize("number", ["9" * 30, "1e300", "-" + "9" * 30])
def test_a_number_too_large_for_its_field_does_no_harm(encode, number):
    """A duration or count beyond 64 bits makes no field, and the line is a document all the same."""
    line = f'{{"time":"2025-11-20T08:03:12Z","level":"info","msg":"x","duration":{number},"status":{number}}}'
    for service in ("api", "nginx", "weaviate", "milvus", "elasticsearch", "sandbox", "unheard_of"):
        found, _ = encode(service, [line])
        assert [line] == [document["event"]["original"] for document in found]


@pytest.mark.parametrize("policy", ["hash", "mask", "drop"])
def test_an_address_field_holds_addresses_only(encode, policy):
    """What replaces an IP address stands in `source.address`: Elasticsearch's type ip would refuse it."""
    line = '203.0.113.9 - - [20/Nov/2025:08:03:12 +0000] "GET /x HTTP/1.1" 200 5 "-" "curl/8.5.0"'
    documents, counts = encode("nginx", [line], policies={"ip": policy})
    assert "203.0.113.9" not in orjson.dumps(documents).decode()
    assert "ip" not in documents[0]["source"]
    assert counts["ip"] >= 1
    if policy != "drop":
        assert re.fullmatch(r"\[ip(:[0-9a-f]{6})?\]", documents[0]["source"]["address"])
