"""The queries of the descriptions mean the same in Kibana, Grafana and `logship search`."""

import pytest
from luqum import tree
from luqum.parser import parser

from logship.elastic.views.layout import places
from logship.elastic.views.model import Events, Runbook, both, load

VIEWS = load()
QUERIES = sorted(
    {
        both(dashboard.query, place.panel.query)
        for dashboard in VIEWS.dashboards.values()
        for place in places(dashboard)
        if not isinstance(place.panel, (Events, Runbook))
    }
    | {one.query for one in [*VIEWS.searches.values(), *VIEWS.rules.values()]}
)


def nodes(node):
    """Return a query's parts, itself first."""
    yield node
    for child in node.children:
        yield from nodes(child)


@pytest.mark.parametrize("query", QUERIES)
def test_every_operator_is_written(query):
    """No two clauses stand side by side without one, and AND and OR never meet without parentheses."""
    for node in nodes(parser.parse(query)):
        assert not isinstance(node, tree.UnknownOperation)
        if isinstance(node, tree.BaseOperation):
            mixed = [child for child in node.children if isinstance(child, tree.BaseOperation)]
            assert [] == mixed


@pytest.mark.parametrize("query", QUERIES)
def test_every_clause_names_its_field(query):
    """No clause depends on what a program searches by default."""
    bare = [child for child in parser.parse(query).children if isinstance(child, (tree.Word, tree.Phrase))]
    named = isinstance(parser.parse(query), (tree.SearchField, tree.Word))
    assert named or bare == []


@pytest.mark.parametrize("search", VIEWS.searches.values(), ids=list(VIEWS.searches))
def test_panels_use_the_searches_that_are_there(search):
    """Each saved search has columns, and every panel of events names one that is there."""
    used = {
        place.panel.search
        for dashboard in VIEWS.dashboards.values()
        for place in places(dashboard)
        if isinstance(place.panel, Events)
    }
    assert used <= set(VIEWS.searches)
    assert len(search.columns) == len(set(search.columns))


@pytest.mark.parametrize("name", VIEWS.dashboards)
def test_panels_of_one_title_ask_one_question(name):
    """A number and the list below it that have the same title count and show the same events."""
    dashboard, asked = VIEWS.dashboards[name], {}
    for place in places(dashboard):
        panel = place.panel
        if isinstance(panel, Runbook):
            continue
        query = VIEWS.searches[panel.search].query if isinstance(panel, Events) else panel.query
        own = "*:*" if isinstance(panel, Events) else dashboard.query
        asked.setdefault(panel.title.en, set()).add(both(own, query))
    assert [] == [title for title, queries in asked.items() if len(queries) > 1]
