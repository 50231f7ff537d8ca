"""What the attributes of a log record look like in a line, as regular expressions that end where the layout goes on."""

from __future__ import annotations

from logship.pipeline.layout import BROKEN, WHOLE, Attribute
from logship.pipeline.strftime import escape

_IDS = frozenset({"trace_id", "span_id", "req_id"})
#: Attributes without a space in them, and signs that they may hold.
_WORDS = frozenset(
    {"app_id", "filename", "funcName", "module", "name", "node_id", "pathname", "processName", "request_id", "task_id",
     "task_name", "taskName", "tenant_id", "user_id", "user_type", "workflow_id"}
)  # fmt: skip
_NO_WORD = r"\s|"
_IN_WORDS = frozenset(".-_<>/@")
#: Signs that the others do not hold.
_CLOSING = frozenset("]|}>,;\t")
#: Names of levels: logging's own, and those that are often added.
LEVELS = ("CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "NOTICE", "NOTSET", "SUCCESS", "TRACE", "WARNING", "WARN")
_LONGEST = 200
#: Digits of a fraction that a document can hold.
_NANOSECONDS = 9


def is_quoted(one: Attribute) -> bool:
    """Whether it is text between the quotes of Python's `repr`."""
    return one.kind in "ra" and one.name not in WHOLE | BROKEN


def value(one: Attribute, following: str, *, known_levels: bool) -> str:
    """Return the pattern of an attribute that is neither message nor date, without groups, and what follows it."""
    if one.name == "levelname":
        return _level(one, known=known_levels or following.isalnum())
    if one.name in WHOLE and one.kind in "diusra":
        sign = r"\+?" if "+" in one.flags else " ?" if " " in one.flags else ""
        # A level's number beside its name is in no field: more digits would be words that are lost (leftover.py).
        most = 4 if one.name == "levelno" else 20
        return f"{sign}\\d{{1,{most}}}" + ("" if following.isdigit() else "+")
    if one.kind not in "sra" or one.name in WHOLE | BROKEN:
        return r"[\da-fA-FnxXo.+-]{1,40}"  # whatever a number is written as
    if one.name in _IDS:
        signs = "0-9a-f" + ("" if following == "-" else "-")
        return f"[{signs}]{{0,36}}" + ("" if following and following in "0123456789abcdef" else "+")
    ended = following != "" and not is_quoted(one)
    if one.name in _WORDS:
        inside = following.isalnum() or following in _IN_WORDS or (following == ":" and one.name == "processName")
        return _text(one, _NO_WORD, following, lazy=inside or not ended)
    closed = following in _CLOSING or following == "\n"
    return _text(one, "\n", following, lazy=not closed or not ended or "-" in one.flags)


def _text(one: Attribute, never: str, following: str, *, lazy: bool) -> str:
    """
    Return the pattern of a text without some signs.

    It has no quotes, so that it ends in Docker's record too; and its class holds the newline itself, as an escape
    would keep the lines from the short way (escaped.py).
    """
    most = min(_LONGEST, _LONGEST if one.precision is None else one.precision)
    # What follows is a sign of the class, unless that has it already.
    known = lazy or following in '\n"' or (never == _NO_WORD and (following.isspace() or following == "|"))
    own = "" if known else following if following == "\t" else escape(following)
    return f'[^{never}"{own}]{{0,{most}}}' + ("?" if lazy else "+")


def _level(one: Attribute, *, known: bool) -> str:
    if known:
        names = dict.fromkeys(name[: one.precision] for name in LEVELS)
        return f"(?:{'|'.join(sorted(names, key=len, reverse=True))})"
    if one.precision is not None:
        return f"[A-Z]{{0,{one.precision}}}"
    # `Level 15` too, which has no name; alternatives would keep the parts from being read as one (members.py).
    return r"[A-Z]++(?:evel \d{1,3})?"


def padded(one: Attribute, pattern: str) -> str:
    """Return the pattern with the spaces that fill it up to its width."""
    number = one.name in WHOLE | BROKEN and one.kind not in "sra"
    if not one.width or (number and "0" in one.flags and "-" not in one.flags):
        return pattern
    spaces = f" {{0,{one.width}}}"
    return pattern + spaces if "-" in one.flags else spaces + pattern


def epoch(one: Attribute) -> str:
    """Return the pattern of `created` as seconds since 1970, in groups; "" where it does not give them."""
    if one.name != "created":
        return ""
    if one.kind in "diu" or (one.kind in "fF" and one.precision == 0):
        return r"(?P<time>\d{1,12})"
    if one.kind in "sra" and one.precision is None:
        return rf"(?P<time>\d{{1,12}})\.(?P<fraction>\d{{1,{_NANOSECONDS}}})"
    digits = 6 if one.precision is None else one.precision
    return rf"(?P<time>\d{{1,12}})\.(?P<fraction>\d{{{digits}}})" if one.kind in "fF" and digits <= _NANOSECONDS else ""


def milliseconds(one: Attribute) -> str:
    """Return the pattern of `msecs`, in a group; "" where it does not give them."""
    zeros = "0" in one.flags and "-" not in one.flags
    if one.name != "msecs" or one.kind in "eEgG":
        return ""
    if one.kind in "sra":
        return r"(?P<msecs>\d{1,3})(?:\.\d{0,6})?" if one.precision is None else ""
    whole = one.kind in "diu"
    digits = 0 if whole else 6 if one.precision is None else one.precision
    if (whole and one.precision == 3) or (zeros and one.width == 3 and not digits):
        return r"(?P<fraction>\d{3})"
    behind = rf"\.\d{{{digits}}}" if digits else ""
    return rf"0{{0,{one.width}}}?(?P<msecs>\d{{1,3}}){behind}" if one.width else rf"(?P<msecs>\d{{1,3}}){behind}"
