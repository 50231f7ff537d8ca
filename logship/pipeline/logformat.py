"""
LOG_FORMAT and LOG_DATEFORMAT as a format of the pipelines whose services heed them.

Each attribute of the layout becomes a group, and the group the field that the built-in formats give it; what has no
field is kept under `dify.attributes`. A layout that names a time or a level is tried before the built-in formats. One
that names neither would match what gunicorn, Celery and others print too, so it is tried after them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from logship.pipeline.attributes import LEVELS, epoch, is_quoted, milliseconds, padded, value
from logship.pipeline.layout import DIFY_DATE_FORMAT, DIFY_FORMAT, WHOLE, Attribute, Piece, parse_layout
from logship.pipeline.spec import LOG_FORMAT, READING, FormatSpec, Pipelines, PipelineSpec
from logship.pipeline.strftime import DateFormat, escape
from logship.pipeline.times import EXACTLY

_FIELDS: dict[str, str | list[str]] = {
    "name": "log.logger",
    "filename": "log.origin.file.name",
    "pathname": "log.origin.file.name",
    "funcName": "log.origin.function",
    "lineno": "log.origin.file.line:long",
    "process": "process.pid:long",
    "processName": "process.name",
    "thread": "process.thread.id:long",
    "threadName": "process.thread.name",
    "trace_id": "trace.id:trace",
    "req_id": "trace.id:trace",
    "request_id": "http.request.id",
    "span_id": "span.id",
    "tenant_id": ["organization.id", "dify.tenant.id"],
    "user_id": "user.id",
    "user_type": "dify.user.type",
    "app_id": "dify.app.id",
    "workflow_id": "dify.workflow.id",
    "node_id": "dify.node.id",
    "task_id": "dify.task.id",
    "task_name": "dify.task.name",
}
#: Fields where another attribute has the usual one, or none.
_BESIDE = {("trace_id", "req_id"): "trace.id", ("req_id", "trace_id"): "http.request.id",
           ("pathname", "filename"): "dify.attributes.pathname"}  # fmt: skip
_NUMBERS = {"10": "debug", "20": "info", "30": "warning", "40": "error", "50": "critical"}
#: What begins a line of a traceback, or of what belongs to one: no event begins so, where no time or level tells.
_NOT_WITHIN = (
    r"(?!\s|Traceback \(most recent|During handling of|The above exception|Stack \(most recent"
    r"|[A-Za-z_][\w.]{0,200}(?:Error|Exception|Exit|Group|Interrupt|Iteration|Warning)\b)(?=.)"
)
#: Groups that mean more than a field.
_SPECIAL = frozenset({"time", "fraction", "zone", "msecs", "level", "message"})
_GROUP = re.compile(r"\(\?P<\w+>")


def understand(pipelines: Pipelines, layout: str, dates: str) -> Pipelines:
    """Return the pipelines with the formats that LOG_FORMAT and LOG_DATEFORMAT name; Dify's own change nothing."""
    if (layout, dates) == (DIFY_FORMAT, DIFY_DATE_FORMAT):
        return pipelines
    return Pipelines([_with(spec, layout, dates) for spec in pipelines.specs.values()])


def _with(spec: PipelineSpec, layout: str, dates: str) -> PipelineSpec:
    if spec.log_format is None:
        return spec
    pieces = parse_layout(layout.strip("\r\n"))
    names = {one.name for one in pieces if isinstance(one, Attribute)}
    # Where Dify has no LOG_DATEFORMAT, Python's own asctime adds milliseconds; who sets none cannot know.
    endings = (False, True) if dates == DIFY_DATE_FORMAT and "asctime" in names else (False,)
    patterns = [_Pattern(pieces, dates, more=more) for more in endings]
    formats = [
        FormatSpec(
            name=LOG_FORMAT,
            match=pattern.event(),
            json=False,
            time=pattern.time,
            levels=pattern.levels,
            fields=pattern.fields,
            escaped=pattern.escaped,
            exception=spec.log_format.exception,
            messages=spec.log_format.messages,
        )
        for pattern in patterns
    ]
    first = not names.isdisjoint({"asctime", "created", "levelname", "levelno"})
    line = "".join(one if isinstance(one, str) else "0" for one in pieces).partition("\n")[0] + "}"
    return spec.model_copy(
        update={
            "formats": [*formats, *spec.formats] if first else [*spec.formats, *formats],
            "starts": [*(pattern.start() for pattern in patterns), *spec.starts],
            # A layout that looks like JSON: tracebacks follow it all the same.
            "alone": [one for one in spec.alone if not re.match(one, line, re.ASCII)],
        }
    )


