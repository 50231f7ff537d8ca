"""The demo corpus and every pipeline's samples, read by the real agent into a real Elasticsearch and the store."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import orjson
import yaml
from views import corpus

from logship.data import data_path
from logship.delivery.courier import Courier
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import Client, connect
from logship.errors import DeliveryError
from logship.ledger.ledger import Ledger
from logship.pipeline.spec import Pipelines
from logship.report import Reporter
from logship.store.search import Search


@dataclass
class Demo:
    """Where the documents are."""

    client: Client
    namespace: str
    state_dir: Path

    @property
    def store(self) -> Search:
        """The agent's own store of the same documents."""
        return Search(self.state_dir)

    def index(self, pattern: str) -> str:
        """Return a data view's pattern, narrowed to the corpus."""
        return pattern.removesuffix("*") + self.namespace

    def search(self, index: str, body: dict) -> dict:
        """Ask Elasticsearch; an error is an error of the test."""
        path = f"/{self.index(index)}/_search?rest_total_hits_as_int=true"
        answer = self.client.request("POST", path, orjson.dumps(body))
        assert 200 == answer.status, answer.error()
        return answer.json()


def read(folder: Path, url: str, namespace: str) -> Path:
    """Let the agent read the corpus and the samples; returns its state directory."""
    folder.mkdir(exist_ok=True)
    files = corpus.write(folder) + _samples(folder / "samples")
    settings = {
        "state_dir": str(folder / "state"), "namespace": namespace, "containers": {"enabled": False},
        "files": [{"path": str(path), "service": service, "envelope": "plain"} for service, path in files],
        "elasticsearch": {"hosts": [url]},
    }  # fmt: skip
    config = folder / "logship.yaml"
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "logship", "--config", str(config), "tail", "--once", "--output", "none"]
    for _ in range(5):  # a busy machine takes its time to make thirty data streams
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != DeliveryError.exit_code or "documents wait" not in done.stderr:
            break
    assert 0 == done.returncode, done.stderr + done.stdout
    _reports(folder / "state", url, namespace)
    return folder / "state"


def _reports(state: Path, url: str, namespace: str) -> None:
    """Let the agent report on itself every five minutes; for a while nothing is delivered."""
    client = connect([url])
    with Ledger.open(state) as ledger:
        constants = {"ecs": {"version": "9.2.0"}, "host": {"name": "dify-1"}}
        reporter = Reporter(
            ledger, every=300, namespace=namespace, constants=constants, now=corpus.BEGIN
        )
        courier = Courier(ledger, ElasticsearchSink(client, namespace=namespace), threading.Event())
        for number in range(1, 24):
            assert reporter.step(corpus.BEGIN + timedelta(minutes=5 * number))
            if not 12 <= number < 17:
                assert courier.drain(time.monotonic() + 30)
    client.close()


def _samples(folder: Path) -> list[tuple[str, Path]]:
    folder.mkdir()
    found = []
    for name, spec in sorted(Pipelines.load([data_path("pipelines")]).specs.items()):
        service = spec.services[0].replace("*", "x") if spec.services else name
        for number, sample in enumerate(spec.samples):
            path = folder / f"{name}-{number}.log"
            text = sample.input if sample.input.endswith("\n") else sample.input + "\n"
            path.write_text(text, encoding="utf-8")
            found.append((service, path))
    return found
