"""The samples that a pipeline file carries: lines, and the documents they must become."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import orjson

from logship.lines.envelope import unwrap
from logship.lines.join import Joiner, compile_starts
from logship.model import Chunk, FileRef, Source
from logship.pipeline.clean import Redaction
from logship.pipeline.encoder import Encoder
from logship.pipeline.enrichment.user_agent import UserAgents
from logship.pipeline.spec import PipelineSpec, Sample


@dataclass(frozen=True, slots=True)
class Difference:
    """What a sample's documents have otherwise than expected."""

    sample: str
    #: Dotted field, or "documents" when their number differs.
    field: str
    expected: Any
    found: Any


def documents(spec: PipelineSpec, source: Source, text: str, redactor: Redaction) -> list[dict[str, Any]]:
    """Return the documents that some lines become, by the code that the agent runs."""
    data = text.encode()
    ref = FileRef(1, "sample", "", source)
    encoder = Encoder(spec, source, redactor, key=ref.key, constants={}, enrich={"user_agent.original": UserAgents()})
    joiner = Joiner(compile_starts(spec.starts), compile_starts(spec.alone))
    lines = unwrap(Chunk(ref, 0, data, len(data)))
    events = joiner.feed(lines, 0)
    encoded = encoder.encode(events).documents + encoder.encode(joiner.flush(math.inf)).documents
    return [orjson.loads(pair.split(b"\n")[1]) for pair in encoded]


def check(spec: PipelineSpec, sample: Sample, redactor: Redaction) -> list[Difference]:
    """Return every difference between a sample's documents and what it expects."""
    service = spec.services[0].replace("*", "x") if spec.services else spec.name
    found = documents(spec, Source(service), sample.input, redactor)
    if len(found) != len(sample.expect):
        shown = [document.get("message") for document in found]
        return [Difference(sample.name, "documents", len(sample.expect), shown)]
    return [
        Difference(sample.name, f"{number}.{name}", value, get(document, name))
        for number, (document, expected) in enumerate(zip(found, sample.expect, strict=True))
        for name, value in expected.items()
        if get(document, name) != value
    ]


def get(document: dict[str, Any], name: str) -> Any:  # noqa: ANN401  # JSON
    """Return the value of a dotted field, None where there is none."""
    value: Any = document
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return document.get(name)
        value = value[part]
    return value
