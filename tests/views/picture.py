"""A dashboard as an SVG picture: its layout from the description, its content from Elasticsearch's answers."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from views.lettering import count, cut, lines, number, shares, ticks, width

from logship.elastic.views.body import value_of
from logship.elastic.views.headings import heading
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

    def runs(self, x, y, runs):
        """Write runs of several kinds at one baseline, each after the other."""
        spans = "".join(f'<tspan class="{kind}">{escape(words)}</tspan>' for words, kind in runs)
        place = f'x="{_n(self.x + x)}" y="{_n(self.y + y)}"'
        self.parts.append(f'<text {place} xml:space="preserve">{spans}</text>')

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
            _events(canvas, *events(spot.panel.search), language)
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
        canvas.text(12, 70, number(chart.measures[0], value), "n", colour="#0b64dd")
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
    room = min(max((width(name) for name, _ in rows), default=0) + 4, canvas.width * 0.58)
    for place, (name, value) in enumerate(rows):
        y = 36 + 18 * place
        canvas.text(12, y + 10, cut(name, room), "d")
        length = (canvas.width - room - 76) * value / longest
        canvas.box(room + 18, y, max(length, 1), 12, COLOURS[0], 2)
        canvas.text(room + 24 + length, y + 10, count(value))


def _donut(canvas, rows):
    total, begin = sum(value for _, value in rows), 0.0
    radius = min(canvas.height - 50, canvas.width * 0.4) / 2.6
    x, y = 20 + radius * 1.25, 36 + (canvas.height - 46) / 2
    for place, (name, value) in enumerate(rows):
        colour = LEVELS.get(name, COLOURS[place % len(COLOURS)])
        canvas.arc(x, y, radius, begin, begin + value / total, colour)
        begin += value / total
        row = 46 + 16 * place
        if row < canvas.height - 6:
            left = x + radius * 1.25 + 16
            canvas.box(left, row - 8, 9, 9, colour, 2)
            canvas.text(left + 42, row, f"{value / total:.0%}", anchor="end")
            canvas.text(left + 50, row, cut(name, canvas.width - left - 58), "d")


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
    marks = [0, 0.5, 1] if share else ticks(highest, chart.measures[0])
    highest = marks[-1]
    for mark in marks:
        y = bottom - (bottom - top) * mark / highest
        canvas.line([(left, y), (right, y)], "#e3e8f2", 1)
        canvas.text(left - 6, y + 4, f"{mark:.0%}" if share else number(chart.measures[0], mark), "d", "end")
    for moment in moments:
        if moment % 1_800_000 == 0:
            x = left + (right - left) * (moment - begin) / span
            canvas.text(x, bottom + 15, f"{datetime.fromtimestamp(moment / 1000, UTC):%H:%M}", "d")
    base = dict.fromkeys(moments, 0.0)
    for place, (name, points) in enumerate(series):
        colour = LEVELS.get(name, COLOURS[place % len(COLOURS)])
        line = []
        for moment in moments:
            value = points.get(moment)
            if value is None or (not value and chart.shape != "line"):
                continue
            x, wide = left + (right - left) * (moment - begin) / span, (right - left) * step / span
            if chart.shape == "line":
                line.append((x + wide / 2, bottom - (bottom - top) * value / highest))
                continue
            part = value / (sums[moment] if share else highest)
            low = bottom - (bottom - top) * base[moment]
            base[moment] += part
            canvas.box(x + 1, low - (bottom - top) * part, max(wide - 2, 1), (bottom - top) * part, colour)
        if line:
            canvas.line(line, colour, 2)
        if legend and 46 + 16 * place < canvas.height:
            canvas.box(right + 14, 38 + 16 * place, 9, 9, colour, 2)
            canvas.text(right + 28, 46 + 16 * place, cut(name, legend - 30), "d")


def _named_series(chart, found, language):
    split = found["by0"]["buckets"] if chart.by else [{"key": "", "time": found["time"]}]
    series = []
    for one in split:
        for place, measure in enumerate(chart.measures):
            name = str(one["key"]) or measure.title.in_(language)
            points = {bucket["key"]: value_of(bucket, place, measure) for bucket in one["time"]["buckets"]}
            series.append((name, points))
    return series


def _table(canvas, chart, found, language):
    rows = _rows(chart, found, 0, ())[: int((canvas.height - 54) // 17)]
    titles = [measure.title.in_(language) for measure in chart.measures]
    values = [max(60, width(title, "b") + 16) for title in titles]
    heads = [heading(field, language) for field in chart.by]
    _columns(canvas, heads, [keys for keys, _ in rows], canvas.width - 24 - sum(values))
    ends = [canvas.width - 12 - sum(values[place + 1 :]) for place in range(len(values))]
    for title, x in zip(titles, ends, strict=True):
        canvas.text(x, 42, title, "b", "end")
    for place, (_, numbers) in enumerate(rows):
        for measure, value, x in zip(chart.measures, numbers, ends, strict=True):
            canvas.text(x, 59 + 17 * place, number(measure, value), anchor="end")


def _rows(chart, bucket, depth, keys):
    if depth == len(chart.by):
        return [(keys, [value_of(bucket, place, measure) for place, measure in enumerate(chart.measures)])]
    return [row for one in bucket[f"by{depth}"]["buckets"]
            for row in _rows(chart, one, depth + 1, (*keys, str(one["key"])))]  # fmt: skip


def _events(canvas, columns, documents, language):
    shown = documents[: int((canvas.height - 54) // 17)]
    heads = [{"zh": "时间"}.get(language, "time"), *(heading(column, language) for column in columns)]
    _columns(canvas, heads, [(time, *cells) for time, cells in shown], canvas.width - 24, "m")


def _columns(canvas, heads, rows, room, kind="d"):
    """Write headings and rows, each column as wide as it needs to be and can be."""
    needs = [
        max([width(head, "b"), *(width(row[place], kind) for row in rows)]) + 12 for place, head in enumerate(heads)
    ]
    rooms = shares(needs, room)
    x = 12
    for place, (head, wide) in enumerate(zip(heads, rooms, strict=True)):
        canvas.text(x, 42, cut(head, wide - 8, "b"), "b")
        for down, row in enumerate(rows):
            canvas.text(x, 59 + 17 * down, cut(row[place], wide - 8, kind), kind, colour=LEVELS.get(row[place], ""))
        x += wide


def _runbook(canvas, text):
    y = 42
    for paragraph in text.strip().split("\n\n"):
        for line in lines(paragraph, canvas.width - 24):
            canvas.runs(12, y, line)
            y += 15
        y += 5
    assert y < canvas.height + 14, f"a runbook of {y} pixels in {canvas.height}"


def _n(value):
    return f"{value:.1f}".removesuffix(".0")
