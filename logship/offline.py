"""
Reads lines as the agent would, without ledger or sinks: `logship parse`.

Each input is looked at first: how its lines are wrapped, what stands before
them, whose they are. Then it streams through the agent's own joiners and
encoders, one pair for each service that the lines name.
"""

from __future__ import annotations

import heapq
import math
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from logship.app import Binder, pipelines_of, policies
from logship.data import data_path
from logship.lines.envelope import is_cri, unwrap
from logship.lines.prefixes import Layer, Peeler, detect, is_container_id
from logship.lines.reader import Block, blocks
from logship.model import Chunk, Envelope, Events, FileRef, Lines, Source
from logship.pipeline.recognise import Guess, Recogniser
from logship.pipeline.redaction import Redactor
from logship.sources.discovery import service_of

if TYPE_CHECKING:
    from logship.config.settings import Settings
    from logship.pipeline.encoder import Encoder
    from logship.pipeline.explain import Explained, Explainer

_SAMPLE_LINES = 500
_SAMPLE_BYTES = 512 << 10
#: Documents that wait for an earlier event that is not complete.
_HELD = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says about an input; empty: found out."""

    service: str = ""
    envelope: Envelope | None = None
    zone: str = "UTC"
    quiet: float = 1.0
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document, in the order of the input."""

    offset: int
    json: bytes
    explained: Explained | None = None


@dataclass(slots=True)
class Findings:
    """What was found out about an input."""

    envelope: str = ""
    layers: list[Layer] = field(default_factory=list)
    #: Service by the name that the lines carry ("" for none), and how sure that is.
    services: dict[str, tuple[str, Guess | None]] = field(default_factory=dict)
    redacted: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """The lines of one service."""

    ref: FileRef
    encoder: Encoder
    joiner: Any
    explainer: Explainer | None


class Offline:
    """The pipelines, the rules of redaction and the settings of the agent, for inputs that it does not read."""

    def __init__(self, settings: Settings) -> None:
        self.pipelines = pipelines_of(settings)
        self.redactor = Redactor.load(
            data_path("pipelines") / "redaction.yaml", policies=policies(settings), key=_key(settings)
        )
        self.bind = Binder(settings, self.pipelines, self.redactor)
        self._recogniser: Recogniser | None = None

    @property
    def recogniser(self) -> Recogniser:
        """Return what recognises lines; made when it is first needed."""
        if self._recogniser is None:
            self._recogniser = Recogniser(self.pipelines)
        return self._recogniser

    def known(self, service: str) -> bool:
        """Return whether a pipeline names the service."""
        return any(spec.names(service) for spec in self.pipelines.specs.values())

    def read(self, path: str, blocks: Iterable[Block | None], options: Options) -> Reading:
        """Return the reading of one input; `path` is empty for standard input."""
        return Reading(self, path, blocks, options)

    def texts(self, stream: BinaryIO, options: Options) -> tuple[list[str], str]:
        """Return the first lines of an input without their wrapping, and what that was."""
        reading = self.read("", blocks(stream, quiet=math.inf), options)
        texts = reading.texts()
        parts = [reading.found.envelope, *(layer.name for layer in reading.found.layers)]
        return texts, ", ".join(part for part in parts if part != "plain")


