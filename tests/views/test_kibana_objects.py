"""What is written for Kibana has the form that Kibana takes, refers to what is there, and does not overlap."""

import orjson
import pytest
from pydantic import TypeAdapter, ValidationError
from views import forms_api, forms_lens, forms_objects

from logship.data import data_path
from logship.elastic import fields
from logship.elastic.views.generate import files
from logship.elastic.views.layout import places
from logship.elastic.views.model import LANGUAGES, Events, Runbook, load

ELK = data_path("elk")
OBJECT = TypeAdapter(forms_objects.AnyObject)


def lines(path):
    """Return the objects of an NDJSON file."""
    return [orjson.loads(line) for line in (ELK / path).read_bytes().splitlines()]


def objects(language):
    """Return all saved objects in a language."""
    return lines(f"kibana/{language}/objects.ndjson") + lines(f"kibana/{language}/dashboards.ndjson")


def api_dashboards(language):
    """Return the bodies for the Dashboards API by the dashboards' ids."""
    return {path.stem: orjson.loads(path.read_bytes()) for path in sorted((ELK / "kibana" / language).glob("*-api/*"))}


def test_what_is_committed_is_what_is_generated():
    """`make generate` would change nothing, byte for byte."""
    found = {
        path.relative_to(ELK).as_posix(): path.read_bytes()
        for part in ("kibana", "grafana")
        for path in (ELK / part).rglob("*")
        if path.is_file()
    }
    found["searches.md"] = (ELK / "searches.md").read_bytes()
    assert files(load()) == found


@pytest.mark.parametrize("language", LANGUAGES)
def test_saved_objects_have_kibanas_form(language):
    """Every object, and every JSON string in one, fits the schema, unknown keys forbidden."""
    for one in objects(language):
        parsed = OBJECT.validate_python(one)
        assert parsed.id == one["id"]
        if isinstance(parsed, forms_objects.Dashboard):
            for panel in parsed.attributes.panelsJSON:
                if isinstance(panel, forms_objects.LensPanel):
                    lens = panel.embeddableConfig.attributes
                    forms_lens.CHARTS[lens.visualizationType].model_validate(lens.state.visualization)


