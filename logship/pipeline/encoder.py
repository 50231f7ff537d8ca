"""
Events to documents: the first format that matches, its fields, redaction, one template.

Columns stay columns until the last step. Only an event with something of its
own (a traceback, a message rule, a secret) becomes a dict of fields.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import orjson

from logship.model import Events, Source
from logship.pipeline import exceptions
from logship.pipeline.clean import Beside, Redaction, clean, suspected
from logship.pipeline.columns import Column, Enrich, dumps
from logship.pipeline.columns import texts as texts_of
from logship.pipeline.compiled import Compiled, Form, compile_pipeline
from logship.pipeline.dropping import Drops
from logship.pipeline.fastpath import FastPath
from logship.pipeline.formats import JsonFormat, Messages, Parsed, RegexFormat
from logship.pipeline.objects import usual
from logship.pipeline.spec import PipelineSpec
from logship.pipeline.taken import Taken
from logship.pipeline.template import Templates, merge, put

KeepOriginal = Literal["never", "unparsed", "always"]
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z")
_ERROR = frozenset({"error.type", "error.message", "error.stack_trace"})
#: Events that say what is usual in a file; chunks until it is tried again after it was not; patterns that are kept.
_MANY = 30
_LONG = 8
_SHAPES = 16
_Part = tuple[Parsed, RegexFormat | JsonFormat | None, Messages | None, Templates]
_NO_DATASET = re.compile(r"[^a-z0-9_.]+")


@dataclass(slots=True)
class Encoded:
    """Documents of one file's events; the columns are of equal length."""

    #: Action line and document, each with its newline; in pieces where some came the short way.
    documents: list[bytes]
    #: `@timestamp` of each; or the first and last ones, where some came the short way.
    times: list[str]
    count: int = 0
    #: Events and their bytes dropped, by rule.
    dropped: dict[str, int] = field(default_factory=dict)
    bytes_dropped: int = 0
    bytes_documents: int = 0
    unparsed: int = 0
    #: Secrets redacted, by rule.
    redacted: dict[str, int] = field(default_factory=dict)


