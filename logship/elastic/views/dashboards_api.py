"""
Bodies of `PUT /api/dashboards/<id>`, the Dashboards API of Kibana 9.5 (preview in 9.4).

Data views and saved searches are referred to by the ids of `saved_objects`,
which are imported first.
"""

from __future__ import annotations

from typing import Any

from logship.elastic.views.layout import Place, places
from logship.elastic.views.model import (
    Bars,
    Chart,
    Dashboard,
    Events,
    Language,
    Measure,
    Metric,
    Runbook,
    Series,
    Table,
    both,
)
from logship.elastic.views.saved_objects import DISCOVER, TAG, search_id, view_id

Json = dict[str, Any]

_OPERATIONS = {"p95": "percentile", "unique": "unique_count"}
_SHAPES = {"bars": "bar_stacked", "share": "bar_percentage", "line": "line"}
_TIME: Json = {"operation": "date_histogram", "field": "@timestamp"}


def body(dashboard: Dashboard, language: Language) -> Json:
    """Return the request's body for a dashboard."""
    return {
        "title": f"[logship] {dashboard.title.in_(language)}",
        "description": dashboard.description.in_(language),
        "time_range": {"from": "now-24h", "to": "now"},
        "refresh_interval": {"pause": True, "value": 60000},
        "query": {"language": "lucene", "expression": ""},
        "tags": [TAG],
        "panels": [_panel(place, dashboard, language) for place in places(dashboard)],
    }


def _panel(place: Place, dashboard: Dashboard, language: Language) -> Json:
    panel = place.panel
    shown: Json = {"id": place.id, "grid": {"x": place.x, "y": place.y, "w": place.width, "h": place.height}}
    title = panel.title.in_(language)
    if isinstance(panel, Runbook):
        return shown | {"type": "markdown", "config": {"title": title, "content": panel.text.in_(language)}}
    if isinstance(panel, Events):
        return shown | {"type": "discover_session", "config": {"title": title, "ref_id": search_id(panel.search)}}
    source: Json = {"type": "data_view_reference", "ref_id": view_id(dashboard.data)}
    config = {
        "title": title,
        "query": {"language": "lucene", "expression": both(dashboard.query, panel.query)},
        "drilldowns": [{"type": "discover_drilldown", "trigger": "on_apply_filter", "label": DISCOVER.in_(language)}],
    }
    return shown | {"type": "vis", "config": config | _chart(panel, source, language)}


def _chart(chart: Chart, source: Json, language: Language) -> Json:
    measures = [_measure(measure, language) for measure in chart.measures]
    if isinstance(chart, Metric):
        return {"type": "metric", "data_source": source, "metrics": [{"type": "primary"} | measures[0]]}
    if isinstance(chart, Table):
        rows = [_terms(field, chart.size, ranked=True) for field in chart.by]
        return {"type": "data_table", "data_source": source, "metrics": measures, "rows": rows}
    if isinstance(chart, Bars) and chart.kind == "donut":
        slices = [_terms(chart.by, chart.size)]
        styling = {"donut_hole": "m"}
        return {"type": "pie", "data_source": source, "metrics": measures, "group_by": slices, "styling": styling}
    layer: Json = {"data_source": source, "y": measures}
    if isinstance(chart, Series):
        layer |= {"type": _SHAPES[chart.shape], "x": _TIME}
        if chart.by:
            layer["breakdown_by"] = _terms(chart.by, chart.size)
    else:
        layer |= {"type": "bar_horizontal", "x": _terms(chart.by, chart.size)}
    return {"type": "xy", "layers": [layer]}


def _measure(measure: Measure, language: Language) -> Json:
    value: Json = {
        "operation": _OPERATIONS.get(measure.function, measure.function),
        "label": measure.title.in_(language),
    }
    if measure.function == "p95":
        value["percentile"] = 95
    return value | ({"field": measure.field} if measure.field else {})


def _terms(field: str, size: int, *, ranked: bool = False) -> Json:
    value: Json = {"operation": "terms", "fields": [field], "limit": size}
    if ranked:
        value["rank_by"] = {"type": "metric", "metric_index": 0, "direction": "desc"}
    return value
