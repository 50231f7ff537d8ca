"""
A first pipeline file for a log that no pipeline knows: where an event starts, its time, level and message.

What it guesses it says in comments, and its samples are events of the log
itself (redacted), so that it passes `logship pipelines test` as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from logship.model import Source
from logship.pipeline.clean import Redaction
from logship.pipeline.formats import JsonFormat, RegexFormat
from logship.pipeline.samples import documents, get
from logship.pipeline.spec import FormatSpec, PipelineSpec

_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class Stamp:
    """A form of time stamp: the pattern, and how it is read."""

    pattern: str
    time: str
    #: Digits of a fraction may follow.
    fraction: str = r"(?:[.,](?P<fraction>\d{3,9})\d*)?"


_STAMPS = (
    Stamp(
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d",
        "iso",
        r"(?:[.,](?P<fraction>\d{1,9}))?(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))?",
    ),
    Stamp(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "%Y/%m/%d %H:%M:%S"),
    Stamp(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", "%d/%b/%Y:%H:%M:%S %z", ""),
    Stamp(r"\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d", "%d %b %Y %H:%M:%S"),
    Stamp(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", "%a %b %d %H:%M:%S %Y", ""),
    Stamp(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", "%d/%m/%Y %H:%M:%S"),
    Stamp(r"\d{10}(?=\.\d{3})", "epoch", r"\.(?P<fraction>\d{3,9})"),
    Stamp(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d", "%b %d %H:%M:%S"),
)
_LEVELS = "TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|FATAL|CRITICAL|CRIT|PANIC|LOG"
_LEVEL = rf"(?P<level>(?i:{_LEVELS}))\b"
#: What may stand between stamp and level: closing brackets, a thread, a process.
_BETWEEN = (r"[\]\s|:,-]*\[?", r"(?: [A-Z]{3,5})?[\]\s|:,-]*\[[^\]\n]{0,60}\][\s|:-]*\[?", r"[\]\s|:,-]*\S{1,60} +\[?")
#: What may stand before the stamp: a bracket, a word or process, a level, an access line's address and user.
_HEADS = (
    "", r"\[", r"\[?[\w.:-]{1,40}\]?\s{1,4}\[?",
    rf"\[?(?:(?i:{_LEVELS}))\b[\]:\s]+\[?", r"\S{1,60} \S{1,60} \S{1,60} \[",
)  # fmt: skip
_AFTER = r"[\]\s|:-]*"
_JSON_TIME = ("@timestamp", "timestamp", "time", "ts", "datetime", "date", "asctime", "eventTime")
_JSON_LEVEL = ("level", "severity", "levelname", "log.level", "lvl", "loglevel")
_JSON_MESSAGE = ("message", "msg", "event", "text", "body")


def skeleton(name: str, texts: Sequence[str], redactor: Redaction, note: str = "") -> str:
    """Return a commented pipeline file for lines of a log; the file's samples pass."""
    texts = [text for text in texts if text.strip()]
    form, start, remarks = _form(texts)
    lines = [
        f"# {name}: made by `logship pipelines new` from {len(texts)} lines{f' ({note})' if note else ''}.",
        "# Try it with `logship pipelines test` and `logship parse --explain --service`.",
        "# Patterns are Python's, anchored at the start; every key is explained in ARCHITECTURE.md.",
        f"services: [{_quoted(name)}]            # compose services that use this pipeline; may hold * wildcards",
        "images: []                   # or a part of the image's repository",
    ]
    if start:
        lines += ["# A line that matches one of these begins an event; all else continues the one before."]
        lines += ["starts:", f"  - {_quoted(start)}"]
    else:
        lines += ["# No sign of where an event starts was found: every line is one.", "starts: []"]
    lines += ["# Tried in order on each event's text; the first that matches wins."]
    lines += _format_lines(form, remarks)
    # The samples are made by the file as it will be read.
    spec = PipelineSpec.model_validate({"name": name, **yaml.safe_load("\n".join(lines))})
    samples = _samples(spec, texts, redactor)
    lines += ["# Lines, and the documents that they must become; these are what this file makes of them now."]
    lines += ["# Look at them: what is wrong here is what to mend above.", *_sample_lines(samples)]
    return "\n".join(lines) + "\n"


def _form(texts: Sequence[str]) -> tuple[FormatSpec | None, str, list[str]]:
    if found := _json_form(texts):
        return found, r"\{ ?" + '"', ["one JSON object a line; keys by their usual names"]
    head, stamp, share = _stamp(texts)
    if stamp is None:
        level, count = _best([rf"\[?{_LEVEL}[\]:|\s-]+"], texts)
        if not level or 3 * count < len(texts):
            return None, "", []
        form = FormatSpec(name="level_first", match=rf"{level}(?P<message>(?s:.*))", json=False)
        return form, rf"\[?(?i:{_LEVELS})\b", [f"a level begins {count} of {len(texts)} lines; no time was found"]
    lead = f"{head}(?P<time>{stamp.pattern}){stamp.fraction}"
    dated = [text for text in texts if re.match(lead, text, re.ASCII)]
    middle, count = _best([between + _LEVEL for between in _BETWEEN], dated, lead)
    remarks = [f"a stamp begins {share} of {len(texts)} lines, read as {stamp.time}"]
    remarks.append(f"a level stands in {count} of them" if count else "no level was found")
    if not count:
        middle = ""
    # Where only some events have a level, the others are of this format all the same.
    middle = middle if count == len(dated) else f"(?:{middle})?" if middle else ""
    match = f"{lead}{middle}{_AFTER}(?P<message>(?s:.*))"
    return FormatSpec(name="text", match=match, time=stamp.time, json=False), head + stamp.pattern, remarks


