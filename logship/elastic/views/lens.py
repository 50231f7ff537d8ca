"""
Charts as Kibana's Lens keeps them.

Field by field as Kibana 8.9 writes them (`lens` saved objects, form-based data
source); later versions migrate them upwards.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from logship.elastic.fields import load as load_fields
from logship.elastic.views.headings import heading
from logship.elastic.views.model import Bars, Chart, Language, Measure, Metric, Series, Table, both

Json = dict[str, Any]

LAYER = "layer"
_TYPES = {"long": "number", "double": "number", "float": "number", "ip": "ip", "date": "date", "boolean": "boolean"}
_OPERATIONS = {"average": "average", "max": "max", "sum": "sum", "unique": "unique_count"}
_SHAPES = {"bars": "bar_stacked", "share": "bar_percentage_stacked", "line": "line"}


def attributes(chart: Chart, *, view: str, query: str, language: Language) -> Json:
    """Return the attributes of a Lens chart over a data view, restricted by the dashboard's query."""
    splits = {f"by{number}": _terms(field, chart, language) for number, field in enumerate(chart.fields)}
    values = {f"value{number}": _measure(measure, language) for number, measure in enumerate(chart.measures)}
    # The split comes before the time, or each moment would have most frequent values of its own.
    columns = splits | ({"time": _time()} if isinstance(chart, Series) else {}) | values
    reference = {"type": "index-pattern", "id": view, "name": f"indexpattern-datasource-layer-{LAYER}"}
    kind, visualization = _visualization(chart, list(splits), list(values))
    return {
        "title": chart.title.in_(language),
        "visualizationType": kind,
        "type": "lens",
        "references": [reference],
        "state": {
            "adHocDataViews": {},
            "datasourceStates": {
                "formBased": {
                    "layers": {
                        LAYER: {"columnOrder": list(columns), "columns": columns, "incompleteColumns": {}},
                    }
                }
            },
            "filters": [],
            "internalReferences": [],
            "query": {"language": "lucene", "query": both(query, chart.query)},
            "visualization": visualization,
        },
    }


@cache
def _field_types() -> dict[str, str]:
    return {field.name: field.type for field in load_fields()}


def _time() -> Json:
    return {
        "dataType": "date",
        "isBucketed": True,
        "label": "@timestamp",
        "operationType": "date_histogram",
        "params": {"dropPartials": False, "includeEmptyRows": True, "interval": "auto"},
        "scale": "interval",
        "sourceField": "@timestamp",
    }


def _terms(field: str, chart: Chart, language: Language) -> Json:
    return {
        "customLabel": True,  # or Lens writes "Top 10 values of …"
        "dataType": _TYPES.get(_field_types()[field], "string"),
        "isBucketed": True,
        "label": heading(field, language),
        "operationType": "terms",
        "params": {
            "missingBucket": False,
            "orderBy": {"type": "column", "columnId": "value0"},
            "orderDirection": "desc",
            "otherBucket": isinstance(chart, (Series, Bars)),
            "parentFormat": {"id": "terms"},
            "size": chart.size,
        },
        "scale": "ordinal",
        "sourceField": field,
    }


def _measure(measure: Measure, language: Language) -> Json:
    column: Json = {
        "customLabel": True,
        "dataType": "number",
        "isBucketed": False,
        "label": measure.title.in_(language),
        "scale": "ratio",
    }
    if measure.function == "count":
        return column | {"operationType": "count", "params": {"emptyAsNull": True}, "sourceField": "___records___"}
    if measure.function == "p95":
        column |= {"operationType": "percentile", "params": {"percentile": 95}}
    else:
        column |= {"operationType": _OPERATIONS[measure.function], "params": {"emptyAsNull": True}}
    return column | {"sourceField": measure.field}


def _visualization(chart: Chart, splits: list[str], values: list[str]) -> tuple[str, Json]:
    layer = {"layerId": LAYER, "layerType": "data"}
    if isinstance(chart, Metric):
        return "lnsMetric", layer | {"metricAccessor": values[0]}
    if isinstance(chart, Table):
        return "lnsDatatable", layer | {"columns": [{"columnId": column} for column in [*splits, *values]]}
    if isinstance(chart, Bars) and chart.kind == "donut":
        slices = {
            "categoryDisplay": "default",
            "legendDisplay": "default",
            "metrics": values,
            "nestedLegend": False,
            "numberDisplay": "percent",
            "primaryGroups": splits,
        }
        return "lnsPie", {"shape": "donut", "layers": [layer | slices]}
    shape = _SHAPES[chart.shape] if isinstance(chart, Series) else "bar_horizontal"
    data = layer | {
        "accessors": values,
        "position": "top",
        "seriesType": shape,
        "showGridlines": False,
        "xAccessor": "time" if isinstance(chart, Series) else splits[0],
    }
    if isinstance(chart, Series) and splits:
        data["splitAccessor"] = splits[0]
    return "lnsXY", {
        "fittingFunction": "None",
        "layers": [data],
        "legend": {"isVisible": isinstance(chart, Series), "position": "right"},
        "preferredSeriesType": shape,
        "valueLabels": "hide",
    }
