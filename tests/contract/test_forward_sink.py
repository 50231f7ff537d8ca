"""Delivery by the forward protocol: answers, keys, certificates, and what is sent again."""

import ssl
import struct
import subprocess

import pytest
from contract.batches import document, stored
from contract.receiver import receiving

from logship.app import build
from logship.config.forward import Forward
from logship.config.load import load
from logship.config.settings import Settings
from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.forward import ForwardSink
from logship.errors import ConfigError
from logship.ledger.status import status
from logship.model import Receipt


@pytest.fixture
def sink(tmp_path):
    """Give a function that makes a sink for a receiver, as after a restart."""
    made = []

    def make(server, **options):
        made.append(ForwardSink(*server.server_address, state=tmp_path / "forward.json", **{"timeout": 5.0, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def many(count, size=3000):
    """Return a batch with more documents than one message takes."""
    return stored(*[document(number, message="x" * size) for number in range(count)])


def test_records_have_id_time_and_tag(sink):
    """A record is the document with its id; its time is in nanoseconds; the tag names the dataset."""
    one = document(**{"@timestamp": "2026-01-02T03:04:05.678901234Z"})
    with receiving() as server:
        sink(server, tag="dify").send(stored(one), None)
        assert server.records == {"k-0": one}
        assert server.times == {"k-0": (0, struct.pack(">II", 1767323045, 678901234))}
        assert server.tags == ["dify.dify.api"]


@pytest.mark.parametrize(("step", "reason"), [("L", "closed"), ("C", "closed"), ("W", "instead"), ("S", "in time")])
def test_what_is_not_acknowledged_is_sent_again_and_is_there_once(sink, step, reason):
    """Whatever becomes of an answer, a repetition brings the rest, and each record is there once."""
    batch = many(1000)
    with receiving(script=["", step]) as server:
        ours = sink(server, timeout=0.3)
        with pytest.raises(SinkUnavailable, match=reason) as raised:
            ours.send(batch, None)
        assert raised.value.unknown
        receipt = ours.send(batch, None)
        assert receipt.delivered + len(receipt.duplicate) == 1000
        assert 0 < len(receipt.duplicate) < 1000
        assert list(server.records) == [f"k-{number}" for number in range(1000)]


def test_one_connection_is_kept_and_made_anew_when_it_ended(sink):
    """Batches go over one connection; after the other side closed it, over a new one, with no error."""
    with receiving() as server:
        ours = sink(server)
        for number in range(3):
            ours.send(stored(document(number), seq=number, key=f"a{number}"), None)
        assert server.connections == 1
    with receiving(shared_key="k", keepalive=False) as server:
        ours = sink(server, shared_key="k")
        for number in range(3):
            ours.send(stored(document(number), seq=number, key=f"b{number}"), None)
        assert (server.connections, len(server.records)) == (3, 3)


def test_a_shared_key_and_a_user_let_us_in(sink):
    """With the right key, and the user where one is asked for, documents are taken."""
    with receiving(shared_key="the key", user=("ship", "secret")) as server:
        receipt = sink(server, shared_key="the key", user=("ship", "secret")).send(stored(document()), None)
        assert receipt == Receipt(delivered=1)


@pytest.mark.parametrize(
    "options", [{}, {"shared_key": "another"}, {"shared_key": "the key", "user": ("ship", "wrong")}]
)
def test_a_wrong_key_is_an_alarm_with_the_next_step(sink, options):
    """Without the right key nothing is taken; the reason names the setting, and no secret."""
    with receiving(shared_key="the key", user=("ship", "secret")) as server:
        with pytest.raises(SinkUnavailable, match=r"forward\.shared_key_file") as raised:
            sink(server, **options).send(stored(document()), None)
        assert raised.value.alarm
        assert not server.records
        assert "another" not in str(raised.value)


def test_a_certificate_is_checked(sink, tmp_path):
    """With TLS, only who has a certificate of the given authority gets documents."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
               tmp_path / "key", "-out", tmp_path / "crt"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with receiving(context=context) as server:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "crt"))
        assert sink(server, tls=trusting).send(stored(document()), None) == Receipt(delivered=1)
        with pytest.raises(SinkUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            sink(server, tls=ssl.create_default_context()).send(stored(document(), seq=2, key="b"), None)
        assert list(server.records) == ["k-0"]


def test_what_answers_in_no_known_way_is_unavailable(sink):
    """A server of another protocol gets a reason, not a traceback, and is asked again later."""
    with receiving(script=["W"]) as server, pytest.raises(SinkUnavailable, match="acknowledgement"):
        sink(server).send(stored(document()), None)


def test_the_agent_delivers_there_by_its_settings(tmp_path):
    """`forward.host` alone makes the agent deliver to it; status counts it like any sink."""
    lines = "".join(f"2025-11-20 08:00:07.{number:03d} INFO [T] [a.py:1]  - event {number}\n" for number in range(50))
    (tmp_path / "a.log").write_text(lines)
    with receiving() as server:
        host, port = server.server_address
        settings = Settings(
            state_dir=tmp_path / "state",
            files=[{"path": str(tmp_path / "*.log"), "service": "api"}],
            containers={"enabled": False},
            forward=Forward(host=host, port=port),
        )
        build(settings).once()
        assert sorted(one["message"] for one in server.records.values()) == sorted(f"event {n}" for n in range(50))
    (found,) = status(tmp_path / "state").sinks
    assert (found.name, found.delivered, found.pending) == ("forward", 50, 0)


@pytest.mark.parametrize(
    "wrong", ["{host: h, username: u}", "{host: h, ca_file: /x}", "{host: h, port: 0}", "{host: h, tag: 'a b'}"]
)
def test_settings_that_cannot_work_name_the_key(tmp_path, wrong):
    """A mistake in the section is told with the section's name."""
    (tmp_path / "logship.yaml").write_text(f"forward: {wrong}\n")
    with pytest.raises(ConfigError, match="forward"):
        load(config=tmp_path / "logship.yaml", environ={})
