"""
Alert rules as bodies of Kibana's `POST /api/alerting/rule/<id>`: the "Elasticsearch query" rule, on every licence.

They come without actions: whom to tell, and by which connector, is the operator's.
"""

from __future__ import annotations

from typing import Any

import orjson

from logship.elastic.views.body import lucene
from logship.elastic.views.model import STREAMS, Language, Rule, Views

Json = dict[str, Any]


def rule_id(name: str) -> str:
    """Return the id of a rule."""
    return f"logship-rule-{name}"


def bodies(views: Views, language: Language) -> dict[str, Json]:
    """Return the bodies by the rules' ids."""
    return {rule_id(name): _body(rule, language) for name, rule in views.rules.items()}


def _body(rule: Rule, language: Language) -> Json:
    threshold = (">", rule.above) if rule.above is not None else ("<", rule.below)
    params: Json = {
        "searchType": "esQuery",
        "index": [STREAMS[rule.data]],
        "timeField": "@timestamp",
        "esQuery": orjson.dumps({"query": lucene(rule.query)}, option=orjson.OPT_SORT_KEYS).decode(),
        "size": 10,
        "thresholdComparator": threshold[0],
        "threshold": [threshold[1]],
        "timeWindowSize": rule.minutes,
        "timeWindowUnit": "m",
        "aggType": "count",
        "groupBy": "top" if rule.by else "all",
        "excludeHitsFromPreviousRun": rule.below is None,
    }
    if rule.by:
        params |= {"termField": rule.by, "termSize": 50}
    return {
        "name": f"[logship] {rule.title.in_(language)}",
        "tags": ["logship"],
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "schedule": {"interval": "1m"},
        "params": params,
        "actions": [],
    }
