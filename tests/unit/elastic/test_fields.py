"""The table of fields names everything that logship writes, with types that the values are of."""

import ipaddress
import re
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from logship.app import build
from logship.config.settings import Settings
from logship.data import data_path
from logship.elastic import fields
from logship.elastic.generate import generated
from logship.model import Source
from logship.pipeline.columns import Field
from logship.pipeline.redaction import Redactor
from logship.pipeline.samples import documents
from logship.pipeline.spec import Pipelines
from logship.store.fields import KINDS, Kind, kind_of

ROOT = Path(__file__).parents[3]
TABLE = {field.name: field for field in fields.load()}
HINT = "add it to elk/fields.yaml and run `make generate`"
PIPELINES = Pipelines.load([data_path("pipelines")]).specs
REDACTOR = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)
#: How the embedded search compares each mapping type.
COMPARED = {
    "match_only_text": Kind.TEXT, "long": Kind.LONG, "float": Kind.DOUBLE, "date": Kind.DATE, "ip": Kind.IP,
}  # fmt: skip


def fits(kind: str, value: object) -> bool:
    """Return whether Elasticsearch takes a value for a field of a mapping type, without leaving it out."""
    if isinstance(value, list):
        return all(fits(kind, one) for one in value)
    try:
        match kind:
            case "flattened":
                return isinstance(value, dict)
            case "long":
                return not isinstance(value, bool) and int(value) == float(value)
            case "float":
                return float(value) is not None
            case "boolean":
                return isinstance(value, bool)
            case "date":
                return bool(datetime.fromisoformat(str(value)))
            case "ip":
                return bool(ipaddress.ip_address(str(value)))
            case "geo_point":
                return isinstance(value, dict) or bool(re.fullmatch(r"-?[\d.]+,-?[\d.]+", str(value)))
            case _:
                return isinstance(value, str)
    except (TypeError, ValueError):
        return False


def misfits(document: dict, prefix: str = "") -> list[str]:
    """Return what a document holds that the table does not know, or knows differently."""
    found = []
    for key, value in document.items():
        name = f"{prefix}{key}"
        if field := TABLE.get(name):
            found += [] if fits(field.type, value) else [f"{name} is {field.type} and holds {value!r}"]
        elif isinstance(value, dict):
            found += misfits(value, f"{name}.")
        else:
            found.append(f"{name} is not in the table: {HINT}")
    return found


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_every_field_of_every_sample_is_in_the_table(name):
    """Each document that a pipeline's samples become holds known fields only, of the types that are stated."""
    spec = PIPELINES[name]
    service = spec.services[0].replace("*", "x") if spec.services else name
    made = [one for sample in spec.samples for one in documents(spec, Source(service), sample.input, REDACTOR)]
    assert sorted({misfit for document in made for misfit in misfits(document)}) == []


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_every_field_that_a_pipeline_can_write_is_in_the_table(name):
    """Also what no sample shows: the targets of all formats and message rules."""
    spec = PIPELINES[name]
    rules = [*spec.formats, *(rule for several in spec.messages.values() for rule in several)]
    targets = [
        target
        for rule in rules
        for several in rule.fields.values()
        for target in ([several] if isinstance(several, str) else several)
    ]
    names = {part for target in targets for part, _ in Field(target).parts}
    names |= {field for rule in rules for field in rule.set} | {form.rest for form in spec.formats if form.rest}
    assert sorted(name for name in names if name not in TABLE) == [], HINT


def test_what_the_agent_adds_is_in_the_table(tmp_path):
    """Documents made of a container's log, of a plain file and of broken, cut and foreign lines hold known fields."""
    container = tmp_path / "containers" / ("ab" * 32)
    container.mkdir(parents=True)
    labels = {"com.docker.compose.service": "api", "com.docker.compose.project": "dify"}
    config = {"Name": "/dify-api-1", "Config": {"Image": "langgenius/dify-api:1.13.3", "Labels": labels}}
    (container / "config.v2.json").write_bytes(orjson.dumps(config))
    stamp = "2025-11-20T08:00:00.000000001Z"
    record = {"log": "a line\n", "stream": "stderr", "time": stamp, "attrs": {"team": "search", "tag": "x"}}
    lines = [orjson.dumps(record), b"no envelope", orjson.dumps(record | {"log": "x" * 9000 + "\n"})]
    (container / f"{container.name}-json.log").write_bytes(b"\n".join(lines) + b"\n")
    plain = tmp_path / "server.log"
    plain.write_bytes(b"one\0\0line\n" + b"y" * 9000 + b"\n" + b"Traceback (most recent call last):\n" + b"  x\n" * 30)
    sink = tmp_path / "out.ndjson"
    settings = Settings.model_validate(
        {
            "state_dir": tmp_path / "state",
            "containers": {"enabled": True, "root": tmp_path / "containers"},
            "files": [{"path": str(plain), "service": "api"}],
            "file_sink": {"path": sink},
            "store": {"enabled": False},
            "ingest": {"max_line_bytes": 4096, "max_event_lines": 10},
            "labels": {"site": "berlin"},
            "keep_original": "always",
        }
    )
    build(settings).once()
    made = [orjson.loads(line) for line in sink.read_bytes().splitlines()]
    assert len(made) >= 6
    assert {"container.name", "log.file.path", "log.flags", "labels.site", "container.labels.team"} <= {
        name for document in made for name in flat(document)
    }
    assert sorted({misfit for document in made for misfit in misfits(document)}) == []


def flat(document: dict, prefix: str = "") -> set[str]:
    """Return the dotted names of a document."""
    names = set()
    for key, value in document.items():
        names |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return names


def test_examples_are_of_their_types():
    """The example of each field is a value that the field takes."""
    read = {"flattened": lambda text: dict([text.split(": ", 1)]), "boolean": lambda text: text == "true"}
    wrong = [
        field.name
        for field in TABLE.values()
        if not field.description or not fits(field.type, read.get(field.type, str)(field.example))
    ]
    assert wrong == []


def test_no_field_lies_below_another():
    """A name is a value or an object, never both."""
    assert [name for name in TABLE if any(name.startswith(f"{other}.") for other in TABLE)] == []


def test_the_embedded_search_compares_fields_as_the_index_does():
    """A range of numbers, dates or addresses means the same in `logship search` and in Elasticsearch."""
    compared = [field for field in TABLE.values() if not field.stored and field.type not in ("flattened", "geo_point")]
    differ = {
        field.name: kind_of(field.name)
        for field in compared
        if kind_of(field.name) is not COMPARED.get(field.type, Kind.KEYWORD)
    }
    assert differ == {}
    assert {name for name in KINDS if name in TABLE and TABLE[name].stored} == {"event.original"}


def test_generated_files_are_as_their_tables_say():
    """`make generate` would change nothing."""
    stale = [path for path, content in generated().items() if (ROOT / path).read_bytes() != content]
    assert stale == [], "run `make generate`"
