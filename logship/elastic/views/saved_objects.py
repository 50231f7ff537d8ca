"""
Kibana's saved objects, for 8.9 and later: `POST /api/saved_objects/_import`.

Each object says the lowest version that knows its form; Kibana migrates
upwards and refuses what is newer than itself. The values of the `…JSON`
attributes are strings that hold JSON.
"""

from __future__ import annotations

from typing import Any

import orjson

from logship.elastic.views import lens
from logship.elastic.views.headings import chinese
from logship.elastic.views.layout import Place, places
from logship.elastic.views.model import STREAMS, Dashboard, Data, Events, Language, Runbook, SavedSearch, Text, Views

Json = dict[str, Any]

TAG = "logship-tag"
_SEARCH_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
_NAMES: dict[Data, Text] = {
    "logs": Text(en="Dify logs", zh="Dify 日志"),
    "agent": Text(en="logship's own reports", zh="logship 自身报告"),
}
DISCOVER = Text(en="Open in Discover", zh="在 Discover 中打开")
_WHOLE_TRACE = Text(en="Everything of this trace", zh="此跟踪的全部日志")
#: How values of these fields are shown.
_DURATION = {
    "inputFormat": "nanoseconds",
    "outputFormat": "humanizePrecise",
    "outputPrecision": 1,
    "useShortSuffix": True,
}
_OPTIONS = {
    "hidePanelTitles": False,
    "syncColors": True,
    "syncCursor": True,
    "syncTooltips": False,
    "useMargins": True,
}
#: How long audit events are kept, unless it is configured otherwise; nothing is kept longer.
LONGEST_DAYS = 400
_BYTES = ("http.request.bytes", "http.response.bytes", "http.response.body.bytes")


def view_id(data: Data) -> str:
    """Return the id of a data view."""
    return f"logship-{data}"


def search_id(name: str) -> str:
    """Return the id of a saved search."""
    return f"logship-search-{name}"


def dashboard_id(name: str) -> str:
    """Return the id of a dashboard."""
    return f"logship-{name}"


def shared(views: Views, language: Language) -> list[Json]:
    """Return what dashboards refer to: the tag, the data views, the saved searches."""
    tag = {"name": "logship", "description": "logship", "color": "#0b64dd"}
    return [
        _object("tag", TAG, tag, [], "8.0.0"),
        *(_data_view(data, language) for data in STREAMS),
        *(_search(name, search, language) for name, search in views.searches.items()),
    ]


def dashboards(views: Views, language: Language) -> list[Json]:
    """Return the dashboards, charts inside."""
    return [_dashboard(name, dashboard, language) for name, dashboard in views.dashboards.items()]


def ndjson(objects: list[Json]) -> bytes:
    """Write objects one a line, keys in order."""
    return b"".join(orjson.dumps(one, option=orjson.OPT_SORT_KEYS) + b"\n" for one in objects)


def _object(kind: str, identifier: str, attributes: Json, references: list[Json], version: str) -> Json:
    return {
        "id": identifier,
        "type": kind,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": version,
        "managed": False,
    }


def _data_view(data: Data, language: Language) -> Json:
    formats: Json = {name: {"id": "bytes"} for name in _BYTES}
    formats["event.duration"] = {"id": "duration", "params": _DURATION}
    formats["trace.id"] = {
        "id": "url",
        "params": {"type": "a", "urlTemplate": trace_link(), "labelTemplate": "{{value}}"},
    }
    named: dict[str, Json] = {"trace.id": {"customDescription": _WHOLE_TRACE.in_(language)}}
    if language == "zh":
        for field, title in chinese().items():
            named.setdefault(field, {})["customLabel"] = title
    attributes = {
        "title": STREAMS[data],
        "name": _NAMES[data].in_(language),
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,
        "fieldFormatMap": _text(formats),
        "fieldAttrs": _text(named),
    }
    return _object("index-pattern", view_id(data), attributes, [], "8.0.0")


