"""Every panel, saved search and rule is asked of a real Elasticsearch, and has something to show."""

import orjson
import pytest
from views import corpus

from logship.elastic.views import rules
from logship.elastic.views.body import body, lucene, value_of
from logship.elastic.views.layout import places
from logship.elastic.views.model import STREAMS, Events, Runbook, load

VIEWS = load()
#: What `silent` rules look for is that there is nothing.
ALL = {"range": {"@timestamp": {"gte": corpus.BEGIN.isoformat(), "lt": corpus.END.isoformat()}}}
CHARTS = [
    pytest.param(dashboard, place.panel, id=f"{name}: {place.panel.title.en}")
    for name, dashboard in VIEWS.dashboards.items()
    for place in places(dashboard)
    if not isinstance(place.panel, (Events, Runbook))
]


def leaves(bucket, number):
    """Return the innermost buckets of an answer."""
    inner = bucket.get(f"by{number}") or bucket.get("time")
    return [leaf for one in inner["buckets"] for leaf in leaves(one, number + 1)] if inner else [bucket]


@pytest.mark.parametrize(("dashboard", "chart"), CHARTS)
def test_a_chart_shows_something(dashboard, chart, demo):
    """Documents match within the corpus, and every measure has a value somewhere."""
    asked = body(chart, dashboard.query, since=corpus.BEGIN, until=corpus.END)
    answer = demo.search(STREAMS[dashboard.data], asked)
    assert 0 < answer["hits"]["total"]
    buckets = leaves(answer.get("aggregations", {}) | {"doc_count": answer["hits"]["total"]}, 0)
    for number, measure in enumerate(chart.measures):
        assert [] != [bucket for bucket in buckets if value_of(bucket, number, measure) is not None]


@pytest.mark.parametrize("name", VIEWS.searches)
def test_a_saved_search_finds_something(name, demo):
    """There are events in the corpus, and every column has a value in one of them."""
    search = VIEWS.searches[name]
    clauses = [lucene(search.query), ALL]
    exists = {column: {"filter": {"exists": {"field": column}}} for column in search.columns}
    asked = {"size": 0, "query": {"bool": {"filter": clauses}}, "aggs": exists}
    answer = demo.search(STREAMS[search.data], asked)
    assert [] == [column for column in search.columns if not answer["aggregations"][column]["doc_count"]]


@pytest.mark.parametrize("name", VIEWS.rules)
def test_a_rule_counts_what_it_is_about(name, demo):
    """The rule's own query runs, and matches documents unless the corpus has none of the kind."""
    rule = VIEWS.rules[name]
    asked = orjson.loads(rules.bodies(VIEWS, "en")[rules.rule_id(name)]["params"]["esQuery"])
    found = demo.search(STREAMS[rule.data], {"size": 0, **asked})["hits"]["total"]
    assert (found > 0) == (name not in {"rejected-documents", "lost-lines"})


def test_an_attack_on_the_login_is_above_the_threshold(demo):
    """The corpus' attack is what the rule tells of, and it names the address."""
    rule = VIEWS.rules["login-attack"]
    asked = {"size": 0, "query": lucene(rule.query), "aggs": {"by": {"terms": {"field": rule.by}}}}
    buckets = demo.search(STREAMS[rule.data], asked)["aggregations"]["by"]["buckets"]
    assert [corpus.ATTACKER] == [one["key"] for one in buckets if one["doc_count"] > rule.above]


def test_every_field_is_there_with_a_type_that_fits(demo):
    """What is split or measured by is aggregatable, and what is averaged or summed a number, wherever it is."""
    wrong = []
    for name, dashboard in VIEWS.dashboards.items():
        path = f"/{demo.index(STREAMS[dashboard.data])}/_field_caps?fields=*&include_unmapped=false"
        fields = demo.client.request("GET", path).json()["fields"]
        for place in places(dashboard):
            if isinstance(place.panel, (Events, Runbook)):
                continue
            for field in place.panel.fields:
                types = fields.get(field, {})
                if not types or not all(kind["aggregatable"] for kind in types.values()):
                    wrong.append((name, place.id, field, types))
            for measure in place.panel.measures:
                types = set(fields.get(measure.field, {}))
                number = {"long", "integer", "float", "double"}
                if measure.field and (not types or (measure.function != "unique" and not types <= number)):
                    wrong.append((name, place.id, measure.field, types))
    assert [] == wrong
