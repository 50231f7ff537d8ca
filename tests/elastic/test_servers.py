"""Real servers of each kind that can be had: what is installed there, and what every sink promises, held there too."""

import orjson
import pytest
from contract.batches import document, stored
from contract.test_sink import (  # the suite that every sink must pass  # noqa: F401
    Elastic,
    test_a_batch_sent_twice_is_there_once,
    test_a_restart_does_not_forget_what_was_delivered,
    test_an_unreachable_place_takes_nothing,
    test_any_text_is_carried_as_it_is,
    test_equal_documents_are_different_events,
    test_only_the_named_documents_are_sent,
    test_what_is_delivered_is_there,
)
from servers import elasticsearch as server

from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.elastic.identity import Identity, Secret
from logship.elastic.installer import apply, ensure_templates, obstacle, plan, remove
from logship.elastic.keys import plan_keys, remove_keys
from logship.elastic.objects import CUSTOM
from logship.elastic.privileges import missing
from logship.errors import LogshipError
from logship.model import Receipt

#: Elasticsearch's own template for logs, which the small server lacks: a stream can do without ours because of it.
BUILT_IN = "/_index_template/logs"
USER = {"username": server.USER, "password": server.PASSWORD}
KINDS = ["elasticsearch 9", "elasticsearch 8", "elasticsearch 7", "opensearch 3", "opensearch 2"]


