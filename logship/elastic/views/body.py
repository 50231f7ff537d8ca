"""
The search that answers a chart, as a request body of Elasticsearch.

Kibana and Grafana make their own of the same description; this one is for the
checks that a chart shows something, and for the pictures in the documentation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from logship.elastic.views.model import Chart, Measure, Series

Json = dict[str, Any]

_AGGREGATIONS = {"average": "avg", "max": "max", "sum": "sum", "unique": "cardinality"}


def lucene(query: str) -> Json:
    """Return the query clause for a Lucene query string, as Kibana makes it."""
    return {"query_string": {"query": query, "analyze_wildcard": True}}


def body(chart: Chart, query: str, *, since: datetime, until: datetime, interval: str = "5m") -> Json:
    """Return the search for a chart over a time range, `query` holding beside the chart's own."""
    time = {"range": {"@timestamp": {"gte": since.isoformat(), "lt": until.isoformat()}}}
    clauses = [lucene(query), lucene(chart.query), time]
    values = _values(chart.measures)
    aggregations = values
    if isinstance(chart, Series):
        histogram = {"field": "@timestamp", "fixed_interval": interval, "min_doc_count": 0}
        bounds = {"min": since.isoformat(), "max": (until - timedelta(milliseconds=1)).isoformat()}
        aggregations = {"time": {"date_histogram": histogram | {"extended_bounds": bounds}, "aggs": aggregations}}
    for number, field in reversed(list(enumerate(chart.fields))):
        terms = {"field": field, "size": chart.size} | _order(chart.measures[0])
        aggregations = {f"by{number}": {"terms": terms, "aggs": values | aggregations}}
    return {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": clauses}}, "aggs": aggregations}


def _values(measures: tuple[Measure, ...]) -> Json:
    asked = enumerate(measures)
    return {f"value{number}": _aggregation(measure) for number, measure in asked if measure.function != "count"}


def _order(measure: Measure) -> Json:
    """Rank values by the first measure; by their number they are ranked anyway."""
    if measure.function == "count":
        return {}
    return {"order": {"value0[95.0]" if measure.function == "p95" else "value0": "desc"}}


def _aggregation(measure: Measure) -> Json:
    if measure.function == "p95":
        return {"percentiles": {"field": measure.field, "percents": [95]}}
    return {_AGGREGATIONS[measure.function]: {"field": measure.field}}


def value_of(bucket: Json, number: int, measure: Measure) -> float | None:
    """Return a measure's value in a bucket of the answer; None where there is none."""
    if measure.function == "count":
        return float(bucket["doc_count"])
    answer = bucket[f"value{number}"]
    value = answer["values"]["95.0"] if measure.function == "p95" else answer["value"]
    return None if value is None else float(value)
