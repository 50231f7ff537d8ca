"""
Stamps of a log to ISO 8601 in UTC.

Seconds are converted once and remembered, as thousands of lines share one; the
fraction is carried over as text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import repeat
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logship.pipeline.strftime import DateFormat

#: Before a format of strftime that tells all of a stamp: nothing else is looked for in it.
EXACTLY = "strftime "
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d{1,9})\d*")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T _](\d\d):(\d\d):(\d\d) ?(Z|[A-Za-z_/]+|[+-]\d\d(?::?\d\d)?)?")
_OFFSET = re.compile(r" ?(?:UTC|GMT)?([+-])(\d\d):?(\d\d)?$")
_ZONE_NAME = re.compile(r" ([A-Z][A-Za-z_/]{1,30})$")
_KEPT = 20_000
_LONGEST_ABBREVIATION = 5
#: Hours of abbreviations that mean one zone and that the zone database does not name.
_ABBREVIATED = {
    "MSK": 3, "JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "WIB": 7, "ICT": 7, "CEST": 2, "EEST": 3, "WEST": 1,
    "EDT": -4, "CDT": -5, "MDT": -6, "PDT": -7, "PST": -8, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "BRT": -3,
}  # fmt: skip
#: … and of those that mean several: when the line was written tells which.
_SEVERAL = {"CST": (8, -6), "IST": (5.5, 1, 2), "BST": (1, 6)}


class Clock:
    """Converts one format's stamps; zone-less ones are read in the source's zone."""

    def __init__(self, formats: Sequence[str], zone: str) -> None:
        self._formats = formats
        self._zone = _zone(zone) or UTC
        self._seconds: dict[str, str] = {}
        self._epoch = any(form == "epoch" for form in formats)
        self._exact = {form: DateFormat(form.removeprefix(EXACTLY)) for form in formats if form.startswith(EXACTLY)}
        self._last: datetime | None = None
        #: What the engine stamped beside the stamp that is converted.
        self._beside: datetime | None = None
        #: The last stamp converted lies in an hour that a clock change repeats, or names one of several zones.
        self._doubtful = False

    def convert(
        self,
        stamps: Sequence[str | None],
        fractions: Sequence[str | None] | None = None,
        beside: Sequence[str] = (),
    ) -> list[str]:
        """
        Return ISO 8601 UTC for each stamp, "" where it is none; the fraction's digits are kept (at most nine).

        `beside` are stamps in UTC of when each was written. They tell the hours apart that a clock change repeats, and
        the zones of one abbreviation.
        """
        known = self._seconds
        if len(known) > _KEPT:
            known.clear()
        if fractions is None:
            if self._know(stamps):
                return [known[stamp] + "Z" for stamp in stamps]  # type: ignore[index]  # all of them are known
            two = zip(stamps, beside or repeat(""), strict=False)
            return [self._one(stamp, None, written) if stamp else "" for stamp, written in two]
        if self._know(stamps) and None not in fractions and "" not in fractions:
            longest = max(map(len, fractions))  # type: ignore[arg-type]  # no None among them
            if longest <= 9:
                pairs = zip(stamps, fractions, strict=True)
                return [f"{known[stamp]}.{digits}Z" for stamp, digits in pairs]  # type: ignore[index]  # all are known
        three = zip(stamps, fractions, beside or repeat(""), strict=False)
        return [self._one(stamp, digits, written) if stamp else "" for stamp, digits, written in three]

    def steady(self, stamp: str) -> str:
        """Return the whole seconds of a stamp that means the same wherever it stands, else ""."""
        if stamp not in self._seconds:
            last = self._last
            self._one(stamp, None)
            if stamp not in self._seconds:
                self._last = last
        return self._seconds.get(stamp, "")

    def _know(self, stamps: Sequence[str | None]) -> bool:
        """Convert the stamps that are new; return whether all are known now."""
        new = set(stamps).difference(self._seconds)
        if None in new or "" in new or len(new) * 2 > len(stamps):
            return False
        last = self._last
        for stamp in sorted([stamp for stamp in new if stamp]):
            self._one(stamp, None)
        if new <= self._seconds.keys():
            return True
        self._last = last  # they come again, in the order of the log
        return False

    def _one(self, stamp: str, digits: str | None, beside: str = "") -> str:
        whole = stamp
        if not digits:
            if self._epoch and stamp.replace(".", "", 1).isdigit():
                whole, _, digits = stamp.partition(".")
            elif not self._exact and (found := _FRACTION.search(stamp)):
                digits = found[1]
                whole = stamp[: found.start()] + stamp[found.end() :]
        seconds = self._seconds.get(whole)
        if seconds is None:
            self._beside = _written(beside)
            seconds, more = self._parse(whole.strip())
            digits = digits or more
            if seconds and not more and not self._doubtful:
                self._seconds[whole] = seconds
        if not seconds:
            return ""
        return f"{seconds}.{digits[:9]}Z" if digits else seconds + "Z"

    def _parse(self, text: str) -> tuple[str, str | None]:
        for form in self._formats:
            self._doubtful = False
            try:
                moment, digits = self._moment(text, form)
                seconds = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
            except (ValueError, OverflowError, OSError):
                continue
            self._last = moment
            self._doubtful = self._doubtful or self._ambiguous(moment)
            return seconds, digits
        return "", None

    def _moment(self, text: str, form: str) -> tuple[datetime, str | None]:
        zone: tzinfo | None
        if exact := self._exact.get(form):
            moment = exact.read(text)
            return self._located(moment if exact.has_year else self._year(moment)), None
        if form == "iso":
            found = _ISO.fullmatch(text)
            if not found:
                raise ValueError(text)
            year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
            zone = _named(found[7]) if found[7] else None
            if found[7] and zone is None:
                _check_abbreviation(found[7])
            moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
            return self._located(moment, found[7] or ""), None
        if form.startswith("epoch"):
            whole, _, digits = text.partition(".")
            scale = {"epoch": 0, "epoch_ms": 3, "epoch_us": 6, "epoch_ns": 9}[form]
            if scale:
                whole, digits = whole[:-scale], whole[-scale:]
            return datetime.fromtimestamp(int(whole), UTC), digits or None
        zone = None
        if "%z" not in form and "%Z" not in form:
            zone, text = _trailing_zone(text)
        elif "%Z" in form:
            form = form.replace(" %Z", "").replace("%Z", "")
            zone, text = _trailing_zone(text)
        if "%Y" in form or "%y" in form:
            moment = datetime.strptime(text, form)  # noqa: DTZ007  # located below
        else:
            moment = self._year(datetime.strptime(f"2000 {text}", f"%Y {form}"))  # noqa: DTZ007  # located below
        return self._located(moment.replace(tzinfo=zone) if zone else moment), None

    def _year(self, moment: datetime) -> datetime:
        """Choose the year that puts a stamp without one nearest before tomorrow."""
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(tzinfo=None)
        dated = moment.replace(year=tomorrow.year)
        return dated if dated.replace(tzinfo=None) <= tomorrow else moment.replace(year=tomorrow.year - 1)

    def _located(self, moment: datetime, abbreviation: str = "") -> datetime:
        if moment.tzinfo is not None:
            return moment
        local = moment.replace(tzinfo=self._zone)
        for either in (local, local.replace(fold=1)):
            if abbreviation and either.tzname() == abbreviation:
                return either
        if abbreviation in _SEVERAL:
            self._doubtful = True
            if written := self._beside:
                zones = [timezone(timedelta(hours=hours)) for hours in _SEVERAL[abbreviation]]
                return min((moment.replace(tzinfo=zone) for zone in zones), key=lambda one: abs(one - written))
        later = local.replace(fold=1)
        if local.utcoffset() == later.utcoffset():
            return local
        # In the hour that a clock change repeats, when the line was written tells which it is. Without that, a log goes
        # on in order: take the first that is not before the last.
        first, second = local.astimezone(UTC), later.astimezone(UTC)
        if self._beside:
            return later if abs(second - self._beside) < abs(first - self._beside) else local
        return later if self._last and first < self._last.astimezone(UTC) else local

    def _ambiguous(self, moment: datetime) -> bool:
        return moment.tzinfo is self._zone and moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()


def _written(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp[:19]).replace(tzinfo=UTC) if stamp.endswith("Z") else None
    except ValueError:
        return None


def _trailing_zone(text: str) -> tuple[tzinfo | None, str]:
    if found := _OFFSET.search(text):
        return _named(found[0].strip()), text[: found.start()]
    if (found := _ZONE_NAME.search(text)) and found[1] not in {"AM", "PM"}:
        zone = _zone(found[1])
        if zone is None:
            _check_abbreviation(found[1])
        return zone, text[: found.start()]
    return None, text


def _check_abbreviation(name: str) -> None:
    """Let an abbreviation that is no zone's name be the source's zone; raises ValueError for what is none."""
    if not (len(name) <= _LONGEST_ABBREVIATION and name.isupper()):
        raise ValueError(f"{name} is no time zone")


def _named(text: str) -> tzinfo | None:
    if text == "Z":
        return UTC
    if found := _OFFSET.fullmatch(text):
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    return _zone(text)


def _zone(name: str) -> tzinfo | None:
    if name.upper() in {"UTC", "GMT", "Z", "ETC/UTC"}:
        return UTC
    if name in _ABBREVIATED:
        return timezone(timedelta(hours=_ABBREVIATED[name]))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