class Encoder:
    """One file's pipeline: formats compiled, constants encoded."""

    def __init__(
        self,
        spec: PipelineSpec,
        source: Source,
        redactor: Redaction,
        *,
        key: str,
        compiled: Compiled | None = None,
        constants: Mapping[str, Any],
        namespace: str = "default",
        keep_original: KeepOriginal = "unparsed",
        path: str = "",
        enrich: Mapping[str, Enrich] | None = None,
        keep: Mapping[str, float] | None = None,
    ) -> None:
        self.dataset = spec.dataset or f"dify.{_NO_DATASET.sub('_', source.service.lower()) or 'unknown'}"
        self._redactor = redactor
        self._keep = keep_original
        #: What makes more of a field, by the field's name.
        self._enrich = enrich or {}
        self._spec = spec
        self._key = key
        self._common = common = redactor.redact_value("", _constants(source, self.dataset, namespace, path, constants))
        self._beside = Beside(redactor)
        self._compiled = compiled = compiled or compile_pipeline(spec, source.zone)
        self._formats, self._messages = compiled.formats, compiled.messages
        # A tree of constants is made when a template is: of most files, most formats never occur.
        self._templates = [Templates(partial(_with, common, form.set), key) for form in spec.formats]
        self._raw = Templates(partial(_with, common, {"tags": ["unparsed"]}), key)
        self._drops = Drops(spec.drop, keep or {}, key)
        self._before_further = further_lines(spec)
        #: Time of the file's last event that had one: what a line without any gets.
        self._last = ""
        self._short: FastPath | None = None
        self._shorts: dict[Form, FastPath] = {}
        #: Chunks to go the long way, after one that was not for the short way.
        self._long = 0

    def take(self, data: bytes, raw: Sequence[bytes], edges: Sequence[int]) -> Taken | None:
        """Make documents of those of Docker's records that are usual, once it is known what usual is."""
        if self._short is None or self._long:
            self._long = max(self._long - 1, 0)
            return None
        taken = self._short.take(data, raw, edges)
        if taken is None:
            self._long = _LONG
        return taken

    def _learn(self, texts: Sequence[str], parts: Sequence[_Part]) -> None:
        """Note which form nearly all of many events have."""
        parsed, form, rules, _ = max(parts, key=lambda part: len(part[0].rows))
        if self._drops or self._keep == "always" or form is None:
            return
        text = texts[parsed.rows[-1]]
        start = next((one for one in self._spec.starts if re.match(one, text, re.ASCII)), "")
        if self._spec.starts and not start:
            return
        pattern = usual(form, [texts[row] for row in parsed.rows]) if isinstance(form, JsonFormat) else form
        if pattern is None:
            return
        which: Form = self._formats.index(form), start, pattern.spec.match
        if which not in self._shorts:
            if len(self._shorts) > _SHAPES:
                self._shorts.clear()
            constants = _with(self._common, pattern.spec.set)
            if self._redactor.redact_value("", constants) != constants:  # each is to be counted
                return
            self._shorts[which] = FastPath(
                pattern, rules, self._redactor, constants=constants, key=self._key, start=start, enrich=self._enrich,
                combinations=self._compiled.shared(which),
            )  # fmt: skip
        self._short = self._shorts[which] if self._shorts[which].usable else None

    def encode(self, events: Events, taken: Sequence[Taken] = ()) -> Encoded:
        """
        Return the documents of a batch of events; no text raises.

        With those that came the short way, the events are in the order of their offsets.
        """
        texts = events.texts
        if self._before_further:
            texts = [self._before_further.sub("\n", text) if "\n" in text else text for text in texts]
        count = len(texts)
        encoded = Encoded([b""] * count, [""] * count)
        own: dict[int, dict[str, bytes]] = {
            row: self._beside.clean(extra, encoded.redacted) for row, extra in events.extra.items()
        }
        suspects = suspected(texts, self._redactor, encoded.redacted)
        todo = list(range(count))
        parts: list[_Part] = []
        for form, messages, templates in zip(self._formats, self._messages, self._templates, strict=True):
            if not todo:
                break
            parsed, todo = form.parse(texts, todo, events.times)
            if parsed:
                parts.append((parsed, form, messages, templates))
        if todo:
            encoded.unparsed = len(todo)
            raw = Parsed(todo, [""] * len(todo), [texts[row] for row in todo], [])
            parts.append((raw, None, None, self._raw))
        if count >= _MANY and not taken and self._long <= 1:
            self._learn(texts, parts)
        self._fill_times([parsed for parsed, *_ in parts], events)
        for parsed, form_, messages, templates in parts:
            self._finish(parsed, form_, messages, templates, events, own, suspects, encoded)
        if encoded.dropped:
            kept = [row for row, document in enumerate(encoded.documents) if document]
            sizes = zip(events.sizes, encoded.documents, strict=True)
            encoded.bytes_dropped = sum(size for size, document in sizes if not document)
            encoded.times = [encoded.times[row] for row in kept]
            encoded.documents = [encoded.documents[row] for row in kept]
        encoded.bytes_documents = sum(events.sizes) - encoded.bytes_dropped
        encoded.count = len(encoded.documents)
        if taken:
            self._merge(encoded, events, taken)
        return encoded

    def _merge(self, encoded: Encoded, events: Events, taken: Sequence[Taken]) -> None:
        if not events.offsets or events.offsets[-1] < taken[-1].last_offset:
            self._last = taken[-1].end_time
        documents: list[bytes] = []
        begin = 0
        for one in taken:
            end = bisect_left(events.offsets, one.end)
            documents += one.merged(events.offsets[begin:end], encoded.documents[begin:end])
            encoded.times += (one.first_time, one.last_time)
            encoded.count += one.count
            encoded.bytes_documents += one.size
            begin = end
        encoded.documents = documents

    def _finish(
        self,
        parsed: Parsed,
        form: RegexFormat | JsonFormat | None,
        rules: Messages | None,
        templates: Templates,
        events: Events,
        own: dict[int, dict[str, bytes]],
        suspects: frozenset[int],
        encoded: Encoded,
    ) -> None:
        rows, messages = parsed.rows, parsed.messages
        extras = self._extras(parsed, form, rules, own, events.texts)
        times = parsed.times
        columns: list[tuple[str, Column]] = [("@timestamp", texts_of(times)), ("message", texts_of(messages))]
        for name, column in parsed.columns:
            columns += self._enrich[name](column) if name in self._enrich else [(name, column)]
        if any(events.streams):
            names = {stream: dumps(stream) if stream else None for stream in set(events.streams)}
            columns.append(("stream", [names[events.streams[row]] for row in rows]))
        if self._keep == "always" or (form is None and self._keep == "unparsed"):
            columns.append(("event.original", texts_of([events.texts[row] for row in rows])))
        gone: dict[int, str] = {}
        if self._drops:
            offsets = [events.offsets[row] for row in rows]
            gone = self._drops.find(form.spec.name if form else None, messages, _coalesced(parsed.columns), offsets)
        documents = self._encode(templates, columns, rows, events.offsets, extras, suspects, encoded)
        if len(rows) == len(encoded.documents):
            encoded.documents, encoded.times = documents, times
        else:
            for row, document, time in zip(rows, documents, times, strict=True):
                encoded.documents[row] = document
                encoded.times[row] = time
        for position, rule in gone.items():
            encoded.documents[rows[position]] = b""
            encoded.dropped[rule] = encoded.dropped.get(rule, 0) + 1

    def _extras(
        self,
        parsed: Parsed,
        form: RegexFormat | JsonFormat | None,
        rules: Messages | None,
        own: dict[int, dict[str, bytes]],
        texts: Sequence[str],
    ) -> dict[int, dict[str, bytes]]:
        """Return the fields that single events have, by position in the parsed columns."""
        messages = parsed.messages
        extras: dict[int, dict[str, bytes]] = {}
        if own:
            extras = {position: dict(own[row]) for position, row in enumerate(parsed.rows) if row in own}
        if form is None:
            return extras
        if form.spec.exception:
            kind = form.spec.exception
            for position in [position for position, text in enumerate(messages) if "\n" in text]:
                message, error = exceptions.split(kind, messages[position])
                if error:
                    messages[position] = message or error.get("error.message") or error.get("error.type", "")
                    extra = extras.setdefault(position, {})
                    extra.update({name: dumps(value) for name, value in error.items()})
            for name, column in parsed.columns:
                if name == "error.stack_trace":
                    for position in [position for position, value in enumerate(column) if value is not None]:
                        _, error = exceptions.split(kind, orjson.loads(column[position] or b'""'))
                        said = {key for key, column_ in parsed.columns if column_[position] is not None}
                        new = {key: dumps(value) for key, value in error.items() if key not in said}
                        extras.setdefault(position, {}).update(new)
        if rules:
            for position, found in rules.find(messages).items():
                for name in rules.names & self._enrich.keys() & found.keys():
                    made = self._enrich[name]([found.pop(name)])
                    found.update({field: value for field, (value,) in made if value is not None})
                extras[position] = found | extras.get(position, {})
        if extras:
            _keep_replaced(parsed, extras, (rules.names if rules else frozenset()) | _ERROR, texts)
        return extras

    def _fill_times(self, parts: Sequence[Parsed], events: Events) -> None:
        """Fill the times that events do not say: the container engine's, else that of the event before, else now."""
        if any("" in parsed.times for parsed in parts):
            places = sorted(((row, parsed, at) for parsed in parts for at, row in enumerate(parsed.rows)), key=_first)
            last = self._last
            for row, parsed, at in places:
                if not parsed.times[at]:
                    stamp = events.times[row]
                    parsed.times[at] = stamp if _STAMP.fullmatch(stamp) else ("" if parsed.undated else last) or _now()
                last = parsed.times[at]
        if parts:
            self._last = max((parsed.rows[-1], parsed.times[-1]) for parsed in parts)[1]

    def _encode(
        self,
        templates: Templates,
        columns: list[tuple[str, Column]],
        rows: list[int],
        offsets: list[int],
        extras: dict[int, dict[str, bytes]],
        suspects: frozenset[int],
        encoded: Encoded,
    ) -> list[bytes]:
        columns = [(name, column) for name, column in _coalesced(columns) if column.count(None) < len(column)]
        places = offsets if len(rows) == len(offsets) else [offsets[row] for row in rows]
        template = templates.of(tuple([name for name, _ in columns]))
        table = list(zip(places, *[columns[number][1] for number in template.order], strict=True))
        sparse = {position for _, column in columns if None in column for position in _empty(column)}
        blank = (0, *[b""] * len(columns))
        for position in sparse:
            table[position] = blank
        documents = template.fill_all(table)
        for position in sparse:
            documents[position] = templates.sparse(places[position], columns, position)
        whole = len(rows) == len(offsets)
        doubtful = suspects if whole else {position for position, row in enumerate(rows) if row in suspects}
        special = {
            position: {name: value for name, column in columns if (value := column[position]) is not None}
            | extras.get(position, {})
            for position in extras.keys() | doubtful
        }
        if doubtful:
            flats = [special[position] for position in doubtful]
            special.update(zip(doubtful, clean(flats, self._redactor, encoded.redacted), strict=True))
        for position, flat in special.items():
            documents[position] = templates.document(places[position], flat)
        return documents


