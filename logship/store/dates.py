"""Dates in queries: `2025-11-20`, `now-1h/d`, epoch milliseconds; each stands for an interval."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ](?:(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?)?)?"
)
_EPOCH = re.compile(r"-?\d{5,}")
#: Seconds since 1970, from 1973 to 5138.
_SECONDS = re.compile(r"\d{9,11}")
_MATH = re.compile(r"([+-])(\d*)([yMwdhHms])|/([yMwdhHms])")
_AGO = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "H": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_PARTS = ("year", "month", "day", "hour", "minute", "second")


def parse_when(text: str, now: datetime) -> datetime:
    """
    Read a moment a person names.

    `15m`, `2h`, `7d` ago, an ISO 8601 date or time (UTC unless it says), or `now-1h`;
    seconds or milliseconds since 1970, told by their number.

    Raises ValueError when it is none of these.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        with _representable(text):
            return now - int(ago[1]) * _UNITS[ago[2]]
    if _SECONDS.fullmatch(text.strip()):  # what `date +%s` prints; in a query a number is milliseconds
        return datetime.fromtimestamp(int(text), UTC)
    return interval(text.strip(), now)[0]


def interval(text: str, now: datetime) -> tuple[datetime, datetime]:
    """
    Return the half-open interval a date stands for: a day for `2025-11-20`, a millisecond for a full stamp.

    As in Elasticsearch, `2025-11` is the first day of that month (`2025-11||/M` is the month). A rounding (`now/d`)
    widens it to the unit. Raises ValueError when the text is no date.
    """
    with _representable(text):
        if text.startswith("now"):
            low = now.replace(microsecond=now.microsecond // 1000 * 1000)
            return _calculate(low, low + timedelta(milliseconds=1), text[3:], text)
        anchor, bar, math = text.partition("||")
        low, high = _anchor(anchor)
        return _calculate(low, high, math, text) if bar else (low, high)


@contextmanager
def _representable(text: str) -> Iterator[None]:
    try:
        yield
    except OverflowError:
        raise ValueError(f"beyond all dates: {text}") from None


def _anchor(text: str) -> tuple[datetime, datetime]:
    if _EPOCH.fullmatch(text):
        low = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
        return low, low + timedelta(milliseconds=1)
    match = _ISO.fullmatch(text)
    if not match:
        raise ValueError(f"not a date: {text}")
    given = [part for part in _PARTS if match[part]]
    zone = match["zone"]
    fraction = (match["fraction"] or "")[:3]
    year, month, day, hour, minute, second = (int(match[part] or part in ("month", "day")) for part in _PARTS)
    microsecond = int(fraction.ljust(3, "0")) * 1000
    low = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=_zone(zone)).astimezone(UTC)
    if match["fraction"]:
        return low, low + timedelta(milliseconds=1)
    unit = {"hour": "h", "minute": "m", "second": "s"}.get(given[-1], "d")  # a bare month is its first day, as there
    return low, _add(low, 1, unit)


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _calculate(low: datetime, high: datetime, math: str, text: str) -> tuple[datetime, datetime]:
    position = 0
    while position < len(math):
        match = _MATH.match(math, position)
        if not match:
            raise ValueError(f"not a date: {text}")
        position = match.end()
        if match[4]:
            low = _floor(low, match[4])
            high = _add(low, 1, match[4])
        else:
            amount = int(match[2] or 1) * (-1 if match[1] == "-" else 1)
            low, high = _add(low, amount, match[3]), _add(high, amount, match[3])
    return low, high


def _add(moment: datetime, amount: int, unit: str) -> datetime:
    if unit in _UNITS:
        return moment + amount * _UNITS[unit]
    months = moment.year * 12 + moment.month - 1 + amount * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    following = datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last = (following - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _floor(moment: datetime, unit: str) -> datetime:
    if unit == "w":
        moment -= timedelta(days=moment.weekday())
    depth = {"y": 1, "M": 2, "w": 3, "d": 3, "h": 4, "H": 4, "m": 5, "s": 6}[unit]
    first = (1, 1, 1, 0, 0, 0)
    year, month, day, hour, minute, second = (*moment.timetuple()[:depth], *first[depth:])
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
