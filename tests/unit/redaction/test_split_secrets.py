"""A secret is found wherever a writer, an engine or a read cuts it; what was found is counted durably."""

import itertools
import json

import pytest
from isal import igzip

from logship.app import build
from logship.config.settings import FileSource, Ingest, Settings
from logship.ledger.ledger import Ledger
from logship.ledger.status import status

SECRET = "EXAMPLEexample0123456789"
STAMP = "2025-11-20 08:00:07.412 ERROR [Dummy-7] [x.py:88] 6f1e0c1e9a - "


@pytest.fixture
def ship(tmp_path):
    """Give a function that lets an agent read a log to its end, and returns all that the ledger holds of it."""

    def call(data: bytes, envelope="plain", **ingest) -> str:
        logs = tmp_path / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / "a.log").open("ab") as file:
            file.write(data)
        settings = Settings(
            state_dir=tmp_path / "state",
            files=[FileSource(path=str(logs / "*.log"), service="api", envelope=envelope)],
            containers={"enabled": False},
            ingest=Ingest(**ingest),
        )
        build(settings).once()
        with Ledger.open(tmp_path / "state", readonly=True) as ledger:
            bodies = [igzip.decompress(batch.body) for batch in ledger.after(0, limit=10_000)]
        return b"".join(bodies).decode()

    return call


def _docker(text: str, *cuts: int) -> bytes:
    """Write a line as Docker does, in parts that end at the cuts."""
    edges = [0, *cuts, len(text)]
    parts = [text[start:end] for start, end in itertools.pairwise(edges)]
    ends = ["", *[""] * (len(parts) - 2), "\n"][-len(parts) :]
    return b"".join(
        json.dumps({"log": part + end, "stream": "stderr", "time": "2025-11-20T08:00:07.412Z"}).encode() + b"\n"
        for part, end in zip(parts, ends, strict=True)
    )


def test_a_secret_in_two_parts_of_a_docker_line_is_found(ship):
    """Docker cuts long lines where it likes: in the name, at the sign, in the middle of the value."""
    text = f"{STAMP}connect api_key={SECRET} failed"
    at = text.index("api_key")
    whole = b"".join(_docker(text, cut) for cut in range(at, at + 30))
    whole += _docker(text, at + 3, at + 8, at + 12, at + 20)
    found = ship(whole, envelope="docker")
    assert SECRET[:8] not in found
    assert SECRET[-8:] not in found
    assert found.count("[api-key:") >= 31


def test_a_secret_on_the_edge_of_two_reads_is_found(ship, tmp_path):
    """Lines longer than a read, and reads that end anywhere in them, hide nothing less."""
    lines = [f"{STAMP}{'x' * (1000 + 37 * number)} api_key={SECRET} {'y' * 500}\n" for number in range(60)]
    found = ship("".join(lines).encode(), chunk_bytes="4KiB")
    assert SECRET[:8] not in found
    assert SECRET[-8:] not in found
    assert status(tmp_path / "state").redacted["api-key"] == 60


def test_a_secret_over_several_lines_of_an_event_is_found(ship):
    """A private key, a YAML block and a JSON body stand on lines of their own in one event."""
    key = "\n".join([f"EXAMPLEEXAMPLE{number}EXAMPLEEXAMPLE0123456789" for number in range(3)])
    text = (
        f"{STAMP}loaded\n-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"
        f'password: |\n    {SECRET}\n{{\n  "token":\n    "{SECRET}"\n}}\n'
    )
    found = ship(text.encode())
    assert "EXAMPLEEXAMPLE" not in found
    assert SECRET not in found


def test_counts_outlive_a_restart_and_are_of_the_documents_transaction(ship, tmp_path):
    """Status tells how many secrets were taken out, by rule, over all runs."""
    line = f"{STAMP}password={SECRET} at redis://:{SECRET}@redis:6379/1\n".encode()
    ship(line)
    assert {"password": 1, "url-password": 1} == status(tmp_path / "state").redacted
    ship(line * 3)
    assert {"password": 4, "url-password": 4} == status(tmp_path / "state").redacted
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert [] == [path for path in files if SECRET.encode() in path.read_bytes()]