def trace_link(days: int = LONGEST_DAYS) -> str:
    """
    Return Kibana's address, `{{value}}` open, of everything that has a trace id.

    Relative, as Kibana's URL formatter takes it: that way it stays in the space. As far back as anything is kept.
    """
    time = f"_g=(time:(from:now-{days}d,to:now))"
    state = f"_a=(index:{view_id('logs')},query:(language:lucene,query:'trace.id:%22{{{{value}}}}%22'))"
    return f"../app/discover#/?{time}&{state}"


def _search(name: str, search: SavedSearch, language: Language) -> Json:
    source = {
        "filter": [],
        "indexRefName": _SEARCH_SOURCE,
        "query": {"language": "lucene", "query": search.query},
    }
    attributes = {
        "title": search.title.in_(language),
        "description": "",
        "columns": list(search.columns),
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(source)},
        "timeRestore": False,
    }
    references = [{"type": "index-pattern", "id": view_id(search.data), "name": _SEARCH_SOURCE}, _tag_reference()]
    return _object("search", search_id(name), attributes, references, "8.0.0")


def _dashboard(name: str, dashboard: Dashboard, language: Language) -> Json:
    panels, references = [], [_tag_reference()]
    for place in places(dashboard):
        panel, needs = _panel(place, dashboard, language)
        panels.append(panel)
        references += needs
    source = {"filter": [], "query": {"language": "lucene", "query": ""}}
    attributes = {
        "title": f"[logship] {dashboard.title.in_(language)}",
        "description": dashboard.description.in_(language),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(source)},
        "optionsJSON": _text(_OPTIONS),
        "panelsJSON": orjson.dumps(panels, option=orjson.OPT_SORT_KEYS).decode(),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60000},
        "version": 1,
    }
    return _object("dashboard", dashboard_id(name), attributes, references, "8.9.0")


def _panel(place: Place, dashboard: Dashboard, language: Language) -> tuple[Json, list[Json]]:
    panel = place.panel
    title = panel.title.in_(language)
    shown: Json = {
        "panelIndex": place.id,
        "gridData": {"x": place.x, "y": place.y, "w": place.width, "h": place.height, "i": place.id},
        "title": title,
    }
    if isinstance(panel, Runbook):
        return shown | {"type": "visualization", "embeddableConfig": _markdown(panel, language)}, []
    if isinstance(panel, Events):
        name = f"panel_{place.id}"
        reference = {"type": "search", "id": search_id(panel.search), "name": f"{place.id}:{name}"}
        return shown | {"type": "search", "panelRefName": name, "embeddableConfig": {"enhancements": {}}}, [reference]
    chart = lens.attributes(panel, view=view_id(dashboard.data), query=dashboard.query, language=language)
    config = {"attributes": chart, "enhancements": {"dynamicActions": {"events": [_drilldown(place, language)]}}}
    references = [reference | {"name": f"{place.id}:{reference['name']}"} for reference in chart["references"]]
    return shown | {"type": "lens", "embeddableConfig": config}, references


def _drilldown(place: Place, language: Language) -> Json:
    """Return the action that opens what was clicked on in Discover, filtered."""
    action = {
        "factoryId": "OPEN_IN_DISCOVER_DRILLDOWN",
        "name": DISCOVER.in_(language),
        "config": {"openInNewTab": False},
    }
    return {"eventId": f"{place.id}-discover", "triggers": ["FILTER_TRIGGER"], "action": action}


def _markdown(panel: Runbook, language: Language) -> Json:
    parameters = {"fontSize": 12, "markdown": panel.text.in_(language), "openLinksInNewTab": False}
    source = {"filter": [], "query": {"language": "kuery", "query": ""}}
    return {
        "enhancements": {},
        "savedVis": {
            "id": "",
            "title": panel.title.in_(language),
            "description": "",
            "type": "markdown",
            "params": parameters,
            "uiState": {},
            "data": {"aggs": [], "searchSource": source},
        },
    }


def _tag_reference() -> Json:
    return {"type": "tag", "id": TAG, "name": f"tag-ref-{TAG}"}


def _text(value: Json) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

