"""A dashboard as an SVG picture: its layout from the description, its content from Elasticsearch's answers."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from textwrap import wrap

from logship.elastic.views.body import value_of
from logship.elastic.views.layout import places
from logship.elastic.views.model import Bars, Dashboard, Events, Metric, Runbook, Series, Table

#: Pixels of a cell of the grid.
CELL_X, CELL_Y = 25, 19
TOP = 64
COLOURS = ("#0b64dd", "#16c5c0", "#e0568b", "#f6a821", "#7a5cc9", "#61a2ff", "#9ac94c", "#c25b3f", "#4a5568", "#b0b8c4")
LEVELS = {"info": "#61a2ff", "warning": "#f6a821", "error": "#e0568b", "critical": "#8f1d3f", "debug": "#b0b8c4",
          "notice": "#16c5c0"}  # fmt: skip
STYLE = (
    "text{font-family:Inter,'Segoe UI',Roboto,Helvetica,Arial,'Noto Sans CJK SC',sans-serif;font-size:11px}"
    "text{fill:#343741}"
    ".t{font-size:12px;font-weight:600}.h{font-size:20px;font-weight:600}.n{font-size:34px;font-weight:600}"
    ".d{fill:#69707d}.m{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:10px}.b{font-weight:600}"
)


class Canvas:
    """Shapes inside one panel, positions counted from its top left corner."""

    def __init__(self, x: float, y: float, width: float, height: float) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height
        self.parts: list[str] = []

    def text(self, x, y, words, kind="", anchor="start", colour=""):
        """Write words at a baseline."""
        fill = f' style="fill:{colour}"' if colour else ""
        place = f'x="{_n(self.x + x)}" y="{_n(self.y + y)}"'
        self.parts.append(f'<text {place} class="{kind}" text-anchor="{anchor}"{fill}>{escape(str(words))}</text>')

    def box(self, x, y, width, height, colour, radius=0):
        """Draw a filled rectangle."""
        self.parts.append(f'<rect x="{_n(self.x + x)}" y="{_n(self.y + y)}" width="{_n(width)}" height="{_n(height)}" '
                          f'rx="{radius}" fill="{colour}"/>')  # fmt: skip

    def line(self, points, colour, width=1.5):
        """Draw a line through points."""
        path = " ".join(f"{_n(self.x + x)},{_n(self.y + y)}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def arc(self, x, y, radius, begin, end, colour):
        """Draw a part of a ring, from one share of the circle to another."""
        if end - begin > 0.9999:
            end = begin + 0.9999
        angles = [2 * math.pi * share - math.pi / 2 for share in (begin, end)]
        points = [(self.x + x + radius * math.cos(angle), self.y + y + radius * math.sin(angle)) for angle in angles]
        first, last = (f"{_n(across)} {_n(down)}" for across, down in points)
        path = f"M{first} A{_n(radius)} {_n(radius)} 0 {int(end - begin > 0.5)} 1 {last}"
        self.parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{_n(radius / 2)}"/>')


def draw(dashboard: Dashboard, language: str, answer: Callable, events: Callable, digest: str) -> str:
    """
    Return the picture of a dashboard.

    `answer` gives Elasticsearch's answer for a chart, `events` the documents of a saved search with its columns.
    """
    spots = list(places(dashboard))
    height = TOP + max(spot.y + spot.height for spot in spots) * CELL_Y + 12
    width = 48 * CELL_X + 16
    head = Canvas(16, 0, width, TOP)
    head.text(0, 30, f"[logship] {dashboard.title.in_(language)}", "h")
    head.text(0, 50, dashboard.description.in_(language), "d")
    parts = [*head.parts]
    for spot in spots:
        canvas = Canvas(12 + spot.x * CELL_X, TOP + spot.y * CELL_Y, spot.width * CELL_X - 8, spot.height * CELL_Y - 8)
        size = f'width="{_n(canvas.width)}" height="{_n(canvas.height)}"'
        parts.append(f'<rect x="{_n(canvas.x)}" y="{_n(canvas.y)}" {size} rx="6" fill="#fff" stroke="#d3dae6"/>')
        canvas.text(12, 22, spot.panel.title.in_(language), "t")
        if isinstance(spot.panel, Runbook):
            _runbook(canvas, spot.panel.text.in_(language))
        elif isinstance(spot.panel, Events):
            _events(canvas, *events(spot.panel.search))
        else:
            _chart(canvas, spot.panel, answer(spot.panel), language)
        parts += canvas.parts
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f"<!-- description {digest} -->\n<style>{STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" fill="#f7f8fc"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _chart(canvas, chart, answer, language):
    total = answer["hits"]["total"]
    found = answer.get("aggregations", {})
    if isinstance(chart, Metric):
        value = value_of(found | {"doc_count": total}, 0, chart.measures[0])
        canvas.text(12, 70, shown(chart.measures[0], value), "n", colour="#0b64dd")
    elif isinstance(chart, Table):
        _table(canvas, chart, found, language)
    elif isinstance(chart, Series):
        _series(canvas, chart, found, language)
    else:
        rows = [(str(one["key"]), value_of(one, 0, chart.measures[0])) for one in found["by0"]["buckets"]]
        (_donut if isinstance(chart, Bars) and chart.kind == "donut" else _bars)(canvas, rows)


def _bars(canvas, rows):
    rows = rows[: int((canvas.height - 36) // 18)]
    longest = max((value for _, value in rows), default=0)
    for number, (name, value) in enumerate(rows):
        y = 36 + 18 * number
        room = canvas.width * 0.42
        canvas.text(12, y + 10, _cut(name, room), "d")
        width = (canvas.width - room - 70) * value / longest
        canvas.box(room + 16, y, max(width, 1), 12, COLOURS[0], 2)
        canvas.text(room + 22 + width, y + 10, _count(value))


def _donut(canvas, rows):
    total, begin = sum(value for _, value in rows), 0.0
    radius = min(canvas.height - 50, canvas.width * 0.4) / 2.6
    x, y = 20 + radius * 1.25, 36 + (canvas.height - 46) / 2
    for number, (name, value) in enumerate(rows):
        colour = LEVELS.get(name, COLOURS[number % len(COLOURS)])
        canvas.arc(x, y, radius, begin, begin + value / total, colour)
        begin += value / total
        row = 46 + 16 * number
        if row < canvas.height - 6:
            left = x + radius * 1.25 + 16
            canvas.box(left, row - 8, 9, 9, colour, 2)
            canvas.text(left + 14, row, _cut(f"{name}  {value / total:.0%}", canvas.width - left - 18), "d")


def _series(canvas, chart, found, language):
    series = _named_series(chart, found, language)
    legend = min(160, canvas.width * 0.33) if len(series) > 1 or chart.by else 0
    left, top, right, bottom = 58, 36, canvas.width - 12 - legend, canvas.height - 24
    moments = sorted({moment for _, points in series for moment in points})
    share = chart.by and chart.shape == "share"
    sums = {moment: sum(points.get(moment) or 0 for _, points in series) for moment in moments}
    values = [value for _, points in series for value in points.values() if value is not None]
    highest = 1.0 if share else max(values if chart.shape == "line" else sums.values()) or 1.0
    begin, step = moments[0], 300_000
    span = moments[-1] - begin + step
    for part in (0, 0.5, 1):
        y = bottom - (bottom - top) * part
        canvas.line([(left, y), (right, y)], "#e3e8f2", 1)
        label = f"{part:.0%}" if share else shown(chart.measures[0], highest * part)
        canvas.text(left - 6, y + 4, label, "d", "end")
    for moment in moments:
        if moment % 1_800_000 == 0:
            x = left + (right - left) * (moment - begin) / span
            canvas.text(x, bottom + 15, f"{datetime.fromtimestamp(moment / 1000, UTC):%H:%M}", "d")
    base = dict.fromkeys(moments, 0.0)
    for number, (name, points) in enumerate(series):
        colour = LEVELS.get(name, COLOURS[number % len(COLOURS)])
        line = []
        for moment in moments:
            value = points.get(moment)
            if value is None or (not value and chart.shape != "line"):
                continue
            x, width = left + (right - left) * (moment - begin) / span, (right - left) * step / span
            if chart.shape == "line":
                line.append((x + width / 2, bottom - (bottom - top) * value / highest))
                continue
            part = value / (sums[moment] if share else highest)
            low = bottom - (bottom - top) * base[moment]
            base[moment] += part
            canvas.box(x + 1, low - (bottom - top) * part, max(width - 2, 1), (bottom - top) * part, colour)
        if line:
            canvas.line(line, colour, 2)
        if legend and 46 + 16 * number < canvas.height:
            canvas.box(right + 14, 38 + 16 * number, 9, 9, colour, 2)
            canvas.text(right + 28, 46 + 16 * number, _cut(name, legend - 30), "d")


def _named_series(chart, found, language):
    split = found["by0"]["buckets"] if chart.by else [{"key": "", "time": found["time"]}]
    series = []
    for one in split:
        for number, measure in enumerate(chart.measures):
            name = str(one["key"]) or measure.title.in_(language)
            points = {bucket["key"]: value_of(bucket, number, measure) for bucket in one["time"]["buckets"]}
            series.append((name, points))
    return series


def _table(canvas, chart, found, language):
    rows = _rows(chart, found, 0, ())[: int((canvas.height - 54) // 17)]
    values = 88
    room = (canvas.width - 24 - values * len(chart.measures)) / len(chart.by)
    for number, field in enumerate(chart.by):
        canvas.text(12 + room * number, 42, _cut(field, room - 6), "b")
    for number, measure in enumerate(chart.measures):
        x = canvas.width - 12 - values * (len(chart.measures) - 1 - number)
        canvas.text(x, 42, _cut(measure.title.in_(language), values - 4), "b", "end")
    for place, (keys, numbers) in enumerate(rows):
        y = 59 + 17 * place
        for number, key in enumerate(keys):
            canvas.text(12 + room * number, y, _cut(key, room - 8), "d")
        for number, (measure, value) in enumerate(zip(chart.measures, numbers, strict=True)):
            x = canvas.width - 12 - values * (len(chart.measures) - 1 - number)
            canvas.text(x, y, shown(measure, value), anchor="end")


def _rows(chart, bucket, number, keys):
    if number == len(chart.by):
        return [(keys, [value_of(bucket, place, measure) for place, measure in enumerate(chart.measures)])]
    return [row for one in bucket[f"by{number}"]["buckets"]
            for row in _rows(chart, one, number + 1, (*keys, str(one["key"])))]  # fmt: skip


def _events(canvas, columns, documents):
    room = (canvas.width - 24 - 64) / len(columns)
    canvas.text(12, 42, "time", "b")
    for number, column in enumerate(columns):
        canvas.text(76 + room * number, 42, _cut(column, room - 6), "b")
    for place, (time, cells) in enumerate(documents[: int((canvas.height - 54) // 17)]):
        y = 59 + 17 * place
        canvas.text(12, y, time, "d")
        for number, cell in enumerate(cells):
            colour = LEVELS.get(cell, "") if columns[number] == "log.level" else ""
            canvas.text(76 + room * number, y, _cut(cell, room - 8), "m", colour=colour)


def _runbook(canvas, text):
    wide = any(ord(char) > 0x2E80 for char in text)
    y = 42
    for paragraph in text.strip().split("\n\n"):
        plain = paragraph.replace("**", "").replace("*", "").replace("`", "")
        for number, line in enumerate(wrap(plain, int((canvas.width - 24) / (11.4 if wide else 6.6)))):
            if y > canvas.height - 8:
                return
            canvas.text(12, y, line, "b" if number == 0 else "d")
            y += 15
        y += 5


def shown(measure, value):
    """Return a number as a person reads it."""
    if value is None:
        return "–"
    if measure.field == "event.duration":
        return _time(value / 1e9)
    if measure.field.endswith("lag_seconds"):
        return _time(value)
    return _bytes(value) if measure.field.endswith("bytes") else _count(value)


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


def _count(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _cut(text, room):
    """Shorten a text to the pixels that there are."""
    text, width = " ".join(str(text).split()), 0.0
    for place, char in enumerate(text):
        width += 11 if ord(char) > 0x2E80 else 6.1
        if width > room:
            return text[: max(place - 1, 1)] + "…"
    return text


def _n(value):
    return f"{value:.1f}".removesuffix(".0")
