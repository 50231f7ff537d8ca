"""Why an event became the document it is: the format, the rule, the time, what was redacted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from logship.model import Events, Source
from logship.pipeline.clean import Redaction
from logship.pipeline.encoder import Encoder, further_lines
from logship.pipeline.formats import JsonFormat, RegexFormat
from logship.pipeline.spec import READING, FormatSpec, MessageRule, PipelineSpec


@dataclass(frozen=True, slots=True)
class Explained:
    """One event, its document, and the reasons."""

    offset: int
    #: The document's JSON; empty when a rule dropped the event.
    document: bytes
    #: Secrets redacted, by rule.
    redacted: dict[str, int]
    #: What it was: stream, lines, bytes.
    head: str
    #: Stage and what it did, in order.
    steps: list[tuple[str, str]]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"event": self.head, "steps": [{"stage": stage, "what": what} for stage, what in self.steps]}


class Explainer:
    """Encodes event by event with the agent's encoder, and says what happened."""

    def __init__(self, spec: PipelineSpec, source: Source, encoder: Encoder, redactor: Redaction) -> None:
        self._spec = spec
        self._source = source
        self._encoder = encoder
        self._redactor = redactor
        self._forms = [
            JsonFormat(form, source.zone) if form.json_ else RegexFormat(form, source.zone) for form in spec.formats
        ]
        self._before_further = further_lines(spec)
        self._dated = False

    def explain(self, events: Events) -> Iterator[Explained]:
        """Yield each event of a batch with its reasons."""
        for row, text in enumerate(events.texts):
            encoded = self._encoder.encode(_single(events, row))
            document = encoded.documents[0].split(b"\n")[1] if encoded.documents else b""
            stream = events.streams[row]
            lines = text.count("\n") + 1
            parts = [self._source.service, _count(lines, "line"), _count(events.sizes[row], "byte"), stream]
            head = ", ".join(part for part in parts if part)
            steps = [("pipeline", self._spec.name)]
            if lines > 1:
                steps.append(("joined", f"{_count(lines - 1, 'line')} that began no event of their own"))
            if extra := events.extra.get(row):
                steps.append(("lines", ", ".join(f"{name}={value}" for name, value in extra.items())))
            steps += self._reasons(text, events.times[row], document)
            if added := _added(orjson.loads(document) if document else {}):
                steps.append(("enriched", added))
            if encoded.redacted:
                counts = sorted(encoded.redacted.items())
                steps.append(("redacted", ", ".join(f"{rule} {count}" for rule, count in counts)))
            if encoded.dropped:
                steps.append(("dropped", ", ".join(encoded.dropped)))
            yield Explained(events.offsets[row], document, dict(encoded.redacted), head, steps)

    def _reasons(self, text: str, envelope: str, document: bytes) -> Iterator[tuple[str, str]]:
        found = orjson.loads(document) if document else {}
        tried: list[str] = []
        if self._before_further:
            text = self._before_further.sub("\n", text)
        for form in self._forms:
            parsed, _ = form.parse([text], [0], [envelope])
            if parsed:
                after = f", after {', '.join(tried)}" if tried else ""
                yield "format", f"{form.spec.name}{after}"
                yield "time", self._time(form.spec, text, parsed.times[0], envelope, found)
                if level := found.get("log", {}).get("level"):
                    yield "level", f"{found['log'].get('original_level', level)} -> {level}"
                if form.spec.exception and found.get("error", {}).get("stack_trace"):
                    yield "exception", f"{form.spec.exception}: {found['error'].get('type', 'type unknown')}"
                rules = [rule for name in form.spec.messages for rule in self._spec.messages[name]]
                if rule := _rule(rules, parsed.messages[0]):
                    yield "message", f"rule {rule.name} adds {', '.join([*_names(rule), *rule.set])}"
                return
            tried.append(form.spec.name)
        yield "format", f"none; tried {', '.join(tried) or 'nothing'}"
        yield "time", self._time(None, text, "", envelope, found)

    def _time(self, form: FormatSpec | None, text: str, own: str, envelope: str, found: dict[str, Any]) -> str:
        time = found.get("@timestamp", "")
        dated, self._dated = self._dated, True
        if own and form:
            stamp = _stamp(form, text)
            formats = form.time if isinstance(form.time, str) else " or ".join(form.time)
            return f"{time}: the line's own, {stamp}read as {formats}; without a zone it is in {self._source.zone}"
        if envelope and time == envelope:
            return f"{time}: the stamp that stood before the line, as the line has none of its own"
        if form and form.time == READING:
            return f"{time}: now, as LOG_FORMAT and LOG_DATEFORMAT say no day and minute"
        why = "the event's before it, as this one has none" if dated else "now, as no line has a time so far"
        return f"{time}: {why}"


def _stamp(form: FormatSpec, text: str) -> str:
    match = re.match(form.match, text, re.ASCII) if form.match else None
    if not match or "time" not in match.re.groupindex or not match["time"]:
        return ""
    return f'"{match["time"]}" '


def _rule(rules: Sequence[MessageRule], message: str) -> MessageRule | None:
    """Return the first rule of the message, as the encoder finds it."""
    for rule in rules:
        literals = [rule.literal] if isinstance(rule.literal, str) else rule.literal
        if any(literal in message for literal in literals) and re.match(rule.match, message, re.ASCII):
            return rule
    return None


def _added(document: dict[str, Any]) -> str:
    """Say what was made of user agent and address."""
    agent = [f"user_agent.{name}" for name in document.get("user_agent", {}) if name != "original"]
    place = [f"source.{name}" for name in ("geo", "as") if name in document.get("source", {})]
    made = ((agent, "user_agent.original"), (place, "source.ip"))
    return "; ".join(f"{', '.join(names)} from {origin}" for names, origin in made if names)


def _names(rule: MessageRule) -> list[str]:
    return [target.partition(":")[0] for target in rule.fields.values()]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _single(events: Events, row: int) -> Events:
    return Events(
        [events.offsets[row]],
        [events.sizes[row]],
        [events.texts[row]],
        [events.times[row]],
        [events.streams[row]],
        {0: events.extra[row]} if row in events.extra else {},
    )
