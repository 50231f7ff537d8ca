"""
Dashboards for Grafana's Elasticsearch data source, and the files that provision them.

The form is that of Grafana's dashboard JSON, schema version 39 (Grafana 11);
later versions migrate it upwards. Ids of aggregations are strings.
"""

from __future__ import annotations

from typing import Any

from logship.elastic.views.headings import heading
from logship.elastic.views.layout import Place, places
from logship.elastic.views.model import (
    STREAMS,
    Chart,
    Dashboard,
    Data,
    Events,
    Language,
    Measure,
    Metric,
    Runbook,
    Series,
    Table,
    Views,
    both,
)

Json = dict[str, Any]

_FUNCTIONS = {"average": "avg", "max": "max", "sum": "sum", "unique": "cardinality", "p95": "percentiles"}
#: How the values of a period become one number.
_REDUCE = {"count": "sum", "sum": "sum", "average": "mean", "max": "max", "p95": "max", "unique": "max"}
_UNITS = {"event.duration": "ns", "logship.lag_seconds": "s"}
#: A row of Grafana's grid is about twice as high as one of Kibana's.
_WIDTH, _HEIGHT = 2, 2


def source_uid(data: Data) -> str:
    """Return the uid of a data source."""
    return f"logship-{data}"


def dashboard(name: str, views: Views, language: Language) -> Json:
    """Return a dashboard's JSON."""
    one = views.dashboards[name]
    links = {
        "title": "logship",
        "type": "dashboards",
        "tags": ["logship"],
        "asDropdown": True,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    return {
        "uid": f"logship-{name}",
        "title": f"[logship] {one.title.in_(language)}",
        "description": one.description.in_(language),
        "tags": ["logship"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "links": [links],
        "panels": [_panel(number, place, one, views, language) for number, place in enumerate(places(one), 1)],
    }


def _panel(number: int, place: Place, one: Dashboard, views: Views, language: Language) -> Json:
    panel = place.panel
    search = views.searches[panel.search] if isinstance(panel, Events) else None
    source = {"type": "elasticsearch", "uid": source_uid(search.data if search else one.data)}
    shown: Json = {
        "id": number,
        "title": panel.title.in_(language),
        "gridPos": {
            "x": place.x // _WIDTH,
            "y": place.y // _HEIGHT,
            "w": place.width // _WIDTH,
            "h": place.height // _HEIGHT,
        },
    }
    if isinstance(panel, Runbook):
        return shown | {"type": "text", "options": {"mode": "markdown", "content": panel.text.in_(language)}}
    shown["datasource"] = source
    if search:
        metrics = [{"id": "1", "type": "logs", "settings": {"limit": "500"}}]
        return shown | {"type": "logs", "options": _LOGS, "targets": [_target(source, search.query, metrics, [])]}
    chart: Chart = panel  # type: ignore[assignment]  # what is neither runbook nor events is a chart
    metrics = [_metric(position, measure) for position, measure in enumerate(chart.measures, 1)]
    target = _target(source, both(one.query, chart.query), metrics, _buckets(chart))
    names = {_given_name(measure): measure.title.in_(language) for measure in chart.measures}
    if isinstance(chart, Table):
        names |= {field: heading(field, language) for field in chart.by if heading(field, language) != field}
    return shown | _shown(chart, names) | {"targets": [target]}


_LOGS: Json = {
    "showTime": True,
    "wrapLogMessage": True,
    "enableLogDetails": True,
    "prettifyLogMessage": False,
    "showLabels": False,
    "showCommonLabels": False,
    "sortOrder": "Descending",
    "dedupStrategy": "none",
}


def _target(source: Json, query: str, metrics: list[Json], buckets: list[Json]) -> Json:
    return {
        "refId": "A",
        "datasource": source,
        "query": query,
        "alias": "",
        "metrics": metrics,
        "bucketAggs": buckets,
        "timeField": "@timestamp",
    }


def _metric(number: int, measure: Measure) -> Json:
    metric: Json = {"id": str(number), "type": _FUNCTIONS.get(measure.function, "count")}
    if measure.field:
        metric["field"] = measure.field
    if measure.function == "p95":
        metric["settings"] = {"percents": ["95"]}
    return metric


def _buckets(chart: Chart) -> list[Json]:
    # The order by a percentile would name its value; all are ordered by their number of documents.
    settings = {"min_doc_count": "1", "order": "desc", "orderBy": "_count"}
    buckets: list[Json] = [
        {"id": str(20 + number), "type": "terms", "field": field, "settings": {"size": str(chart.size), **settings}}
        for number, field in enumerate(chart.fields)
    ]
    if isinstance(chart, (Series, Metric)):
        time = {"interval": "auto", "min_doc_count": "0", "trimEdges": "0"}
        buckets.append({"id": "10", "type": "date_histogram", "field": "@timestamp", "settings": time})
    return buckets


def _given_name(measure: Measure) -> str:
    """Return how Grafana names the column of a measure."""
    if measure.function == "p95":
        return f"p95.0 {measure.field}"
    names = {"average": "Average", "max": "Max", "sum": "Sum", "unique": "Unique Count"}
    return f"{names[measure.function]} {measure.field}" if measure.field else "Count"


def _shown(chart: Chart, names: dict[str, str]) -> Json:
    unit = next((_UNITS[one.field] for one in chart.measures if one.field in _UNITS), None)
    defaults: Json = {"unit": unit} if unit and not isinstance(chart, Table) else {}
    if isinstance(chart, Metric):
        reduce = {"calcs": [_REDUCE[chart.measures[0].function]], "fields": "", "values": False}
        options = {"colorMode": "value", "graphMode": "area", "reduceOptions": reduce}
        return {"type": "stat", "options": options, "fieldConfig": {"defaults": defaults, "overrides": []}}
    if isinstance(chart, Series):
        stacking = {"bars": "normal", "share": "percent", "line": "none"}[chart.shape]
        line = chart.shape == "line"
        custom = {
            "drawStyle": "line" if line else "bars",
            "fillOpacity": 10 if line else 80,
            "lineWidth": 1,
            "stacking": {"group": "A", "mode": stacking},
        }
        options = {"legend": {"displayMode": "list", "placement": "right", "showLegend": True, "calcs": []}}
        return {
            "type": "timeseries",
            "options": options,
            "fieldConfig": {"defaults": defaults | {"custom": custom}, "overrides": []},
        }
    rename = {"id": "organize", "options": {"excludeByName": {}, "indexByName": {}, "renameByName": names}}
    if isinstance(chart, Table):
        shown = {"defaults": dict[str, Json](), "overrides": _units(chart, names)}
        return {"type": "table", "options": {"showHeader": True}, "fieldConfig": shown, "transformations": [rename]}
    config = {"defaults": defaults, "overrides": list[Json]()}
    if chart.kind == "donut":
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": True}
        legend = {"displayMode": "list", "placement": "right", "showLegend": True, "values": ["value"]}
        options = {"pieType": "donut", "reduceOptions": reduce, "legend": legend}
        return {"type": "piechart", "options": options, "fieldConfig": config, "transformations": [rename]}
    options = {"orientation": "horizontal", "xField": chart.by, "legend": {"showLegend": False}}
    return {"type": "barchart", "options": options, "fieldConfig": config, "transformations": [rename]}


def _units(chart: Table, names: dict[str, str]) -> list[Json]:
    """Return the units of a table's columns, by their shown names."""
    return [
        {
            "matcher": {"id": "byName", "options": names[_given_name(measure)]},
            "properties": [{"id": "unit", "value": _UNITS[measure.field]}],
        }
        for measure in chart.measures
        if measure.field in _UNITS
    ]


def provisioning() -> dict[str, Json]:
    """Return the provisioning files by their path: data sources, and where the dashboards lie."""
    # `$$` is one `$`: Grafana puts environment variables into these files.
    trace = {
        "field": "trace.id",
        "url": "trace.id:\"$${__value.raw}\"",
        "urlDisplayLabel": "trace",
        "datasourceUid": source_uid("logs"),
    }
    sources = [
        {
            "name": f"logship {data}",
            "uid": source_uid(data),
            "type": "elasticsearch",
            "access": "proxy",
            "url": "${LOGSHIP_GRAFANA_ELASTICSEARCH_URL}",
            "jsonData": {
                "index": index,
                "timeField": "@timestamp",
                "logMessageField": "message",
                "logLevelField": "log.level",
                "maxConcurrentShardRequests": 5,
                "httpHeaderName1": "Authorization",
                "dataLinks": [trace],
            },
            "secureJsonData": {"httpHeaderValue1": "ApiKey ${LOGSHIP_GRAFANA_ELASTICSEARCH_API_KEY}"},
            "editable": True,
        }
        for data, index in STREAMS.items()
    ]
    provider = {
        "name": "logship",
        "folder": "logship",
        "type": "file",
        "allowUiUpdates": True,
        "options": {"path": "${LOGSHIP_GRAFANA_DASHBOARDS}"},
    }
    return {
        "provisioning/datasources/logship.yaml": {"apiVersion": 1, "datasources": sources},
        "provisioning/dashboards/logship.yaml": {"apiVersion": 1, "providers": [provider]},
    }
