"""LOG_FORMAT as Python's logging reads it: literal text, and attributes of a record with their %-conversions."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

#: Dify's own defaults (`api/configs/feature`, `docker/.env.example`).
DIFY_FORMAT = (
    "%(asctime)s.%(msecs)03d %(levelname)s [%(threadName)s] [%(filename)s:%(lineno)d] %(trace_id)s - %(message)s"
)
DIFY_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"

#: Attributes that are numbers: whole ones, and those with a fraction.
WHOLE = frozenset({"levelno", "lineno", "process", "thread"})
BROKEN = frozenset({"created", "msecs", "relativeCreated"})
#: Attributes of every record, and those that Dify's filters add.
_OF_LOGGING = (
    "asctime", "filename", "funcName", "levelname", "message", "module", "name", "pathname", "processName",
    "taskName", "threadName", *sorted(WHOLE), *sorted(BROKEN),
)  # fmt: skip
_OF_DIFY = ("req_id", "span_id", "tenant_id", "trace_id", "user_id", "user_type")
#: Others that are known well enough not to be taken for slips of the pen: Celery's, newer Dify's.
_OF_OTHERS = ("app_id", "node_id", "request_id", "task_id", "task_name", "workflow_id")
#: Attributes whose text has no end that could be told.
_ENDLESS = frozenset({"args", "exc_info", "exc_text", "msg", "stack_info"})
_CONVERSION = re.compile(
    r"%(?:\((?P<name>[^()]*)\))?(?P<flags>[-#0 +]*)(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?[hlL]?(?P<kind>.?)",
    re.DOTALL,
)
_TEXT_KINDS, _NUMBER_KINDS, _WHOLE_KINDS = "sra", "diueEfFgG", "oxX"
#: How alike two names are when one is taken for the other misspelt.
_ALIKE = 0.85
_WIDEST = 400


@dataclass(frozen=True, slots=True)
class Attribute:
    """One `%(name)s`."""

    name: str
    #: Flags, width (0: none) and precision (None: none) of the conversion.
    flags: str
    width: int
    precision: int | None
    #: Its last letter.
    kind: str


Piece = str | Attribute


def parse_layout(layout: str) -> list[Piece]:
    """Return the pieces of a format, text and attributes; raises ValueError that says what it must be."""
    pieces: list[Piece] = []
    end = 0
    for found in _CONVERSION.finditer(layout):
        literal = layout[end : found.start()]
        end = found.end()
        if found[0] == "%%":
            _add(pieces, literal + "%")
        else:
            _add(pieces, literal)
            pieces.append(_attribute(found))
    _add(pieces, layout[end:])
    if not any(isinstance(one, Attribute) and one.name == "message" for one in pieces):
        styled = re.search(r"[{$]\{?(?:message|asctime|levelname)\b", layout)
        raise ValueError("must hold %(message)s" + (", in Python's %-style: Dify uses no other" if styled else ""))
    return pieces


def _add(pieces: list[Piece], text: str) -> None:
    """Append a text, to the one before where there is one."""
    before = pieces.pop() if pieces and isinstance(pieces[-1], str) else ""
    if text or before:
        pieces.append(f"{before}{text}")


def _attribute(found: re.Match[str]) -> Attribute:
    source, name, kind = found[0], found["name"], found["kind"]
    if name is None:
        if kind == "(":
            rest = re.match(r"\w*", found.string[found.end() :])
            word = rest[0] if rest else ""
            raise ValueError(f"must close the parenthesis of %({word}: write %({word or 'message'})s")
        if not kind:
            raise ValueError("must not end in %: write %% for a percent sign")
        raise ValueError(f"must write %% for a percent sign; {source} names no attribute, as %(message)s does")
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise ValueError(f"must name an attribute of a log record in %({name})")
    _check_name(name)
    if kind not in _TEXT_KINDS + _NUMBER_KINDS + _WHOLE_KINDS or not kind:
        raise ValueError(f"must say what %({name}) is written as: write %({name})s")
    if "*" in (found["width"], found["precision"]):
        raise ValueError(f"must have a number in place of * in {source}")
    known = name in _OF_LOGGING or name in _OF_DIFY
    text = known and name not in WHOLE | BROKEN
    if (text and kind not in _TEXT_KINDS) or (name in BROKEN and kind in _WHOLE_KINDS):
        what = "text" if text else "not whole"
        raise ValueError(f"must have %({name})s in place of {source}: it is {what}")
    width, precision = int(found["width"] or 0), found["precision"]
    if max(width, int(precision or 0)) > _WIDEST:
        raise ValueError(f"must have widths up to {_WIDEST}; {source} has a greater one")
    return Attribute(name, found["flags"], width, None if precision is None else int(precision or 0), kind)


def _check_name(name: str) -> None:
    """Raise ValueError for an attribute that cannot be understood, or is one that everybody knows, misspelt."""
    if name in _ENDLESS:
        raise ValueError(f"must have %(message)s in place of %({name}): a traceback follows it by itself")
    known = (*_OF_LOGGING, *_OF_DIFY)
    if name in known or name in _OF_OTHERS:
        return
    plain = {_plain(one): one for one in known}
    near = plain.get(_plain(name)) or next(iter(difflib.get_close_matches(name, known, 1, _ALIKE)), "")
    if near:
        raise ValueError(f"must have attributes of a log record; %({name}) is none: did you mean %({near})?")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
