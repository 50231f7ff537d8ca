"""Text in pictures: how wide it is, where it may be cut and broken, and how numbers and scales are written."""

import math
import re

#: Characters of Chinese text, full-width signs among them; a line may end after any.
WIDE = "\u2e80-\uffef"
_NARROW, _BROAD = frozenset("iljtfrI.,:;'|!/()[]{} -`\""), frozenset("mwMW@%…")
#: What no line begins with, and what none ends with.
_CLOSING, _OPENING = frozenset("，。；：、）”！？》"), frozenset("“（《")
_PIECES = re.compile(rf"[{WIDE}“”]|[^\s{WIDE}“”]+|\s+")
_MARKED = re.compile(r"\*\*(?P<b>.+?)\*\*(?!\*)|\*(?P<i>.+?)\*|`(?P<m>.+?)`", re.DOTALL)


def width(text, kind=""):
    """Return about how many pixels a text takes."""
    if kind == "m":
        return sum(10 if ord(char) > 0x2E80 else 6.05 for char in text)
    bold = 1.08 if kind == "b" else 1
    return bold * sum(
        11 if ord(char) > 0x2E80 else 3.6 if char in _NARROW else 9.2 if char in _BROAD else 7.4 if char.isupper()
        else 6.1
        for char in text
    )  # fmt: skip


def cut(text, room, kind=""):
    """Shorten a text to the pixels that there are: a sentence at its end, a name, an id or a path in its middle."""
    text = " ".join(str(text).split())
    if width(text, kind) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        tail = 0 if " " in text else kept * 2 // 3  # what tells paths, classes and ids apart is their end
        short = f"{text[: kept - tail]}…{text[len(text) - tail :]}"
        if width(short, kind) <= room:
            return short
    return "…"


def shares(needs, room):
    """Return the widths of columns: what each needs, where that is too much the widest give way, the rest is spread."""
    left, widths = room, dict.fromkeys(range(len(needs)), 0.0)
    for place, column in enumerate(sorted(widths, key=lambda column: needs[column])):
        widths[column] = min(needs[column], left / (len(needs) - place))
        left -= widths[column]
    return [one + left / len(needs) for one in widths.values()]


def lines(markdown, room):
    """Return a paragraph of Markdown as lines of runs: text and kind (`b` bold, `m` code), none wider than the room."""
    found, line, used = [], [], 0.0
    for unit in _units(markdown):
        needs = sum(width(text, kind) for text, kind in unit)
        if line and used + needs > room and unit[0][0] != " ":
            found.append(line)
            line, used = [], 0.0
        if line or unit[0][0] != " ":
            line = line + unit
            used += needs
    return [_merged(line) for line in [*found, line] if line]


def _units(markdown):
    """Return what is not broken: words, single Chinese characters with the signs that cling to them, spaces."""
    units = []
    for text, kind in _runs(markdown):
        for piece in _PIECES.findall(text):
            if piece.isspace():
                units.append([(" ", kind)])
            elif units and _clings(units[-1][-1][0], piece):
                units[-1].append((piece, kind))
            else:
                units.append([(piece, kind)])
    return units


def _clings(before, piece):
    """Return whether no line ends between two pieces: two halves of a word, or a sign and what it belongs to."""
    if before == " ":
        return False
    return before in _OPENING or piece in _CLOSING or not re.search(f"[{WIDE}“”]", before[-1] + piece[0])


def _runs(markdown):
    end = 0
    for found in _MARKED.finditer(markdown):
        yield markdown[end : found.start()], "d"
        kind = found.lastgroup
        yield found[kind].replace("*", ""), {"i": "d"}.get(kind, kind)
        end = found.end()
    yield markdown[end:], "d"


def _merged(line):
    """Return a line with neighbours of one kind as one run."""
    runs = []
    for text, kind in line:
        if runs and runs[-1][1] == kind:
            runs[-1] = (runs[-1][0] + text, kind)
        else:
            runs.append((text, kind))
    return runs


def ticks(highest, measure):
    """Return the marks of a scale from 0 to beyond a value, in round steps; whole numbers where things are counted."""
    unit = {"event.duration": 1e9}.get(measure.field, 1)
    if measure.field.endswith("lag_seconds") and highest > 90:
        unit = 60
    step = unit * _round(highest / unit / 2)
    if measure.function in {"count", "unique"} or (measure.function == "sum" and unit == 1):
        step = max(1, math.ceil(step))
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _round(value):
    """Return the greatest of 1, 2, 2.5, 5, 10, 20, … that is no greater; at least three marks make a scale then."""
    power = 10 ** math.floor(math.log10(value))
    return max(one for one in (1, 2, 2.5, 5) if one * power <= value * 1.0001) * power


def number(measure, value):
    """Return a number as a person reads it."""
    if value is None:
        return "–"
    if measure.field == "event.duration":
        return _time(value / 1e9)
    if measure.field.endswith("lag_seconds"):
        return _time(value)
    return _bytes(value) if measure.field.endswith("bytes") else count(value)


def _time(seconds):
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (90, 1, "s")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}" if seconds else "0"
    return f"{seconds / 60:.3g} min"


def _bytes(value):
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} GB"


def count(value):
    """Return a number of things."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
