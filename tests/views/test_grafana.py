"""What is written for Grafana is what its own schema knows, asks what Elasticsearch can answer, and fits the grid."""

import json
import re

import orjson
import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from views import corpus
from views.test_kibana_objects import overlaps

from logship.data import data_path
from logship.elastic.views.body import lucene
from logship.elastic.views.model import LANGUAGES, STREAMS, load

GRAFANA = data_path("elk") / "grafana"
DASHBOARDS = {
    f"{language}/{name}": orjson.loads((GRAFANA / language / f"{name}.json").read_bytes())
    for language in LANGUAGES
    for name in load().dashboards
}
SOURCES = yaml.safe_load((GRAFANA / "provisioning/datasources/logship.yaml").read_text())["datasources"]
plugins.register_default_plugins()


def lost(ours, theirs, path=""):
    """Return where something of ours is not in what the schema made of it."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [found for key in ours for found in (
            lost(ours[key], theirs[key], f"{path}.{key}") if key in theirs else [f"{path}.{key}"])]  # fmt: skip
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [found for pair in zip(ours, theirs, strict=True) for found in lost(*pair, f"{path}[]")]
    return [] if ours == theirs else [f"{path} {ours} {theirs}"]


def through_the_schema(board):
    """Return a dashboard as Grafana's own types read and write it."""
    return json.loads(JSONEncoder().encode(Dashboard.from_json(board)))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_schema_knows_everything(name):
    """No key of a dashboard, panel, option or query is lost when Grafana's types read it."""
    assert [] == lost(DASHBOARDS[name], through_the_schema(DASHBOARDS[name]))


@pytest.mark.parametrize("place", ["options", "target"])
def test_a_key_that_grafana_does_not_know_is_found(place):
    """The check above can fail: a stray key in a panel's options or query is lost on the way."""
    board = orjson.loads(orjson.dumps(DASHBOARDS["en/overview"]))
    panel = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    (panel["options"] if place == "options" else panel["targets"][0])["stray"] = 1
    assert 1 == len(lost(board, through_the_schema(board)))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_fit_grafanas_grid(name):
    """No two panels share a cell of the 24 columns, and their ids are distinct."""
    panels = DASHBOARDS[name]["panels"]
    grids = [panel["gridPos"] for panel in panels]
    assert [] == overlaps([(grid["x"], grid["y"], grid["w"], grid["h"]) for grid in grids])
    assert 24 == max(grid["x"] + grid["w"] for grid in grids)
    assert len(panels) == len({panel["id"] for panel in panels})


def aggregations(target):
    """Return a query's aggregations as Grafana nests them, in Elasticsearch's words."""
    inner = {}
    for metric in target["metrics"]:
        if metric["type"] not in {"count", "logs"}:
            inner[metric["id"]] = {metric["type"]: {"field": metric["field"]} | (
                {"percents": metric["settings"]["percents"]} if metric["type"] == "percentiles" else {})}  # fmt: skip
    for bucket in reversed(target["bucketAggs"]):
        settings = {"field": bucket["field"]}
        if bucket["type"] == "terms":
            settings |= {"size": int(bucket["settings"]["size"]), "order": {"_count": bucket["settings"]["order"]}}
        else:
            settings |= {"fixed_interval": "5m"}
        inner = {bucket["id"]: {bucket["type"]: settings, "aggs": inner}}
    return inner


@pytest.mark.parametrize("name", [name for name in DASHBOARDS if name.startswith("en/")])
def test_every_query_has_an_answer(name, demo):
    """Each panel's query finds documents in the corpus, with buckets where it asks for some."""
    indexes = {source["uid"]: source["jsonData"]["index"] for source in SOURCES}
    time = {"range": {"@timestamp": {"gte": corpus.BEGIN.isoformat(), "lt": corpus.END.isoformat()}}}
    empty = []
    for panel in DASHBOARDS[name]["panels"]:
        for target in panel.get("targets", []):
            asked = {"size": 0, "query": {"bool": {"filter": [lucene(target["query"]), time]}}}
            answer = demo.search(indexes[panel["datasource"]["uid"]], asked | {"aggs": aggregations(target)})
            outer = [answer["aggregations"][bucket["id"]]["buckets"] for bucket in target["bucketAggs"][:1]]
            if not answer["hits"]["total"] or [] in outer:
                empty.append(panel["title"])
    assert [] == empty


def test_data_sources_are_those_that_the_panels_name():
    """Each data view has a data source with its index pattern, and no panel names another."""
    assert {source["jsonData"]["index"] for source in SOURCES} == set(STREAMS.values())
    panels = [panel for board in DASHBOARDS.values() for panel in board["panels"] if "targets" in panel]
    named = {panel["datasource"]["uid"] for panel in panels}
    assert named <= {source["uid"] for source in SOURCES}


def test_a_trace_id_leads_to_its_logs():
    """Each data source links a trace id to everything that has it, with the sign that Grafana replaces kept."""
    for source in SOURCES:
        (link,) = source["jsonData"]["dataLinks"]
        assert re.fullmatch(r'trace\.id:"\$\$\{__value\.raw\}"', link["url"])
        assert link["datasourceUid"] in {one["uid"] for one in SOURCES}


def test_no_secret_is_in_the_files():
    """The key comes from a variable, and is kept with what Grafana encrypts."""
    assert {"ApiKey ${LOGSHIP_GRAFANA_ELASTICSEARCH_API_KEY}"} == {
        source["secureJsonData"]["httpHeaderValue1"] for source in SOURCES
    }
