"""Lifecycle policies are what the published request schemas allow: no test server can run them."""

import jsonschema
import orjson
import pytest

from logship.data import data_path
from logship.elastic.objects import compare, wanted
from logship.elastic.server import Server

TIME = {"type": "string", "pattern": r"^\d+(ms|d|h|m|s)$"}
SIZE = {"type": "string", "pattern": r"^\d+(b|kb|mb|gb|tb)$"}
EMPTY = {"type": "object", "additionalProperties": False}


def closed(required=(), **properties):
    """Return the schema of an object that holds nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": list(required),
    }


#: elastic/elasticsearch-specification, ilm/_types: which actions a phase may have, and what they take.
ROLLOVER = closed(max_primary_shard_size=SIZE, max_age=TIME, max_docs={"type": "integer"}, max_size=SIZE)
MERGE = closed(["max_num_segments"], max_num_segments={"type": "integer"}, index_codec={"type": "string"})
ILM = closed(
    ["policy"],
    policy=closed(
        ["phases"],
        _meta={"type": "object"},
        phases=closed(
            hot=closed(min_age=TIME, actions=closed(rollover=ROLLOVER, readonly=EMPTY, forcemerge=MERGE)),
            warm=closed(min_age=TIME, actions=closed(readonly=EMPTY, forcemerge=MERGE, allocate={"type": "object"})),
            delete=closed(min_age=TIME, actions=closed(delete=closed(delete_searchable_snapshot={"type": "boolean"}))),
        ),
    ),
)
#: opensearch-project/opensearch-api-specification, ism._common; conditions: OpenSearch documentation, "Transitions".
CONDITIONS = closed(min_index_age=TIME, min_rollover_age=TIME, min_size=SIZE, min_doc_count={"type": "integer"})
ACTION = closed(
    rollover=closed(min_primary_shard_size=SIZE, min_index_age=TIME, min_size=SIZE, copy_alias={"type": "boolean"}),
    read_only=EMPTY,
    force_merge=closed(max_num_segments={"type": "integer"}),
    delete=EMPTY,
)
STATE = closed(
    ["name", "actions", "transitions"],
    name={"type": "string"},
    actions={"type": "array", "items": ACTION},
    transitions={
        "type": "array",
        "items": closed(["state_name"], state_name={"type": "string"}, conditions=CONDITIONS),
    },
)
TEMPLATE = closed(index_patterns={"type": "array", "items": {"type": "string"}}, priority={"type": "integer"})
ISM = closed(
    ["policy"],
    policy=closed(
        ["description", "default_state", "states"],
        description={"type": "string"},
        default_state={"type": "string"},
        states={"type": "array", "items": STATE},
        ism_template={"type": "array", "items": TEMPLATE},
    ),
)


def server(lifecycle, *lacks):
    """Return a server that keeps data in a way."""
    return Server("elasticsearch", "9.5.3", False, "basic", frozenset(lacks), lifecycle)


@pytest.mark.parametrize(("lifecycle", "schema"), [("ilm", ILM), ("ism", ISM)])
def test_policies_are_of_the_published_schema(lifecycle, schema):
    """The bodies hold known actions in the phases that allow them, and the days of the configuration."""
    days = {"logship-logs": 11, "logship-audit": 777}
    policies = [one for one in wanted(server(lifecycle), days) if one.kind.endswith("policy")]
    assert {one.name for one in policies} == {"logship-logs", "logship-audit"}
    for one in policies:
        jsonschema.validate(one.body, schema)
        assert f'"{days[one.name]}d"' in orjson.dumps(one.body).decode()


def test_transitions_lead_to_states_that_exist():
    """Every state of an ISM policy can be reached, and none leads nowhere."""
    for path in (data_path("elk") / "ism").glob("*.json"):
        policy = orjson.loads(path.read_bytes())["policy"]
        names = [state["name"] for state in policy["states"]]
        reached = {move["state_name"] for state in policy["states"] for move in state["transitions"]}
        assert reached | {policy["default_state"]} == set(names)


@pytest.mark.parametrize(
    ("lifecycle", "setting", "retention"),
    [("ilm", True, False), ("data stream lifecycle", False, True), ("ism", False, False), ("none", False, False)],
)
def test_a_stream_has_one_way_to_keep_data(lifecycle, setting, retention):
    """The component for the lifecycle names the policy, or the days, or nothing, as the server needs it."""
    found = {one.name: one.body for one in wanted(server(lifecycle), {"logship-audit": 500})}
    audit = found["logship-audit-lifecycle"]["template"]
    assert (audit.get("settings", {}).get("index", {}).get("lifecycle") == {"name": "logship-audit"}) is setting
    assert (audit.get("lifecycle") == {"data_retention": "500d"}) is retention


def test_a_serverless_cluster_gets_no_settings_that_it_refuses():
    """Without shards, replicas and codec, what is left of the settings is what such a server takes."""
    lacks = ("shards and replicas", "codec", "failure store")
    found = {one.name: one.body for one in wanted(server("data stream lifecycle", *lacks), {})}
    assert set(found["logship-settings"]["template"]["settings"]["index"]) == {
        "mode", "refresh_interval", "mapping", "query",
    }  # fmt: skip
    assert "data_stream_options" not in found["logship-dify"]["template"]


def test_what_the_server_adds_to_a_policy_is_no_difference_and_what_somebody_adds_is():
    """A default that comes back with the policy changes nothing; an action put in by hand is shown."""
    (policy, *_) = wanted(server("ilm"), {})
    found = orjson.loads(orjson.dumps(policy.body))
    found["policy"]["phases"]["delete"]["actions"]["delete"]["delete_searchable_snapshot"] = True
    assert compare(policy, found).state == "unchanged"
    found["policy"]["phases"]["warm"]["actions"]["set_priority"] = {"priority": 50}
    added = ("policy.phases.warm.actions.set_priority.priority", "50", None)
    assert compare(policy, found).differences == (added,)
