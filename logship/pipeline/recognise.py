"""
Whose lines these are: every pipeline reads the first few hundred, and the one that knows them best is named.

A format counts for what it asks: one that names its time, level and parts
says more than one that takes any line. What fits a single pipeline says
more than what fits many.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from logship.lines.join import Joiner, compile_starts
from logship.model import Events, Lines
from logship.pipeline import lenient
from logship.pipeline.formats import JsonFormat, Parsed, RegexFormat
from logship.pipeline.spec import FormatSpec, Pipelines, PipelineSpec

_SYNTAX = re.compile(r"\(\?P<\w+>|\(\?[a-z:!=<]*|\\[dDsSwWbB]|\[[^\]]*\]|\{[\d,]*\}|[()|.*+?^$]|\\")
#: Share of the events that must be of a pipeline's own formats.
_ENOUGH = 0.2
_LINES = 400
#: How likely a pipeline is before anything was read: what every Dify runs comes first.
_PRIOR = {"misc": 0.8, "stores": 0.8, "generic": 0.9, "ssrf_proxy": 0.95} | dict.fromkeys(
    ("certbot", "chroma", "elasticsearch", "milvus", "mysql", "opensearch", "qdrant"), 0.9
)
#: Names of services that are ordinary words of logs.
_COMMON = {"worker", "standalone", "redis", "init"}


@dataclass(frozen=True, slots=True)
class Guess:
    """A pipeline, and how well it reads the lines."""

    pipeline: str
    service: str
    #: Weighted share of the lines, 0 to 1.
    score: float
    #: Share of the events that one of its formats matches.
    matched: float
    #: How far the next best is behind, 0 to 1.
    margin: float
    next_best: str = ""

    @property
    def sure(self) -> str:
        """Say in a word how sure it is."""
        if self.pipeline == "generic":
            return "not recognised"
        if self.margin >= 0.2 and self.matched >= 0.7:
            return "sure"
        return "likely" if self.margin >= 0.1 and self.matched >= 0.4 else "a guess"


class Recogniser:
    """Compares lines with the formats of every pipeline; compiles them once."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._readers = [_Reader(spec) for spec in pipelines.specs.values() if spec.name != "generic" and spec.formats]
        self._generic = _Reader(pipelines.specs["generic"])

    def guess(self, texts: Sequence[str], hint: str = "") -> Guess:
        """Return the pipeline that reads these lines best; `hint` is a service that their file's name suggests."""
        texts = [text for text in texts if text.strip()][:_LINES]
        rated = sorted(((reader.rate(texts), reader) for reader in self._readers), key=lambda one: -one[0].points)
        generic = self._generic.rate(texts)
        best = rated[0] if rated else (generic, self._generic)
        if best[0].score < _ENOUGH * 0.5 or best[0].matched < _ENOUGH:
            return Guess("generic", "unknown", 0.0, generic.matched, 0.0)
        hinted = [one for one in rated if hint and one[1].spec.names(hint)]
        if hinted and hinted[0][0].points >= 0.5 * best[0].points:
            best = hinted[0]
        elif generic.points > best[0].points:
            return Guess("generic", "unknown", generic.score, generic.matched, 0.0, best[1].service)
        others = [one for one in rated if one is not best]
        behind = 1 - others[0][0].points / best[0].points if others else 1.0
        service = hint if best in hinted else best[0].service
        following = others[0][0].service if others else ""
        return Guess(best[1].spec.name, service, best[0].score, best[0].matched, max(behind, 0.0), following)

    def quality(self, texts: Sequence[str]) -> float:
        """Return how well the best pipeline reads these lines."""
        texts = [text for text in texts if text.strip()][:100]
        return max((reader.rate(texts).score for reader in self._readers), default=0.0)


@dataclass(frozen=True, slots=True)
class _Rate:
    #: What all matches together say; comparable between pipelines that read the same lines.
    points: float
    #: The same for one event.
    score: float
    matched: float
    service: str = ""


