"""Two sinks at once, each with its own cursor."""

import pytest

from logship.app import build
from logship.config.settings import Elasticsearch, FileSink, FileSource, Settings
from logship.errors import DeliveryError
from logship.ledger.status import status


def settings(folder, url: str, namespace: str) -> Settings:
    """Read `a.log` and deliver it to a file and to Elasticsearch."""
    return Settings(
        state_dir=folder / "state",
        files=[FileSource(path=str(folder / "a.log"), service="api")],
        containers={"enabled": False},
        namespace=namespace,
        file_sink=FileSink(path=folder / "out.ndjson"),
        elasticsearch=Elasticsearch(hosts=[url]),
    )


def test_a_sink_that_is_away_does_not_hold_up_the_other(tmp_path, elasticsearch_url, elasticsearch, namespace):
    """The file has everything at once; Elasticsearch gets it when it is back, and neither gets anything twice."""
    lines = "".join(f"2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - event {number}\n" for number in range(50))
    (tmp_path / "a.log").write_text(lines)
    with pytest.raises(DeliveryError, match="elasticsearch: 50 documents wait"):
        build(settings(tmp_path, "http://127.0.0.1:9", namespace)).once(deadline=0.5)
    assert {"elasticsearch": (0, 50), "file": (50, 0)} == outcomes(tmp_path)
    build(settings(tmp_path, elasticsearch_url, namespace)).once()
    assert {"elasticsearch": (50, 0), "file": (50, 0)} == outcomes(tmp_path)
    assert 50 == len((tmp_path / "out.ndjson").read_bytes().splitlines())
    elasticsearch.request("POST", f"/logs-dify.api-{namespace}/_refresh")
    assert 50 == elasticsearch.request("GET", f"/logs-dify.api-{namespace}/_count").json()["count"]


def outcomes(folder) -> dict[str, tuple[int, int]]:
    """Give delivered and pending of each sink."""
    return {sink.name: (sink.delivered, sink.pending) for sink in status(folder / "state").sinks}