def _best(patterns: Sequence[str], texts: Sequence[str], lead: str = "") -> tuple[str, int]:
    counts = [(sum(bool(re.match(lead + one, text, re.ASCII)) for text in texts), one) for one in patterns]
    count, pattern = max(counts, key=lambda pair: pair[0])
    return (pattern, count) if count else ("", 0)


def _stamp(texts: Sequence[str]) -> tuple[str, Stamp | None, int]:
    """Return what stands before the stamp, its form, and how many lines begin so."""
    best: tuple[int, str, Stamp | None] = (0, "", None)
    for head in _HEADS:
        for stamp in _STAMPS:
            count = sum(bool(re.match(head + stamp.pattern, text, re.ASCII)) for text in texts)
            if count > best[0]:
                best = (count, head, stamp)
        if best[0] * 3 >= len(texts):
            break
    count, head, found = best
    return head, found if count * 5 >= len(texts) else None, count


def _json_form(texts: Sequence[str]) -> FormatSpec | None:
    objects = []
    for text in texts:
        try:
            value = orjson.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            objects.append(value)
    if 2 * len(objects) < len(texts) or not objects:
        return None
    groups: dict[str, Any] = {}
    for group, names in (("time", _JSON_TIME), ("level", _JSON_LEVEL), ("message", _JSON_MESSAGE)):
        if name := next((name for name in names if any(get(one, name) is not None for one in objects)), None):
            groups[group] = name
    stamp = next((get(one, groups["time"]) for one in objects if "time" in groups), None)
    time = "iso"
    if isinstance(stamp, int | float) or (isinstance(stamp, str) and stamp.replace(".", "", 1).isdigit()):
        time = "epoch_ms" if len(str(stamp).partition(".")[0]) > 11 else "epoch"
    elif isinstance(stamp, str):
        time = next((one.time for one in _STAMPS if re.match(one.pattern, stamp, re.ASCII)), "iso")
    return FormatSpec(name="json", json=True, groups=groups, time=time, rest="dify.attributes")


def _samples(spec: PipelineSpec, texts: Sequence[str], redactor: Redaction) -> list[dict[str, Any]]:
    """Choose events of different shape, without secrets, and say what they become."""
    begins = re.compile(spec.starts[0], re.ASCII).match if spec.starts else lambda _: True
    events: list[list[str]] = []
    for text in texts:
        if events and not begins(text):
            events[-1].append(text)
        else:
            events.append([text])
    samples: list[dict[str, Any]] = []
    seen: set[str] = set()
    for event in events:
        text = redactor.redact("\n".join(event[:30]))[0]
        shape = re.sub(r"\d+", "0", text)[:60]
        if shape in seen or len(samples) == _SAMPLES:
            continue
        seen.add(shape)
        found = documents(spec, Source(spec.name, zone="UTC"), text + "\n", redactor)
        expect = [_expected(spec, text, document) for document in found]
        samples.append({"name": f"event {len(samples) + 1}", "input": text + "\n", "expect": expect})
    return samples


def _expected(spec: PipelineSpec, text: str, document: dict[str, Any]) -> dict[str, Any]:
    fields = ["log.level", "message", "error.type"]
    form = spec.formats[0] if spec.formats else None
    if form and ("%" not in str(form.time) or "%Y" in str(form.time)) and _has_time(form, text):
        fields.insert(0, "@timestamp")
    return {name: value for name in fields if (value := get(document, name)) is not None}


def _has_time(form: FormatSpec, text: str) -> bool:
    compiled = JsonFormat(form, "UTC") if form.json_ else RegexFormat(form, "UTC")
    parsed, _ = compiled.parse([text], [0])
    return bool(parsed and parsed.times[0])


def _format_lines(form: FormatSpec | None, remarks: Sequence[str]) -> list[str]:
    if form is None:
        return ["# Nothing was found to tell parts by: the whole line is the message.", "formats: []"]
    lines = ["formats:", *(f"  # {remark}" for remark in remarks), f"  - name: {form.name}"]
    if form.match:
        lines += [f"    match: {_quoted(form.match)}"]
        if "<time>" in form.match:
            lines += [f"    time: {_quoted(str(form.time))}     # zone-less stamps are in the source's zone"]
        lines += ["    # fields: {group: ecs.field}     # more groups of the pattern, and what they are called"]
        return [*lines, "    exception: python             # splits a traceback off; or java, go, node"]
    groups = ", ".join(f"{group}: {_quoted(str(path))}" for group, path in form.groups.items())
    lines += ["    json: true", f"    time: {_quoted(str(form.time))}", f"    groups: {{{groups}}}"]
    lines += ["    # fields: {path.in.the.object: ecs.field}"]
    return [*lines, f"    rest: {form.rest}         # takes all other keys"]


def _sample_lines(samples: Sequence[dict[str, Any]]) -> list[str]:
    if not samples:
        return ["samples: []"]
    text: str = yaml.dump({"samples": list(samples)}, allow_unicode=True, sort_keys=False, width=10_000)
    return text.rstrip("\n").split("\n")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
