"""Real servers of each kind that can be had: what is installed there, and what every sink promises, held there too."""

import subprocess
import sys

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

from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.elastic.identity import Identity, Secret
from logship.elastic.installer import apply, ensure_templates, missing, plan, remove
from logship.elastic.keys import make_keys
from logship.elastic.objects import CUSTOM
from logship.errors import LogshipError
from logship.model import Receipt

#: Elasticsearch's own template for logs, which the small server lacks: a stream can do without ours because of it.
BUILT_IN = "/_index_template/logs"
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


def test_what_is_not_ours_is_never_touched(bare):
    """A template of our name that logship did not make is neither overwritten nor deleted, and the agent says so."""
    theirs = {"index_patterns": ["logs-logship.x-*"], "priority": 7, "data_stream": {}}
    put(bare, "/_index_template/logship-agent", theirs)
    assert states([change for _, change in plan(bare).changes])["logship-agent"] == "foreign"
    with pytest.raises(LogshipError, match="logship-agent"):
        ensure_templates(bare)
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
    assert set(states(remove(bare, dry_run=True)).values()) == {"removed"}
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


def test_the_command_shows_changes_and_makes_none(bare, tmp_path):
    """`--dry-run` tells what would be created and changes nothing; without it that is done; `--remove` undoes it."""
    credentials = {"LOGSHIP_ELASTICSEARCH__USERNAME": server.USER, "LOGSHIP_ELASTICSEARCH__PASSWORD": server.PASSWORD}

    def setup(*arguments):
        env = {"LOGSHIP_ELASTICSEARCH__HOSTS": bare.url, "PATH": "", "LOGSHIP_STATE_DIR": str(tmp_path)}
        command = [sys.executable, "-m", "logship", "setup", *arguments]
        return subprocess.run(command, env=env | credentials, capture_output=True, text=True, check=True).stdout

    assert "index template logship-dify: would be created" in setup("--dry-run")
    assert bare.request("GET", "/_index_template/logship-dify").status == 404
    assert "index template logship-dify: created" in setup()
    assert {one["state"] for one in orjson.loads(setup("--json"))["changes"]} == {"unchanged"}
    assert {one["state"] for one in orjson.loads(setup("--remove", "--json"))["changes"]} == {"removed"}


@pytest.mark.parametrize("fresh", ["elasticsearch 8", "opensearch 3", "opensearch 2"], indirect=True)
def test_a_server_without_keys_says_so(bare, namespace):
    """Without security, or on OpenSearch, there are no API keys, and the error says what to do."""
    with pytest.raises(LogshipError, match="API key") as caught:
        make_keys(bare, plan(bare).server, namespace)
    assert caught.value.hint


@pytest.mark.parametrize("fresh", ["elasticsearch 9"], indirect=True)
def test_keys_may_do_what_they_are_for_and_nothing_else(bare, namespace):
    """The write key adds documents and cannot read, overwrite or delete; the read key only reads, as Grafana does."""
    ensure_templates(bare)
    write, read = make_keys(bare, plan(bare).server, namespace)
    writer, reader = (connect([bare.url], identity=Identity(Secret(key.encoded))) for key in (write, read))
    stream = f"logs-dify.api-{namespace}"
    assert ElasticsearchSink(writer, namespace=namespace).send(stored(document(1)), None) == Receipt(delivered=1)
    bare.request("POST", f"/{stream}/_refresh")
    asked = [
        ("GET", f"/{stream}/_search", None),
        ("GET", f"/_resolve/index/{stream}", None),
        ("POST", f"/{stream}/_delete_by_query", b'{"query":{"match_all":{}}}'),
        ("PUT", "/_index_template/mine", b'{"index_patterns":["x"]}'),
        ("GET", "/_cluster/health", None),
    ]
    refused = {path: writer.request(method, path, body).status for method, path, body in asked}
    index = get(bare, f"/_resolve/index/{stream}")["data_streams"][0]["backing_indices"][0]
    change = b'{"index":{"_index":"%b","_id":"k-0"}}\n{"@timestamp":"2026-01-02T03:04:05Z"}\n{"delete":{"_id":"k-0"}}\n'
    answer = writer.request("POST", f"/{index}/_bulk", change % index.encode(), media_type="application/x-ndjson")
    statuses = [next(iter(item.values()))["status"] for item in answer.json()["items"]]
    assert (set(refused.values()) - {400}, min(statuses)) == ({403}, 400)
    assert 200 == reader.request("GET", "/_cluster/health").status
    assert [hit["_source"]["message"] for hit in get(reader, f"/{stream}/_search")["hits"]["hits"]] == ["line 1"]
    with pytest.raises(SinkUnavailable, match="403"):
        ElasticsearchSink(reader, namespace=namespace).send(stored(document(2), key="z"), None)


def test_without_security_no_privilege_is_missing(bare):
    """A server that does not tell of privileges has none to miss; with security the superuser has all."""
    assert missing(bare, {"cluster": ["manage_index_templates"]}) == []


@pytest.mark.parametrize("fresh", ["elasticsearch 9"], indirect=True)
def test_missing_privileges_are_named_before_anything_is_changed(bare, tmp_path):
    """With a key that may look but not change, `logship setup` says which privilege it has not, and changes nothing."""
    role = {"x": {"cluster": ["monitor", "manage_index_templates"], "indices": []}}
    body = orjson.dumps({"name": "weak", "role_descriptors": role})
    weak = bare.request("POST", "/_security/api_key", body).json()["encoded"]
    env = {"LOGSHIP_ELASTICSEARCH__HOSTS": bare.url, "LOGSHIP_ELASTICSEARCH__API_KEY": weak, "PATH": ""}
    command = [sys.executable, "-m", "logship", "setup", "--only", "templates,keys", "--state-dir", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was changed: we have not the cluster privileges manage_own_api_key" in done.stderr
    assert bare.request("GET", "/_index_template/logship-dify").status == 404


@pytest.mark.parametrize("fresh", ["elasticsearch 9"], indirect=True)
def test_keys_are_printed_for_an_env_file(bare, tmp_path):
    """`logship setup --only keys` prints two variables that logship understands, and all else beside them."""
    env = {"LOGSHIP_ELASTICSEARCH__HOSTS": bare.url, "LOGSHIP_ELASTICSEARCH__USERNAME": server.USER,
           "LOGSHIP_ELASTICSEARCH__PASSWORD": server.PASSWORD, "PATH": ""}  # fmt: skip
    command = [sys.executable, "-m", "logship", "setup", "--only", "keys", "--state-dir", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    found = dict(line.split("=", 1) for line in lines)
    assert set(found) == {"LOGSHIP_ELASTICSEARCH__API_KEY", "LOGSHIP_ELASTICSEARCH__READ_API_KEY"}
    with_key = {"LOGSHIP_ELASTICSEARCH__HOSTS": bare.url, "PATH": ""} | found
    check = [sys.executable, "-m", "logship", "config", "check", "--state-dir", str(tmp_path)]
    assert subprocess.run(check, env=with_key, capture_output=True, check=False).returncode == 0
