"""
Dates that `time.strftime` wrote, read back: LOG_DATEFORMAT.

Dify gives strftime a time in LOG_TZ that does not say so: `%z` is `+0000` or nothing then, and `%Z` the zone of the
process, whatever LOG_TZ is. So an offset counts only where it is another one, and a zone's name never does.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone

#: Directives that stand for several, as the C locale has them; nothing sets another one in Dify's containers.
_SEVERAL = {
    "c": "%a %b %e %H:%M:%S %Y", "D": "%m/%d/%y", "x": "%m/%d/%y", "F": "%Y-%m-%d", "h": "%b", "r": "%I:%M:%S %p",
    "R": "%H:%M", "T": "%H:%M:%S", "X": "%H:%M:%S", "n": "\n", "t": "\t",
}  # fmt: skip
_DIRECTIVES = {
    "Y": r"\d{4}", "G": r"\d{4}", "j": r"\d{3}", "s": r"\d{1,12}", "u": r"\d", "w": r"\d", "e": r"[ \d]\d",
    "k": r"[ \d]\d", "l": r"[ \d]\d", "a": "[A-Za-z]{3}", "b": "[A-Za-z]{3}", "A": "[A-Za-z]{6,9}",
    "B": "[A-Za-z]{3,9}", "p": "[AaPp][Mm]", "P": "[AaPp][Mm]", "z": r"[+\d-]{0,5}", "Z": r"[A-Za-z\d+-]{0,9}",
} | dict.fromkeys("CdgHImMSUVWy", r"\d\d")  # fmt: skip
_PART = re.compile(r"%(?P<flag>[-_0^#]?)(?P<modifier>[EO]?)(?P<name>.?)|[^%]+", re.DOTALL)
_MONTHS = {name.lower(): number for names in (calendar.month_name, calendar.month_abbr) for number, name in
           enumerate(names) if name}  # fmt: skip
#: Years of two digits from here on are of the century before, as POSIX has it.
_PIVOT = 69
_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_BREAKS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def escape(text: str) -> str:
    """Return a regular expression for a text, escaping no more than is special."""
    return "".join(f"\\{one}" if one in _SPECIAL else _BREAKS.get(one, one) for one in text)


class DateFormat:
    """One format of strftime: the pattern of its dates, and what they say."""

    def __init__(self, layout: str) -> None:
        """Read a format; raises ValueError that says what it must be."""
        #: A regular expression without groups.
        self.pattern = ""
        self._names: set[str] = set()
        named = ""
        for part, name in _parts(layout):
            new = name and name not in self._names
            named += f"(?P<{name}>{part})" if new else part
            self._names |= {name} - {""}
            self.pattern += part
        if not self._names:
            raise ValueError("must say a time, as %Y-%m-%d %H:%M:%S does")
        self._fullmatch = re.compile(named, re.ASCII).fullmatch

    @property
    def has_year(self) -> bool:
        """Whether its dates say their year."""
        return bool(self._names & {"Y", "y", "s"})

    @property
    def has_seconds(self) -> bool:
        """Whether its dates say their second."""
        return bool(self._names & {"S", "s"})

    @property
    def complete(self) -> bool:
        """Whether its dates say their day and minute; the year may be missing."""
        names = self._names
        day = bool(names & set("mbB") and names & set("de")) or ("j" in names and self.has_year)
        hour = bool(names & set("Hk")) or bool(names & set("Il") and names & set("pP"))
        return "s" in names or (day and hour and "M" in names)

    def read(self, text: str) -> datetime:
        """Return what a date says, in the year 2000 if it says none; naive, unless it has an offset of its own."""
        found = self._fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not of this format")
        said = {name: value.strip() for name, value in found.groupdict().items()}
        if "s" in said:
            return datetime.fromtimestamp(int(said["s"]), UTC).replace(tzinfo=None)
        month = next((_month(said[name]) for name in "mbB" if name in said), 1)
        day = int(said.get("d") or said.get("e") or 1)
        minute, second = int(said.get("M", 0)), min(int(said.get("S", 0)), 59)
        moment = datetime(_year(said), month, day, _hour(said), minute, second)  # noqa: DTZ001  # whoever asks knows it
        if "j" in said and not {"d", "e"} & said.keys():
            moment = moment.replace(month=1) + timedelta(days=int(said["j"]) - 1)
        offset = said.get("z") or "+0000"
        if offset[1:] == "0000":
            return moment
        away = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
        return moment.replace(tzinfo=timezone(-away if offset[0] == "-" else away))


def _parts(layout: str) -> list[tuple[str, str]]:
    """Return the pattern of each part of a format, and the directive that it is."""
    parts: list[tuple[str, str]] = []
    for found in _PART.finditer(layout):
        name = found["name"]
        if name is None:
            parts.append((escape(found[0]), ""))
        elif name == "%" and not found["flag"] and not found["modifier"]:
            parts.append(("%", ""))
        elif name in _SEVERAL:
            parts += _parts(_SEVERAL[name])
        elif name in _DIRECTIVES:
            parts.append((_flagged(_DIRECTIVES[name], found["flag"]), name))
        else:
            raise ValueError(_wrong(found[0], name))
    return parts


def _flagged(pattern: str, flag: str) -> str:
    """Return a directive's pattern with what its flag does to digits; letters are of either case anyway."""
    if flag == "-" and pattern.startswith(("\\d", "[ ")):
        return r"\d{1,4}" if "{4}" in pattern else r"\d{1,3}" if "{3}" in pattern else r"\d{1,2}"
    if flag == "_" and pattern in {r"\d\d", r"\d{3}", r"\d{4}"}:
        return r"[ \d]\d" if pattern == r"\d\d" else pattern.replace(r"\d", r"[ \d]")
    if flag == "0" and pattern.startswith("[ "):
        return r"\d\d"
    return pattern


def _wrong(source: str, name: str) -> str:
    if not name:
        return "must not end in %: write %% for a percent sign"
    if name == "f":
        return "must not have %f, which strftime does not know: milliseconds are %(msecs)03d in LOG_FORMAT"
    return f"must have directives that strftime knows, as %Y-%m-%d %H:%M:%S has; {source} is none"


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.get(text.lower(), 0)


def _year(said: dict[str, str]) -> int:
    if "Y" in said:
        return int(said["Y"])
    if "y" not in said:
        return 2000
    short = int(said["y"])
    if "C" in said:
        return 100 * int(said["C"]) + short
    return short + (1900 if short >= _PIVOT else 2000)


def _hour(said: dict[str, str]) -> int:
    if hour := said.get("H") or said.get("k"):
        return int(hour)
    twelfth = int(said.get("I") or said.get("l") or 0)
    half = (said.get("p") or said.get("P") or "").lower()
    return twelfth % 12 + (12 if half == "pm" else 0) if half else twelfth