def _keep_replaced(
    parsed: Parsed, extras: Mapping[int, dict[str, bytes]], names: Collection[str], texts: Sequence[str]
) -> None:
    """Keep the whole of events where what is found in the message takes the place of a field."""
    for name, column in parsed.columns:
        if name in names:
            for position, extra in extras.items():
                if extra.get(name, column[position]) != column[position] is not None:
                    extra["event.original"] = texts_of([texts[parsed.rows[position]]])[0] or b""


def further_lines(spec: PipelineSpec) -> re.Pattern[str] | None:
    """Return what to take off the further lines of an event, with the newline before it."""
    return re.compile(rf"\n(?:{spec.before_further})", re.ASCII) if spec.before_further else None


def _first(place: tuple[int, Parsed, int]) -> int:
    return place[0]


def _empty(column: Column) -> list[int]:
    return [position for position, value in enumerate(column) if value is None]


def _coalesced(columns: list[tuple[str, Column]]) -> list[tuple[str, Column]]:
    """Make one column of those that name the same field: the first value that is there counts."""
    merged = dict(reversed(columns))
    if len(merged) == len(columns):
        return columns
    for name in merged:
        several = [column for field, column in columns if field == name]
        if len(several) > 1:
            rows = zip(*several, strict=True)
            merged[name] = [next((value for value in row if value is not None), None) for row in rows]
    return list(merged.items())


def _constants(source: Source, dataset: str, namespace: str, path: str, constants: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in source.fields.items():
        put(tree, name, copy.deepcopy(value))
    merge(tree, copy.deepcopy(dict(constants)))
    put(tree, "service.name", source.service)
    put(tree, "event.dataset", dataset)
    put(tree, "data_stream", {"type": "logs", "dataset": dataset, "namespace": namespace})
    if path:
        put(tree, "log.file.path", path)
    return tree


def _with(common: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    tree = copy.deepcopy(dict(common))
    for name, value in fields.items():
        put(tree, name, value)
    return tree


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
