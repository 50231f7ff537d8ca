"""All services at once: shuffled logs, both streams, long lines in parts; every event comes whole and alone."""

import io
import random

import orjson
import pytest

from logship.app import build
from logship.config.settings import Settings
from logship.data import data_path
from logship.ledger.ledger import Ledger
from logship.lines.join import compile_starts
from logship.lines.reader import blocks
from logship.model import Source
from logship.offline import Offline, Options
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import documents
from logship.pipeline.spec import Pipelines
from logship.store.batches import unpack

PIPELINES = Pipelines.load([data_path("pipelines")])
KEY = b"k" * 32
REDACTOR = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=KEY)
#: What Docker puts into one record at most.
PART = 16 << 10
#: A line that is longer than a record, in the api's format.
LONG = "2025-11-20 08:00:07.412 INFO [MainThread] [app.py:12]  - " + "x" * (3 * PART + 5)


def service_of(name: str) -> str:
    """Return a service that the pipeline is for."""
    services = PIPELINES.specs[name].services
    return services[0].replace("*", "x") if services else "something"


def events_of(name: str) -> list[str]:
    """Return the pipeline's samples that begin with the beginning of an event: they can stand anywhere in a log."""
    spec = PIPELINES.specs[name]
    starts = compile_starts(spec.starts) or bool
    samples = [sample.input.strip("\n") for sample in spec.samples if "\x1b" not in sample.input]
    return [text for text in samples if starts(text.partition("\n")[0])]


def said(document: dict) -> tuple:
    """Return what a document says; its time only where it cannot be that of a neighbour."""
    log, error = document.get("log", {}), document.get("error", {})
    return (document["message"], log.get("level"), error.get("type"), error.get("stack_trace"), document.get("tags"))


def expected(name: str, texts: list[str]) -> list[tuple]:
    """Return what each text becomes when it stands alone."""
    spec, source = PIPELINES.specs[name], Source(service_of(name))
    return [said(document) for text in texts for document in documents(spec, source, text + "\n", REDACTOR)]


def woven(chance: random.Random, *sequences: list) -> list:
    """Return the items of all sequences in one, each sequence in its own order."""
    places = [number for number, sequence in enumerate(sequences) for _ in sequence]
    chance.shuffle(places)
    rests = [iter(sequence) for sequence in sequences]
    return [next(rests[number]) for number in places]


def records(texts: list[str], stream: str) -> list[bytes]:
    """Return the records that Docker writes for the lines of a stream, long ones in parts."""
    made = []
    for text in texts:
        for line in text.split("\n"):
            whole = line + "\n"
            for begin in range(0, len(whole), PART):
                record = {"log": whole[begin : begin + PART], "stream": stream, "time": "2026-01-02T03:04:05.678901Z"}
                made.append(orjson.dumps(record))
    return made


@pytest.fixture
def state(tmp_path):
    """Give a state directory whose marks of redacted values are those of the samples."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    (folder / "redaction.key").write_bytes(KEY)
    (folder / "redaction.key").chmod(0o600)
    return folder


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_of_every_service_comes_whole(tmp_path, state, seed):
    """Through the agent: one container for each pipeline, both streams interleaved, events as if each stood alone."""
    chance = random.Random(seed)  # a shuffle that can be repeated
    wanted: dict[tuple[str, str], list[tuple]] = {}
    for number, name in enumerate(sorted(PIPELINES.specs)):
        folder = tmp_path / "containers" / f"{number:064x}"
        folder.mkdir(parents=True)
        labels = {"com.docker.compose.service": service_of(name), "com.docker.compose.project": "docker"}
        config = {"ID": folder.name, "Name": f"/docker-{name}-1", "Config": {"Image": "x", "Labels": labels}}
        (folder / "config.v2.json").write_bytes(orjson.dumps(config))
        texts = {stream: chance.sample(events_of(name), len(events_of(name))) for stream in ("stdout", "stderr")}
        assert len(texts["stdout"]) >= 8, name
        if name == "api":
            texts["stdout"].insert(3, LONG)
        for stream in texts:
            wanted[service_of(name), stream] = expected(name, texts[stream])
        mixed = woven(chance, records(texts["stdout"], "stdout"), records(texts["stderr"], "stderr"))
        (folder / f"{folder.name}-json.log").write_bytes(b"\n".join(mixed) + b"\n")
    settings = Settings(state_dir=state, containers={"root": tmp_path / "containers"})
    build(settings).once()
    found: dict[tuple[str, str], list[tuple]] = {place: [] for place in wanted}
    with Ledger.open(state, readonly=True) as ledger:
        for batch in ledger.after(0, limit=10_000):
            for text in unpack(batch.body)[1]:
                document = orjson.loads(text)
                found[document["service"]["name"], document["stream"]].append(said(document))
    assert wanted == found


def test_what_compose_shows_of_all_services_is_told_apart(state):
    """Pasted from `docker compose logs`: each prefix's lines go to its own pipeline, and none to another's events."""
    chance = random.Random(3)  # a shuffle that can be repeated
    texts = {service_of(name): events_of(name) for name in sorted(PIPELINES.specs) if name != "generic"}
    lines = [
        [f"{service}-1  | {line}" for text in several for line in text.split("\n")]
        for service, several in texts.items()
    ]
    data = "\n".join(woven(chance, *lines)).encode()
    reading = Offline(Settings(state_dir=state)).read("", blocks(io.BytesIO(data)), Options())
    found: dict[str, list[tuple]] = {service: [] for service in texts}
    for one in reading:
        document = orjson.loads(one.json)
        found[document["service"]["name"]].append(said(document))
    names = {service_of(name): name for name in PIPELINES.specs}
    assert {service: expected(names[service], several) for service, several in texts.items()} == found