class Reading:
    """One input on its way to documents; iterate once."""

    def __init__(self, offline: Offline, path: str, blocks: Iterable[Block | None], options: Options) -> None:
        self.found = Findings()
        self._offline = offline
        self._path = path
        self._options = options
        self._blocks = iter(blocks)
        self._groups: dict[str, _Group] = {}
        self._peeler = Peeler([], offline.known, options.zone)
        self._offset = 0
        self._held: list[tuple[int, int, Parsed]] = []
        self._count = 0

    def __iter__(self) -> Iterator[Parsed]:
        """Yield the documents in the order of their lines, as far as they are complete."""
        sample, ended = self._sample()
        self._look([block for block in sample if block])
        for block in sample if ended else _chain(sample, self._blocks):
            if block is not None:
                self._feed(block)
            else:
                self._flush(math.inf)  # nobody writes: what is open is complete
            yield from self._ready()
        self._flush(math.inf)
        yield from self._ready(everything=True)

    def texts(self) -> list[str]:
        """Return the first lines, as they are joined and parsed."""
        sample = [block for block in self._sample()[0] if block]
        self._look(sample)
        parts = [part for block in sample for part in self._peeler.peel(unwrap(self._chunk(block, 0))).values()]
        return [text for part in parts for text in part.texts]

    def _sample(self) -> tuple[list[Block | None], bool]:
        """Take blocks until there are enough lines to judge; a pipe that falls silent has said enough."""
        sample: list[Block | None] = []
        lines = size = 0
        for block in self._blocks:
            sample.append(block)
            if block is None and lines:
                return sample, False
            if block is not None:
                lines += block.data.count(b"\n") or 1
                size += len(block.data)
            if lines >= _SAMPLE_LINES or size >= _SAMPLE_BYTES:
                return sample, False
        return sample, True

    def _look(self, sample: Sequence[Block]) -> None:
        """Find out how the lines are wrapped, what stands before them, and whose they are."""
        options, offline = self._options, self._offline
        envelope = options.envelope or _envelope(sample)
        self.found.envelope = envelope
        self._source = Source("", envelope, zone=options.zone)
        lines = [unwrap(self._chunk(block, 0)) for block in sample]
        texts = [text for one in lines for text in one.texts][:_SAMPLE_LINES]
        auto = options.envelope is None and envelope == "plain"
        self.found.layers = detect(texts, lambda some: offline.recogniser.quality(some)) if auto else []
        self._peeler = Peeler(self.found.layers, offline.known, options.zone)
        by_name = self._by_name(lines)
        if self._peeler.complete(by_name):
            by_name = self._by_name([unwrap(self._chunk(block, 0)) for block in sample])
        for name, some in by_name.items():
            self._group(name, some[:_SAMPLE_LINES])

    def _by_name(self, lines: Sequence[Lines]) -> dict[str, list[str]]:
        """Return the texts by the name they carry, stream after stream as they will be joined."""
        by_name: dict[str, dict[str, list[str]]] = {}
        for one in lines:
            for name, part in self._peeler.peel(one).items():
                streams = by_name.setdefault(name, {})
                for stream, text in zip(part.streams, part.texts, strict=True):
                    streams.setdefault(stream, []).append(text)
        return {name: [text for texts in streams.values() for text in texts] for name, streams in by_name.items()}

    def _chunk(self, block: Block, offset: int) -> Chunk:
        ref = FileRef(0, "parse", self._path, self._source)
        return Chunk(ref, offset, block.data, block.span, block.original_length)

    def _group(self, name: str, texts: Sequence[str]) -> _Group:
        """Return the joiner and encoder of the lines that carry a name."""
        if name in self._groups:
            return self._groups[name]
        offline, options = self._offline, self._options
        service, image, guess = options.service or name, "", None
        if not options.service and (not name or not offline.known(name)):
            hint = service_of(self._path) if self._path else ""
            named = "" if is_container_id(name) else name
            guess = offline.recogniser.guess(texts, named or hint)
            service = named or guess.service
            image = next(iter(offline.pipelines.specs[guess.pipeline].images), "")
        self.found.services[name] = (service, guess)
        source = replace(self._source, service=service, image=image)
        ref = FileRef(len(self._groups) + 1, "parse", str(Path(self._path).absolute()) if self._path else "", source)
        encoder, joiner = offline.bind(ref)
        explainer = None
        if options.explain:
            from logship.pipeline.explain import Explainer

            explainer = Explainer(offline.pipelines.for_source(source), source, encoder, offline.redactor)
        self._groups[name] = group = _Group(ref, encoder, joiner, explainer)
        return group

    def _feed(self, block: Block) -> None:
        lines = unwrap(self._chunk(block, self._offset))
        self._offset += block.span
        now = time.monotonic()
        for name, part in self._peeler.peel(lines).items():
            self._take(name, part, now)

    def _take(self, name: str, lines: Lines, now: float) -> None:
        if lines.texts:
            group = self._group(name, lines.texts)
            self._encode(group, group.joiner.feed(lines, now))

    def _flush(self, before: float) -> None:
        for group in self._groups.values():
            self._encode(group, group.joiner.flush(before))

    def _encode(self, group: _Group, events: Events) -> None:
        if not events.texts:
            return
        if group.explainer:
            for explained in group.explainer.explain(events):
                self._hold(explained.offset, Parsed(explained.offset, explained.document, explained))
                self._add_counts(explained.redacted)
            return
        encoded = group.encoder.encode(events)
        self._add_counts(encoded.redacted)
        for pair in encoded.documents:
            action, document, _ = pair.split(b"\n")
            offset = int(action[action.rindex(b"-") + 1 : -3])
            self._hold(offset, Parsed(offset, document))

    def _add_counts(self, counts: dict[str, int]) -> None:
        for rule, count in counts.items():
            self.found.redacted[rule] = self.found.redacted.get(rule, 0) + count

    def _hold(self, offset: int, parsed: Parsed) -> None:
        self._count += 1
        heapq.heappush(self._held, (offset, self._count, parsed))

    def _ready(self, *, everything: bool = False) -> Iterator[Parsed]:
        """Yield what no open event can come before; where one stays open for long, do not wait for it."""
        open_ = [place for one in self._groups.values() for place in one.joiner.pending().values()]
        pending = min(open_, default=math.inf)
        while self._held and (everything or self._held[0][0] < pending or len(self._held) > _HELD):
            yield heapq.heappop(self._held)[2]


def _chain(sample: Sequence[Block | None], rest: Iterator[Block | None]) -> Iterator[Block | None]:
    yield from sample
    yield from rest


_KEYS = tuple(re.compile(rb'"%b"\s*:' % name) for name in (b"log", b"stream", b"time"))


def _envelope(sample: Sequence[Block]) -> Envelope:
    """Tell how most of the lines are wrapped."""
    lines = [line for block in sample for line in block.data[:_SAMPLE_BYTES].split(b"\n") if line.strip(b"\0 \r")]
    lines = lines[:_SAMPLE_LINES]
    records = sum(line.lstrip(b"\0 ")[:1] == b"{" and all(key.search(line) for key in _KEYS) for line in lines)
    if lines and 2 * records >= len(lines):
        return "docker"
    wrapped = sum(is_cri(line.decode(errors="replace")) for line in lines)
    return "cri" if lines and 2 * wrapped >= len(lines) else "plain"


def _key(settings: Settings) -> bytes:
    """Return the agent's key, so that its marks and ours are the same; where there is none, one for this call."""
    try:
        key = (settings.state_dir / "redaction.key").read_bytes()
    except OSError:
        key = b""
    return key if len(key) >= 16 else secrets.token_bytes(32)