class _Pattern:
    """The regular expression of a layout, and what its groups mean; with `more`, asctime ends in milliseconds."""

    def __init__(self, pieces: Sequence[Piece], dates: str, *, more: bool) -> None:
        self._pieces = pieces
        self._date = DateFormat(dates)
        self._more = more
        attributes = [one for one in pieces if isinstance(one, Attribute)]
        self._names = {one.name for one in attributes}
        #: The attribute that says when.
        self._timed = "created" if any(map(epoch, attributes)) else ""
        self.time = "epoch" if self._timed else READING
        if "asctime" in self._names and self._date.complete:
            self._timed, self.time = "asctime", EXACTLY + dates
        self._has_msecs = self._date.has_seconds and any(map(milliseconds, attributes))
        self.fields: dict[str, str | list[str]] = {}
        self.levels: dict[str, str] = {}
        self.escaped: list[str] = []
        #: Attributes that came, and the groups of those that have one of their own.
        self._groups: dict[Attribute, str] = {}

    def event(self) -> str:
        """Return the pattern of an event; what its groups mean is known then."""
        found = ""
        for place, one in enumerate(self._pieces):
            found += escape(one) if isinstance(one, str) else padded(one, self._group(one, place))
        # A traceback follows the whole of it, on lines of its own.
        return found if self._takes_rest(self._pieces[-1]) else found + r"(?=\n|\Z)"

    def start(self) -> str:
        """Return the pattern of an event's first line: as far as its time, or else its message."""
        found, telling = "", False
        for place, one in enumerate(self._pieces):
            if isinstance(one, str):
                line, newline, _ = one.partition("\n")
                found += escape(line)
                if newline:
                    break
            elif one.name == "message":
                break
            elif one.name in {"asctime", self._timed}:
                if one.name == "asctime" and self._more:
                    return found + self._date.pattern + ","
                if one.name == "created":
                    return found + padded(one, r"\d{9,12}" + (r"\." if "fraction" in self._value(one, place) else ""))
                after = self._pieces[place + 1 : place + 2]
                line = after[0].partition("\n")[0] if after and isinstance(after[0], str) else ""
                return found + padded(one, self._bare(one, place)) + escape(line)
            else:
                telling = telling or one.name in {"levelname", "levelno"}
                found += padded(one, self._bare(one, place))
        return found if telling else _NOT_WITHIN + found

    def _takes_rest(self, last: Piece) -> bool:
        filled = isinstance(last, Attribute) and last.width and "-" in last.flags
        return isinstance(last, Attribute) and last.name == "message" and not is_quoted(last) and not filled

    def _group(self, one: Attribute, place: int) -> str:
        if group := self._groups.get(one):
            return f"(?P={group})"
        if any(one.name == other.name for other in self._groups):  # it came in another form
            return self._bare(one, place)
        pattern = self._value(one, place)
        self._groups[one] = group = "" if "(?P<" in pattern else self._meaning(one)
        if group:
            pattern = f"(?P<{group}>{pattern})"
            self.escaped += [group] if is_quoted(one) else []
        return _quoted(one, pattern)

    def _bare(self, one: Attribute, place: int) -> str:
        """Return the pattern of an attribute without groups of its own."""
        return _quoted(one, _GROUP.sub("(?:", self._value(one, place)))

    def _value(self, one: Attribute, place: int) -> str:
        """Return the pattern of an attribute; with groups where it says when."""
        if one.name == "message":
            return "(?s:.*)" if place == len(self._pieces) - 1 and self._takes_rest(one) else "(?s:.*?)"
        if one.name == "asctime":
            return self._asctime()
        if one.name == "created" and self._timed == "created" and (pattern := epoch(one)):
            return pattern
        if one.name == "msecs" and self._timed == "asctime" and self._has_msecs and (pattern := milliseconds(one)):
            return pattern
        after = self._pieces[place + 1 : place + 2]
        following = "\n" if not after else after[0][0] if isinstance(after[0], str) else ""
        return value(one, following, known_levels=not self._timed)

    def _asctime(self) -> str:
        if self._timed != "asctime":
            return self._date.pattern + (r",\d{3}" if self._more else "")
        digits = r"\d{3}" if self._has_msecs else r"(?P<fraction>\d{3})"
        return f"(?P<time>{self._date.pattern})" + (f",{digits}" if self._more else "")

    def _meaning(self, one: Attribute) -> str:
        """Return the name of an attribute's group, and note what it means; "" where another says it all."""
        name = one.name
        if name == "message":
            return name
        if name == "levelname":
            self.levels |= _shortened(one.precision)
            return "level"
        if name == "levelno" and one.precision is None and one.kind in "diusra" and "0" not in one.flags:
            self.levels |= _NUMBERS
            return "" if "levelname" in self._names else "level"
        group = re.sub(r"\W", "_", name)
        if group in _SPECIAL or not group.isidentifier() or group.startswith("_"):
            group = f"x_{group}"
        target = next((field for (own, other), field in _BESIDE.items() if own == name and other in self._names), None)
        cut = name in WHOLE and (one.kind not in "diusra" or (one.kind in "sra" and one.precision is not None))
        self.fields[group] = target or (None if cut else _FIELDS.get(name)) or f"dify.attributes.{name}"
        return group


def _quoted(one: Attribute, pattern: str) -> str:
    return f"['\"]{pattern}['\"]" if is_quoted(one) else pattern


def _shortened(length: int | None) -> dict[str, str]:
    """Return the levels of names that are cut, such as `ERRO`."""
    full = {"WARN": "warning", "FATAL": "critical", "TRACE": "debug", "SUCCESS": "info", "NOTSET": "debug"}
    return {} if not length else {name[:length]: full.get(name, name.lower()) for name in LEVELS}