@pytest.fixture(scope="module", params=KINDS)
def fresh(request):
    """Give a connection to a server of each kind that nothing was installed on; Elasticsearch 9 with security."""
    secure = request.param == "elasticsearch 9"
    with server.running(request.param, security=secure) as url:
        who = Identity(username=server.USER, password=Secret(server.PASSWORD)) if secure else None
        client = connect([url], identity=who)
        client.url, client.kind = url, request.param
        put(client, BUILT_IN, {"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}})
        yield client
        client.close()


@pytest.fixture
def bare(fresh):
    """Give the server without any template of ours, and leave it so."""
    wipe(fresh)
    yield fresh
    wipe(fresh)


@pytest.fixture
def place(fresh, namespace):
    """Give a data stream there, for the suite."""
    ensure_templates(fresh)
    return Elastic(fresh, namespace)


def wipe(client):
    """Delete every template of ours; OpenSearch and Elasticsearch 7 ask that no stream uses one, and delete streams."""
    client.request("DELETE", "/_data_stream/logs-*")
    names = [f"/_index_template/logship-{name}" for name in ("dify", "audit", "agent")]
    names += [
        f"/_component_template/logship-{name}"
        for name in ("settings", "mappings", "strict", "logs-lifecycle", "audit-lifecycle", "custom")
    ]
    for name in names:
        client.request("DELETE", name)


def states(changes):
    """Return what became of each object."""
    return {change.name: change.state for change in changes}


def get(client, path):
    """Return the body of an answer."""
    return client.request("GET", path).json()


def template(client, name):
    """Return an index template as it could be put again."""
    body = get(client, f"/_index_template/{name}")["index_templates"][0]["index_template"]
    return {key: value for key, value in body.items() if not key.endswith(("_date", "_date_millis"))}


def put(client, path, body):
    """Put an object, which the server must take."""
    answer = client.request("PUT", path, orjson.dumps(body))
    assert answer.status == 200, answer.body


def test_the_server_says_what_it_is_and_what_it_lacks(bare):
    """The plan names the product where it says it, and features by trying them: OpenSearch has no logsdb, for one."""
    found = plan(bare).server
    assert ("logsdb" in found.lacks) == (bare.kind not in ("elasticsearch 9", "elasticsearch 8"))
    assert ("flattened" in found.lacks) == bare.kind.startswith("opensearch")
    product = bare.kind.partition(" ")[0]
    assert found.product == ("unknown" if bare.kind == "elasticsearch 8" else product)
    assert dict(found.notes())


def test_installing_twice_changes_nothing_the_second_time(bare):
    """A plan changes nothing; applied, everything is created; after that everything is unchanged."""
    first = plan(bare)
    assert set(states([change for _, change in first.changes]).values()) == {"created"}
    assert states([change for _, change in plan(bare).changes]) == states([change for _, change in first.changes])
    apply(bare, first)
    assert set(states([change for _, change in plan(bare).changes]).values()) == {"unchanged"}


def test_streams_get_what_was_installed(bare, namespace):
    """Simulated for our names, the templates make a data stream with our mappings; audit streams are strict."""
    apply(bare, plan(bare))
    for dataset, strict in (("dify.api", None), ("dify.audit", "strict"), ("logship.agent", None)):
        answer = bare.request("POST", f"/_index_template/_simulate_index/logs-{dataset}-{namespace}").json()
        mappings = answer["template"]["mappings"]
        assert mappings.get("dynamic") == strict
        assert mappings["properties"]["log"]["properties"]["level"]["type"] == "keyword"
        assert mappings["properties"]["dify"]["properties"]["attributes"]["type"] in ("flattened", "flat_object")


def test_a_changed_object_is_put_right_and_the_difference_is_shown(bare):
    """What somebody changed in an object of ours is named, place by place, and set back."""
    apply(bare, plan(bare))
    put(bare, "/_index_template/logship-dify", template(bare, "logship-dify") | {"priority": 777})
    (change,) = [change for _, change in plan(bare).changes if change.state != "unchanged"]
    assert (change.name, change.state, change.differences) == ("logship-dify", "updated", (("priority", "777", "501"),))
    apply(bare, plan(bare))
    assert template(bare, "logship-dify")["priority"] == 501


def test_an_older_release_is_upgraded_and_a_newer_one_left_alone(bare):
    """The single template of the first release gives way to the present ones; a template of a newer release stays."""
    first = {"index_patterns": ["logs-dify.*-*", "logs-logship.*-*"], "priority": 501, "data_stream": {}}
    put(bare, "/_index_template/logship-dify", first | {"_meta": {"managed_by": "logship", "digest": "old"}})
    found = plan(bare)
    assert states([change for _, change in found.changes])["logship-dify"] == "updated"
    apply(bare, found)
    newer = template(bare, "logship-agent") | {"version": 999, "priority": 600}
    put(bare, "/_index_template/logship-agent", newer)
    assert states([change for _, change in plan(bare).changes])["logship-agent"] == "newer"
    apply(bare, plan(bare))
    assert template(bare, "logship-agent")["priority"] == 600


def test_what_somebody_added_is_shown_before_it_is_taken_back(bare):
    """A setting that is only there, not in ours, is a difference; what the server adds by itself is none."""
    apply(bare, plan(bare))
    body = get(bare, "/_component_template/logship-settings")["component_templates"][0]["component_template"]
    body["template"]["settings"]["index"]["max_result_window"] = "5000"
    fresh = {name: value for name, value in body.items() if not name.endswith(("_date", "_date_millis"))}
    put(bare, "/_component_template/logship-settings", fresh)
    (change,) = [change for _, change in plan(bare).changes if change.state != "unchanged"]
    assert (change.name, change.state) == ("logship-settings", "updated")
    assert change.differences == (("template.settings.index.max_result_window", "5000", None),)
    apply(bare, plan(bare))
    assert {change.state for _, change in plan(bare).changes} == {"unchanged"}


def test_another_retention_changes_what_holds_it_and_nothing_else(bare):
    """Other days are a difference of the component for logs alone, and of `--only lifecycle` where it is held there."""
    apply(bare, plan(bare))
    days = {"logship-logs": 14, "logship-audit": 400}
    changed = [change for _, change in plan(bare, days=days).changes if change.state != "unchanged"]
    assert [change.name for change in changed] == ["logship-logs-lifecycle"]
    found = plan(bare, parts=["lifecycle"], days=days)
    place = "template.lifecycle.data_retention"
    if found.server.lifecycle != "data stream lifecycle":
        assert (changed[0].differences, found.changes) == ((), ())
        assert "holds the same" in changed[0].note
        return
    assert changed[0].differences == ((place, "30d", "14d"),)
    assert "new data streams" in changed[0].note
    apply(bare, found)
    body = get(bare, "/_component_template/logship-logs-lifecycle")["component_templates"][0]["component_template"]
    assert body["template"]["lifecycle"]["data_retention"] == "14d"


def test_what_is_in_the_way_is_told_before_anything_is_changed(bare, setup):
    """A foreign object of our name and a foreign template of our priority end it; a dry run shows them too."""
    put(bare, "/_component_template/logship-mappings", {"template": {"mappings": {"properties": {}}}})
    put(bare, "/_index_template/theirs", {"index_patterns": ["logs-dify.api-*"], "priority": 501, "data_stream": {}})
    would, done = setup(bare.url, "--dry-run", **USER), setup(bare.url, **USER)
    bare.request("DELETE", "/_index_template/theirs")
    assert "component template logship-mappings: foreign" in would.stdout
    assert "index template logship-dify: conflict; index template theirs has the same priority 501" in would.stdout
    assert "index template logship-agent: would be created" in would.stdout
    for one in (would, done):
        assert (one.returncode, "index template theirs" in one.stderr) == (1, True)
        assert "nothing was changed: not made by logship: component template logship-mappings\n" in one.stderr
        assert "delete it" in one.stderr
        assert "another priority" in one.stderr
    assert bare.request("GET", "/_component_template/logship-settings").status == 404
    assert bare.request("GET", "/_index_template/logship-agent").status == 404


def test_a_template_that_wins_over_ours_is_named(bare, namespace):
    """One of a higher priority is no obstacle, and is said; one that only has our priority does not matter."""
    theirs = {"index_patterns": [f"logs-dify.api-{namespace}"], "priority": 900, "data_stream": {}}
    put(bare, "/_index_template/theirs", theirs)
    put(bare, "/_index_template/elsewhere", theirs | {"index_patterns": [f"{namespace}-*"], "priority": 501})
    found = plan(bare)
    for name in ("theirs", "elsewhere"):
        bare.request("DELETE", f"/_index_template/{name}")
    assert obstacle(found) is None
    notes = {change.name: change.note for _, change in found.changes if change.note}
    assert notes == {"logship-dify": "index template theirs (900) has a higher priority, and wins where both match"}


def test_a_removal_leaves_what_a_newer_release_made(bare):
    """It stays with what it is made of, as a dry run says; forced, it goes too."""
    apply(bare, plan(bare))
    put(bare, "/_index_template/logship-agent", template(bare, "logship-agent") | {"version": 999})
    kept = dict.fromkeys(("logship-settings", "logship-mappings", "logship-logs-lifecycle"), "in use")
    kept["logship-agent"] = "newer"
    for dry_run in (True, False):
        found = states(remove(bare, dry_run=dry_run))
        found.pop(CUSTOM, None)
        assert {name: state for name, state in found.items() if state != "removed"} == kept
    assert set(states(remove(bare, force=True)).values()) == {"removed"}
    assert bare.request("GET", "/_index_template/logship-agent").status == 404


def test_what_is_not_ours_is_never_touched(bare):
    """A template of our name that logship did not make is neither overwritten nor deleted, and the agent says so."""
    theirs = {"index_patterns": ["logs-logship.x-*"], "priority": 7, "data_stream": {}}
    put(bare, "/_index_template/logship-agent", theirs)
    assert states([change for _, change in plan(bare).changes])["logship-agent"] == "foreign"
    with pytest.raises(LogshipError, match="logship-agent"):
        ensure_templates(bare)
    assert bare.request("GET", "/_index_template/logship-dify").status == 404
    assert states(remove(bare))["logship-agent"] == "foreign"
    assert template(bare, "logship-agent")["priority"] == 7


def test_the_operators_component_wins_and_stays(bare, namespace):
    """`logship-custom` is put on top of our settings, and neither an upgrade nor a removal touches it."""
    custom = {"template": {"settings": {"index": {"refresh_interval": "42s"}}}}
    put(bare, f"/_component_template/{CUSTOM}", custom)
    apply(bare, plan(bare))
    answer = bare.request("POST", f"/_index_template/_simulate_index/logs-dify.api-{namespace}").json()
    assert answer["template"]["settings"]["index"]["refresh_interval"] == "42s"
    remove(bare)
    assert bare.request("GET", f"/_component_template/{CUSTOM}").status == 200


def test_removal_takes_everything_of_ours_and_no_data(bare, namespace):
    """Every object of ours goes, nobody's else; the documents stay."""
    apply(bare, plan(bare))
    ElasticsearchSink(bare, namespace=namespace).send(stored(document(1)), None)
    would = remove(bare, dry_run=True)
    assert set(states(would).values()) == {"removed"}
    notes = {change.name: change.note for change in would}
    assert "unless the server keeps it for its data streams: logs-dify.api-" in notes["logship-dify"]
    assert "unless an index template" in notes["logship-settings"]
    assert (notes["logship-agent"], notes["logship-strict"]) == ("", "")
    needed = {"logship-dify", "logship-settings", "logship-mappings", "logship-logs-lifecycle", CUSTOM}
    in_use = needed if bare.kind not in ("elasticsearch 9", "elasticsearch 8") else set()
    assert {name: state for name, state in states(remove(bare)).items() if name not in in_use} == {
        f"logship-{name}": "removed"
        for name in ("dify", "audit", "agent", "settings", "mappings", "strict", "logs-lifecycle", "audit-lifecycle")
        if f"logship-{name}" not in in_use
    }
    assert {change.name for change in remove(bare)} == in_use
    assert bare.request("GET", BUILT_IN).status == 200
    bare.request("POST", f"/logs-dify.api-{namespace}/_refresh")
    assert get(bare, f"/logs-dify.api-{namespace}/_count")["count"] == 1


@pytest.mark.parametrize("fresh", ["elasticsearch 9", "elasticsearch 8", "opensearch 3"], indirect=True)
def test_what_data_needs_is_kept(bare, namespace):
    """A template without which a stream could not go on is kept, and the reason said."""
    apply(bare, plan(bare))
    ElasticsearchSink(bare, namespace=namespace).send(stored(document(1)), None)
    assert bare.request("DELETE", BUILT_IN).status == 200
    kept = [change for change in remove(bare) if change.name == "logship-dify"]
    put(bare, BUILT_IN, {"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}})
    assert [change.state for change in kept] == ["in use"]
    assert namespace in kept[0].note


def test_unknown_keys_do_not_grow_the_mapping(bare, namespace):
    """Two thousand keys below dify.attributes leave the mapping as it was, and each can be searched."""
    apply(bare, plan(bare))
    sink, stream = ElasticsearchSink(bare, namespace=namespace), f"logs-dify.api-{namespace}"
    sink.send(stored(document(0), key="a"), None)
    before = get(bare, f"/{stream}/_mapping")
    many = [document(place, dify={"attributes": {f"key{place}": "v"}}) for place in range(2000)]
    assert sink.send(stored(*many), None) == Receipt(delivered=2000)
    bare.request("POST", f"/{stream}/_refresh")
    assert get(bare, f"/{stream}/_mapping") == before
    hits = get(bare, f"/{stream}/_search?q=dify.attributes.key1234:v")["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["k-1234"]


def test_an_audit_stream_refuses_unknown_fields(bare, namespace):
    """A document with a field that is not in the table is rejected with the reason, and the others are delivered."""
    apply(bare, plan(bare))
    sink = ElasticsearchSink(bare, namespace=namespace)
    receipt = sink.send(stored(document(1), document(2, surprise="x"), dataset="dify.audit"), None)
    assert (receipt.delivered, [one.id for one in receipt.rejected]) == (1, ["k-1"])
    assert "surprise" in receipt.rejected[0].reason


def test_the_command_shows_changes_and_makes_none(bare, setup):
    """`--dry-run` tells what would be created and changes nothing; without it that is done; `--remove` undoes it."""
    would = setup(bare.url, "--dry-run", **USER).stdout
    assert "index template logship-dify: would be created" in would
    assert "  + priority: 501\n" in would
    assert " more; all with -v" in would
    every = setup(bare.url, "--dry-run", "-v", **USER).stdout
    assert "  + template.mappings.properties.log.properties.level.type: keyword\n" in every
    assert "more; all with -v" not in every
    assert bare.request("GET", "/_index_template/logship-dify").status == 404
    assert "index template logship-dify: created" in setup(bare.url, **USER).stdout
    assert {one["state"] for one in orjson.loads(setup(bare.url, "--json", **USER).stdout)["changes"]} == {"unchanged"}
    removed = orjson.loads(setup(bare.url, "--remove", "--json", **USER).stdout)
    assert {one["state"] for one in removed["changes"]} == {"removed"}


@pytest.mark.parametrize("fresh", ["elasticsearch 8", "opensearch 3", "opensearch 2"], indirect=True)
def test_a_server_without_keys_says_so(bare, namespace):
    """Without security, or on OpenSearch, there are no API keys, and the error says what to do."""
    with pytest.raises(LogshipError, match="API key") as caught:
        plan_keys(bare, namespace)
    assert caught.value.hint
    assert remove_keys(bare) == []


def test_without_security_no_privilege_is_missing(bare):
    """A server that does not tell of privileges has none to miss; with security the superuser has all."""
    assert missing(bare, ["manage_index_templates"], ["read"]) == ([], [])
