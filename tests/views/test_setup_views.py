"""`logship setup` brings the objects into Kibana and Grafana, as far as their interfaces are written down here."""

import os
import subprocess
import sys

import orjson
import pytest
from servers import kibana as servers

from logship.elastic import grafana, kibana
from logship.elastic.client import connect
from logship.elastic.identity import Identity, Secret
from logship.elastic.views.model import load
from logship.errors import LogshipError

VIEWS = load()
COUNT = 1 + 2 + len(VIEWS.searches) + len(VIEWS.dashboards) + len(VIEWS.rules)


@pytest.fixture(params=["8.9.0", "9.3.2", "9.5.1"])
def server(request):
    """Give a Kibana of each generation: what it holds, and a connection."""
    program = servers.Kibana(request.param)
    with servers.running(program) as url:
        client = connect([url], headers=kibana.HEADERS)
        yield program, client
        client.close()


@pytest.fixture
def grafana_server():
    """Give a Grafana: what it holds, its address, and a connection."""
    program = servers.Grafana()
    with servers.running(program) as url:
        client = connect([url], identity=Identity(bearer=Secret("glsa_1")))
        yield program, url, client
        client.close()


def test_kibana_has_everything_afterwards(server):
    """Every object is there after the first run, in the form that the version takes, and only renewed by the second."""
    program, client = server
    assert {"created"} == {one.state for one in kibana.install(client, "en")}
    assert COUNT == len(program.objects)
    board = program.objects["dashboard", "logship-overview"]
    assert ("panels" in board) == (program.version >= "9.5")
    states = {one.kind: one.state for one in kibana.install(client, "zh")}
    assert "kept" == states.pop("rule")
    assert {"updated"} == set(states.values())
    assert COUNT == len(program.objects)


def test_a_rule_that_was_tuned_stays(server):
    """The threshold that somebody set is not set back."""
    program, client = server
    kibana.install(client, "en")
    program.objects["alert", "logship-rule-error-burst"]["params"]["threshold"] = [999]
    kibana.install(client, "en")
    assert [999] == program.objects["alert", "logship-rule-error-burst"]["params"]["threshold"]


def test_what_was_installed_can_be_removed(server):
    """Nothing of ours stays, what is not ours does, and a second time nothing is found."""
    program, client = server
    program.objects["dashboard", "mine"] = {}
    kibana.install(client, "en")
    assert {"removed"} == {one.state for one in kibana.remove(client)}
    assert [("dashboard", "mine")] == list(program.objects)
    assert {"missing"} == {one.state for one in kibana.remove(client)}


def test_a_dry_run_changes_nothing(server):
    """It names every object, and only asks."""
    program, client = server
    assert COUNT == len(kibana.install(client, "en", dry_run=True)) == len(kibana.remove(client, dry_run=True))
    assert {} == program.objects
    assert {"GET"} == {method for method, _ in program.seen}


def test_a_refusal_is_an_error_that_says_what_to_do(server):
    """A key without privileges, and a Kibana that is too old."""
    program, client = server
    program.refuses = 403
    with pytest.raises(LogshipError, match="403 by the test") as caught:
        kibana.install(client, "en")
    assert "privileges" in caught.value.hint
    program.refuses, program.version = 0, "7.17.29"
    with pytest.raises(LogshipError, match=r"Kibana 7\.17\.29") as caught:
        kibana.install(client, "en")


def test_an_object_that_is_not_taken_is_named(server):
    """When Kibana lacks what an object refers to, the error names object and reason."""
    program, client = server
    with pytest.raises(LogshipError, match=r"dashboard logship-api: missing_references"):
        list(kibana._import(client, kibana._objects("en", "dashboards")))
    assert {} == program.objects


def test_nobody_at_the_address_is_an_error():
    """A closed port is said to be one, with the option to look at."""
    with servers.running(servers.Kibana()) as url:
        pass
    client = connect([url], headers=kibana.HEADERS)
    with pytest.raises(LogshipError, match="cannot reach Kibana") as caught:
        kibana.install(client, "en")
    client.close()
    assert "kibana.url" in caught.value.hint


def test_grafana_has_everything_afterwards(grafana_server):
    """Folder, data sources and dashboards are there, renewed by the second run, and gone after removal."""
    program, _, client = grafana_server
    arguments = {"url": "http://es:9200", "api_key": "abc="}
    assert {"created"} == {one.state for one in grafana.install(client, "en", **arguments)}
    assert 1 + 2 + len(VIEWS.dashboards) == len(program.objects)
    source = program.objects["datasources", "logship-logs"]
    assert ("http://es:9200", "ApiKey abc=") == (source["url"], source["secureJsonData"]["httpHeaderValue1"])
    assert 'trace.id:"${__value.raw}"' == source["jsonData"]["dataLinks"][0]["url"]
    assert {"kept", "updated"} == {one.state for one in grafana.install(client, "zh", **arguments)}
    assert {"removed"} == {one.state for one in grafana.remove(client)}
    assert {} == program.objects


def test_a_token_that_is_not_taken_is_said(grafana_server):
    """401 is an error that names the token."""
    program, _, client = grafana_server
    program.refuses = 401
    with pytest.raises(LogshipError, match="Unauthorized") as caught:
        grafana.install(client, "en", url="http://es:9200")
    assert "grafana.token" in caught.value.hint


def setup(*arguments, **variables):
    """Run `logship setup` and return what became of it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOGSHIP_")} | variables
    command = [sys.executable, "-m", "logship", "setup", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_the_command_installs_both(grafana_server, tmp_path):
    """With addresses and keys from the environment; without Elasticsearch only what is configured is touched."""
    program, url, _ = grafana_server
    other = servers.Kibana()
    state = {"LOGSHIP_STATE_DIR": str(tmp_path)}
    with servers.running(other) as kibana_url:
        done = setup("--json", "--lang", "zh", LOGSHIP_KIBANA__URL=kibana_url, LOGSHIP_GRAFANA__URL=url,
                     LOGSHIP_GRAFANA__TOKEN="glsa_1", **state)  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    assert COUNT + 1 + 2 + len(VIEWS.dashboards) == len(orjson.loads(done.stdout)["objects"])
    assert "总览" in other.objects["dashboard", "logship-overview"]["title"]
    assert "总览" in program.objects["dashboards", "logship-overview"]["title"]


def test_the_command_says_what_is_missing(tmp_path):
    """Without an address the error names the option, its variable and the other way."""
    done = setup("--only", "kibana", LOGSHIP_STATE_DIR=str(tmp_path))
    assert 2 == done.returncode
    assert "LOGSHIP_KIBANA__URL" in done.stderr
    assert "--to DIR" in done.stderr


def test_the_command_writes_files(tmp_path):
    """`--to` gives the files to import by hand and to provision with, as they are in the repository."""
    done = setup("--to", str(tmp_path / "out"), LOGSHIP_STATE_DIR=str(tmp_path))
    assert (0, "") == (done.returncode, done.stderr)
    out = tmp_path / "out"
    assert {"dashboards.ndjson", "objects.ndjson", "rules.json"} <= {path.name for path in (out / "kibana").iterdir()}
    assert (out / "grafana/provisioning/datasources/logship.yaml").exists()
    assert len(done.stdout.splitlines()) == sum(1 for path in out.rglob("*") if path.is_file())
