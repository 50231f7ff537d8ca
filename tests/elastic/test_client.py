"""Who we say we are, and whom we believe: authorisation and TLS."""

import base64
import hashlib
import ssl
import subprocess

import pytest
from contract.batches import document, stored
from servers.forward_proxy import proxying

from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.elastic.identity import Identity, Secret
from logship.elastic.nodes import Tls, nodes

CREATED = b'{"errors":false,"took":1,"items":[{"create":{"status":201}}]}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Give a self-signed certificate with its key, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key",
               "-out", folder / "crt"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    path = folder / "both.pem"
    path.write_bytes((folder / "key").read_bytes() + (folder / "crt").read_bytes())
    return path


def fingerprint(certificate):
    """Return the SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` writes it."""
    text = certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[place : place + 2] for place in range(0, 64, 2))


def send(url, **options):
    """Send one document and return how many were delivered."""
    sink = ElasticsearchSink(connect([url], **options))
    try:
        return sink.send(stored(document()), None).delivered
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (Identity(Secret("aWQ6a2V5")), "ApiKey aWQ6a2V5"),
        (Identity(Secret("id:key")), "ApiKey aWQ6a2V5"),
        (Identity(username="elastic", password=Secret("pass:word")),
         f"Basic {base64.b64encode(b'elastic:pass:word').decode()}"),
        (Identity(bearer=Secret("token")), "Bearer token"),
        (None, None),
    ],
)  # fmt: skip
def test_requests_carry_who_we_are(answer_with, identity, expected):
    """A key, a password or a token is sent with every request, in the form that the server expects."""
    seen = []
    send(answer_with(200, CREATED, seen=seen), identity=identity)
    assert [one.get("authorization") for one in seen] == [expected]


def test_requests_are_understood_by_every_version(answer_with):
    """Media types name no version, and the body goes out as the gzip that it is in the ledger."""
    seen = []
    send(answer_with(200, CREATED, seen=seen))
    names = ("accept", "content-type", "content-encoding")
    assert [seen[0][name] for name in names] == ["application/json", "application/x-ndjson", "gzip"]
    assert seen[0]["user-agent"].startswith("logship/")


def test_a_user_in_the_address_is_used(answer_with):
    """`http://user:password@host` works as people expect."""
    seen = []
    send(answer_with(200, CREATED, seen=seen).replace("//", "//me:secret@"))
    assert seen[0]["authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"


def test_the_right_authority_or_fingerprint_is_believed(answer_with, certificate):
    """A server is believed by its CA file, by its fingerprint, or when told not to look."""
    url = answer_with(200, CREATED, certificate=certificate)
    assert [
        send(url, tls=Tls(certificate)), send(url, tls=Tls(fingerprint=fingerprint(certificate))),
        send(url, tls=Tls(verify=False)),
    ] == [1, 1, 1]  # fmt: skip


def test_an_unknown_server_gets_no_document(answer_with, certificate):
    """Without its CA, or with another fingerprint, nothing is sent, and the reason says what to check."""
    seen = []
    url = answer_with(200, CREATED, certificate=certificate, seen=seen)
    for tls in (Tls(), Tls(fingerprint="00" * 32)):
        with pytest.raises(SinkUnavailable, match="CA file or the fingerprint") as caught:
            send(url, tls=tls)
        assert caught.value.pause == 60
    assert seen == []


def test_a_key_in_a_file_is_read_again_when_it_changes(answer_with, tmp_path):
    """A key that is exchanged on disk is used from the next request on; while the file is away, the last one."""
    path, seen = tmp_path / "key", []
    path.write_text("first\n")
    client = connect([answer_with(200, CREATED, seen=seen)], identity=Identity(Secret(file=path)))
    sink = ElasticsearchSink(client)
    sink.send(stored(document()), None)
    path.write_text("second, longer\n")
    sink.send(stored(document()), None)
    path.unlink()
    sink.send(stored(document()), None)
    sink.close()
    assert [one["authorization"] for one in seen] == ["ApiKey first", *["ApiKey second, longer"] * 2]


def test_a_client_certificate_is_shown(answer_with, certificate):
    """A server that asks for a certificate gets ours; without one nothing is sent."""
    seen = []
    url = answer_with(200, CREATED, certificate=certificate, clients=certificate, seen=seen)
    assert send(url, tls=Tls(certificate, client_cert=certificate, client_key=certificate)) == 1
    with pytest.raises(SinkUnavailable):
        send(url, tls=Tls(certificate))
    assert len(seen) == 1


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_on_the_way_is_used(answer_with, certificate, secure):
    """Http goes through the proxy by its whole address, https through a tunnel, both with the proxy's password."""
    passed, seen = [], []
    with proxying("me", "s:cret", passed) as proxy:
        url = answer_with(200, CREATED, certificate=certificate if secure else None, seen=seen)
        assert send(url, proxy=proxy, tls=Tls(certificate)) == 1
    address = url.removeprefix("https://").removeprefix("http://")
    (method, target) = passed[0]
    assert (method, target.partition("/logs-")[0]) == (
        ("CONNECT", address) if secure else ("POST", f"http://{address}")
    )
    assert "proxy-authorization" not in seen[0]


def test_a_proxy_that_refuses_us_is_unavailable(answer_with):
    """A wrong password of the proxy delivers nothing."""
    seen = []
    with proxying("me", "right", []) as proxy, pytest.raises(SinkUnavailable):
        send(answer_with(200, CREATED, seen=seen), proxy=proxy.replace("right", "wrong"))
    assert seen == []


def test_a_cloud_id_names_the_address():
    """The id of an Elastic Cloud deployment holds host and port (base64 of domain, Elasticsearch, Kibana)."""
    name = base64.b64encode(b"eu.example:9243$abc123$def456").decode()
    (node,) = nodes([], f"mine:{name}", Tls(), "", 2)
    assert (node.scheme, node.host, node.port) == ("https", "abc123.eu.example", 9243)