class _Reader:
    """One pipeline's joiner and formats, with what each format is worth."""

    def __init__(self, spec: PipelineSpec) -> None:
        self.spec = spec
        self.service = spec.services[0].replace("*", "") if spec.services else spec.name
        self._compiled: list[tuple[RegexFormat | JsonFormat, int]] | None = None
        words = {re.sub(r"[*\d]", "", name.rpartition("/")[2]).strip("-_") for name in [*spec.services, *spec.images]}
        words = {word for word in words if len(word) > 4} - _COMMON
        self._words = re.compile("|".join(map(re.escape, sorted(words))), re.IGNORECASE) if words else None
        self._starts = compile_starts(spec.starts)
        self._alone = compile_starts(spec.alone)

    def rate(self, texts: Sequence[str]) -> _Rate:
        """Return the share of the lines that the formats know, by what the formats are worth."""
        if not texts:
            return _Rate(0.0, 0.0, 0.0)
        if self._compiled is None:
            self._compiled = [(_compiled(form), _literal(form)) for form in self.spec.formats]
        events = self._events(texts)
        todo = list(range(len(events)))
        points, count = 0.0, 0
        services: Counter[str] = Counter()
        for place, (form, literal) in enumerate(self._compiled):
            parsed, rest = form.parse(events, todo)
            if parsed:
                for value, row in zip(_worths(form, literal, parsed, events), parsed.rows, strict=True):
                    named = 0.5 * self._says_its_name(events[row])
                    said = 0.1 * bool(self._words and self._words.search(events[row]))
                    weight = _weight(events[row])
                    points += value * weight * (1 - 0.005 * min(place, 20)) + named + said
                    count += value > 0.2
                    services[form.spec.service] += value > 0.2
            todo = rest
        lines = max(len(texts), 1)
        points *= _PRIOR.get(self.spec.name, 1.0)
        named_service, often = max(services.items(), key=lambda one: one[1], default=("", 0))
        service = named_service if 2 * often > services.total() and named_service else self.service
        return _Rate(points, points / lines, count / max(len(events), 1), service)

    def _events(self, texts: Sequence[str]) -> list[str]:
        joiner = Joiner(self._starts, self._alone)
        count = len(texts)
        places = list(range(count))
        lines = Lines(places, [place + 1 for place in places], list(texts), [""] * count, [""] * count)
        events: Events = joiner.feed(lines, 0)
        return events.texts + joiner.flush(math.inf).texts

    def _says_its_name(self, text: str) -> bool:
        found = re.search(r'"service": ?"([\w-]+)"', text) if text[:1] == "{" else None
        return bool(found and self.spec.names(found[1]))


def _compiled(form: FormatSpec) -> RegexFormat | JsonFormat:
    return JsonFormat(form, "UTC") if form.json_ else RegexFormat(form, "UTC")


def _knows(form: JsonFormat, text: str) -> float:
    """Return the share of an object's keys that the format names."""
    try:
        keys = lenient.read(text).keys()
    except (ValueError, AttributeError):
        return 0.0
    paths = [*form.spec.fields, *form.spec.require]
    for several in form.spec.groups.values():
        paths += [several] if isinstance(several, str) else several
    used = {path.split(".")[0] for path in paths} | set(paths)
    return sum(key in used for key in keys) / max(len(keys), 1)


def _worths(form: RegexFormat | JsonFormat, literal: int, parsed: Parsed, events: Sequence[str]) -> list[float]:
    """Return what each event's match says, from 0 to 1: its time, its parts, and how much is left to the message."""
    if isinstance(form, JsonFormat):
        asked = 0.4 + 0.1 * min(len(form.spec.require), 3) + 0.1 * bool(form.spec.set)
        return [asked * _knows(form, events[row]) for row in parsed.rows]
    worths = []
    for position, row in enumerate(parsed.rows):
        whole, message = (text.partition("\n")[0] for text in (events[row], parsed.messages[position]))
        fields = sum(column[position] is not None for _, column in parsed.columns)
        left = len(message) / max(len(whole), 1)
        asked = 0.05 + 0.25 * bool(parsed.times[position]) + 0.1 * fields + 0.4 * max(1 - left, 0) + 0.004 * literal
        worths.append(asked / (asked + 0.4))
    return worths


def _weight(text: str) -> int:
    """Return how many of an event's lines certainly belong to it: its first, indented ones, and what ends those."""
    if "\n" not in text:
        return 1
    pairs = pairwise(text.split("\n"))
    return 1 + sum(
        bool(line[:1].isspace() or before[:1].isspace() or line.startswith("Traceback (")) for before, line in pairs
    )


def _literal(form: FormatSpec) -> int:
    """Return how many characters a pattern asks for literally, 40 at most."""
    return min(len(_SYNTAX.sub("", form.match or "")), 40)