def test_a_key_too_many_is_found():
    """The forms are strict at every depth: a stray key in a chart's column is an error."""
    one = next(one for one in objects("en") if one["type"] == "dashboard")
    panels = orjson.loads(one["attributes"]["panelsJSON"])
    chart = next(panel for panel in panels if panel["type"] == "lens")["embeddableConfig"]["attributes"]
    chart["state"]["datasourceStates"]["formBased"]["layers"]["layer"]["columns"]["value0"]["color"] = "red"
    one["attributes"]["panelsJSON"] = orjson.dumps(panels).decode()
    with pytest.raises(ValidationError, match=r"color\n"):
        OBJECT.validate_python(one)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_dashboards_api_takes_the_bodies(language):
    """Every body fits the API's schema, and there is one for each dashboard."""
    found = api_dashboards(language)
    for body in found.values():
        forms_api.ApiDashboard.model_validate(body)
    assert {one["id"] for one in objects(language) if one["type"] == "dashboard"} == set(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_rules_have_the_form_of_the_alerting_api(language):
    """Every rule fits, and one that counts by a field says how many."""
    for body in orjson.loads((ELK / f"kibana/{language}/rules.json").read_bytes()).values():
        rule = forms_api.Rule.model_validate(body)
        assert (rule.params.groupBy == "top") == bool(rule.params.termField and rule.params.termSize)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reference_resolves(language):
    """What an object, a panel or a chart refers to is among the objects, under the name that is used."""
    found = objects(language)
    there = {(one["type"], one["id"]) for one in found}
    dangling = [ref for one in found for ref in one["references"] if (ref["type"], ref["id"]) not in there]
    for one in found:
        if one["type"] == "search":
            wanted = orjson.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["indexRefName"]
            dangling += [wanted] if wanted not in {ref["name"] for ref in one["references"]} else []
        if one["type"] != "dashboard":
            continue
        names = {ref["name"] for ref in one["references"]}
        for panel in orjson.loads(one["attributes"]["panelsJSON"]):
            used = [panel["panelRefName"]] if "panelRefName" in panel else []
            if panel["type"] == "lens":
                used = [ref["name"] for ref in panel["embeddableConfig"]["attributes"]["references"]]
            dangling += [name for name in used if f"{panel['panelIndex']}:{name}" not in names]
    for body in api_dashboards(language).values():
        text = orjson.dumps(body).decode()
        refs = {part.split('"')[0] for part in text.split('"ref_id":"')[1:]} | set(body["tags"])
        dangling += sorted(refs - {identifier for _, identifier in there})
    assert [] == dangling


def overlaps(cells):
    """Return the rectangles (x, y, width, height) that share a cell with an earlier one."""
    taken, wrong = set(), []
    for x, y, width, height in cells:
        area = {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
        if area & taken:
            wrong.append((x, y, width, height))
        taken |= area
    return wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_panels_do_not_overlap(language):
    """No two panels share a cell, none reaches over the edge, and each has an id of its own."""
    for one in objects(language):
        if one["type"] == "dashboard":
            grids = [panel["gridData"] for panel in orjson.loads(one["attributes"]["panelsJSON"])]
            assert [] == overlaps([(grid["x"], grid["y"], grid["w"], grid["h"]) for grid in grids])
            assert 48 == max(grid["x"] + grid["w"] for grid in grids)
            assert len(grids) == len({grid["i"] for grid in grids})
    for body in api_dashboards(language).values():
        grids = [panel["grid"] for panel in body["panels"]]
        assert [] == overlaps([(grid["x"], grid["y"], grid["w"], grid["h"]) for grid in grids])


def test_both_languages_have_the_same_objects():
    """Ids are equal, so that one language replaces the other; titles differ but where a name is a name."""
    english, chinese = ({one["id"]: one for one in objects(language)} for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    titles = [{key: one["attributes"].get("title") for key, one in found.items()} for found in (english, chinese)]
    same = [key for key in english if titles[0][key] == titles[1][key]]
    assert {"logship-tag", "logship-nginx", "logship-logs", "logship-agent"} == set(same)


def test_every_chart_opens_discover():
    """Each chart, in both forms, has the drill-down to the filtered Discover view."""
    for one in objects("en"):
        if one["type"] == "dashboard":
            for panel in orjson.loads(one["attributes"]["panelsJSON"]):
                actions = panel["embeddableConfig"]["enhancements"].get("dynamicActions", {"events": []})["events"]
                assert (panel["type"] == "lens") == (len(actions) == 1)
    for body in api_dashboards("en").values():
        charts = [panel["config"] for panel in body["panels"] if panel["type"] == "vis"]
        assert [1] * len(charts) == [len(chart["drilldowns"]) for chart in charts]


def test_a_trace_id_leads_to_its_logs():
    """The data views show a trace id as a link to Discover, within the space, on the data view that is there."""
    found = {one["id"]: one["attributes"] for one in objects("en") if one["type"] == "index-pattern"}
    for attributes in found.values():
        link = orjson.loads(attributes["fieldFormatMap"])["trace.id"]["params"]["urlTemplate"]
        assert link.startswith("../app/discover#/")
        assert "trace.id:%22{{value}}%22" in link
        assert link.partition("index:")[2].partition(",")[0] in found


def test_every_field_is_in_the_table():
    """What charts split and measure by can be counted and sorted, and what they average or sum is a number."""
    table = {field.name: field for field in fields.load()}
    numbers = {"long", "double", "float"}
    wrong = []
    for dashboard in load().dashboards.values():
        for place in places(dashboard):
            if isinstance(place.panel, (Events, Runbook)):
                continue
            wrong += [name for name in place.panel.fields if name not in table or not table[name].aggregatable]
            for measure in place.panel.measures:
                if measure.function not in {"count", "unique"} and table[measure.field].type not in numbers:
                    wrong.append(measure.field)
    wrong += [name for one in load().searches.values() for name in one.columns if name not in table]
    assert [] == wrong
