"""`logship setup` brings the objects into Grafana, as far as its interface is written down here."""

import base64

import orjson
import pytest
from servers import kibana as servers
from views.test_setup_views import COUNT, setup

from logship.config.settings import Settings
from logship.connections import grafanas_reader
from logship.elastic import grafana, kibana
from logship.elastic.client import connect
from logship.elastic.grafana import Reader
from logship.elastic.identity import Identity, Secret
from logship.elastic.views.model import load
from logship.errors import ConfigError, LogshipError

BOARDS = len(load().dashboards)
READER = Reader("http://es:9200", authorization="ApiKey abc=", mark="abc")
#: A cloud id is a name and, encoded, domain, Elasticsearch and Kibana.
CLOUD_ID = "prod:" + base64.b64encode(b"eu.cloud.example:9243$e1$k1").decode()


@pytest.fixture(params=[False, True], ids=["new", "old"])
def server(request):
    """Give a Grafana of each generation: what it holds, and a connection."""
    program = servers.Grafana(old=request.param)
    with servers.running(program) as url:
        client = connect([url], identity=Identity(bearer=Secret("glsa_1")))
        yield program, client
        client.close()


def states(outcomes):
    """Return what became of the objects, by their kind and name."""
    return {(one.kind, one.name): one.state for one in outcomes}


def test_grafana_has_everything_afterwards(server):
    """Folder, data sources and dashboards are there, the second run has nothing to do, another language renews."""
    program, client = server
    assert {"created"} == set(states(grafana.install(client, "en", READER, dry_run=True)).values())
    assert {} == program.objects
    assert {"created"} == set(states(grafana.install(client, "en", READER)).values())
    assert 1 + 2 + BOARDS == len(program.objects)
    source = program.objects["datasources", "logship-logs"]
    assert ("http://es:9200", "ApiKey abc=") == (source["url"], source["secureJsonData"]["httpHeaderValue1"])
    assert 'trace.id:"${__value.raw}"' == source["jsonData"]["dataLinks"][0]["url"]
    program.seen.clear()
    assert {"unchanged"} == set(states(grafana.install(client, "en", READER)).values())
    renewed = states(grafana.install(client, "zh", READER, dry_run=True))
    assert {"unchanged", "updated"} == set(renewed.values())
    assert BOARDS == list(renewed.values()).count("updated")
    assert {"GET"} == {method for method, _ in program.seen}


@pytest.mark.parametrize("server", [False], indirect=True)
def test_everything_can_be_removed(server):
    """Also the folder, if logship made it; a dry run says so first, and a second time nothing is found."""
    program, client = server
    grafana.install(client, "en", READER)
    assert {"removed"} == set(states(grafana.remove(client, dry_run=True)).values())
    assert 1 + 2 + BOARDS == len(program.objects)
    assert {"removed"} == set(states(grafana.remove(client)).values())
    assert {} == program.objects
    assert {"missing"} == set(states(grafana.remove(client)).values())


@pytest.mark.parametrize("others", [{"alertrule": 1}, {"dashboard": 1}])
@pytest.mark.parametrize("server", [False], indirect=True)
def test_a_folder_that_holds_something_else_stays(server, others):
    """A dashboard or an alert rule of somebody else keeps the folder, in a dry run as in a real one."""
    program, client = server
    grafana.install(client, "en", READER)
    program.save("mine") if "dashboard" in others else program.others.update(others)
    for dry_run in (True, False):
        done = grafana.remove(client, dry_run=dry_run)
        assert ("kept", "holds more than logship's dashboards") == (done[-1].state, done[-1].note)
    assert [("folders", "logship")] == list(program.objects)


def test_a_folder_that_was_there_before_stays(server):
    """What logship did not make it does not delete, empty or not; nor what it cannot look into."""
    program, client = server
    program.objects["folders", "logship"] = {"uid": "logship"}
    assert "kept" == states(grafana.install(client, "en", READER))["folder", "logship"]
    assert "kept" == states(grafana.install(client, "zh", READER))["folder", "logship"]
    assert "kept" == states(grafana.remove(client))["folder", "logship"]
    assert [("folders", "logship")] == list(program.objects)


@pytest.mark.parametrize("server", [True], indirect=True)
def test_a_folder_that_cannot_be_looked_into_stays(server):
    """A Grafana that does not count what is in a folder keeps it."""
    program, client = server
    grafana.install(client, "en", READER)
    assert "kept" == states(grafana.remove(client))["folder", "logship"]
    assert [("folders", "logship")] == list(program.objects)


def test_what_somebody_edited_is_kept(server):
    """A dashboard or data source that was saved since stays until it is forced, and where it was moved to."""
    program, client = server
    grafana.install(client, "en", READER)
    program.objects["folders", "elsewhere"] = {"uid": "elsewhere"}
    program.objects["dashboards", "logship-api"]["title"] = "mine"
    program.save("logship-api", "wider", "elsewhere")
    program.objects["datasources", "logship-logs"]["jsonData"]["timeField"] = "event.ingested"
    done = grafana.install(client, "zh", READER)
    kept = {("dashboard", "logship-api"), ("data source", "logship-logs")}
    assert kept == {key for key, state in states(done).items() if state == "kept"}
    assert {grafana.EDITED} == {one.note for one in done if one.state == "kept"}
    assert "mine" == program.objects["dashboards", "logship-api"]["title"]
    forced = states(grafana.install(client, "zh", READER, force=True))
    assert kept == {key for key, state in forced.items() if state == "updated"}
    assert "elsewhere" == program.folders["logship-api"]


def test_what_was_not_made_here_is_left_alone(server):
    """A dashboard or data source of our uid that is somebody else's is neither replaced nor deleted."""
    program, client = server
    program.objects["dashboards", "logship-api"] = {"uid": "logship-api", "title": "mine"}
    program.objects["datasources", "logship-logs"] = {"uid": "logship-logs", "jsonData": {}}
    theirs = {("dashboard", "logship-api"), ("data source", "logship-logs")}
    assert theirs == {(one.kind, one.name) for one in grafana.install(client, "en", READER) if one.state == "kept"}
    assert theirs <= {(one.kind, one.name) for one in grafana.remove(client) if one.note == kibana.FOREIGN}
    assert {("dashboards", "logship-api"), ("datasources", "logship-logs")} <= set(program.objects)


def test_another_key_is_sent_and_a_password_every_time(server):
    """Grafana tells no secret, so that a key is known by its id, and a password is given again."""
    _, client = server
    source = ("data source", "logship-logs")
    grafana.install(client, "en", READER)
    other = Reader("http://es:9200", authorization="ApiKey def=", mark="def")
    assert "updated" == states(grafana.install(client, "en", other))[source]
    assert "unchanged" == states(grafana.install(client, "en", other))[source]
    user = Reader("http://es:9200", user="grafana", password="s3cret")
    assert "updated" == states(grafana.install(client, "en", user))[source]
    assert "updated" == states(grafana.install(client, "en", user))[source]


@pytest.mark.parametrize("server", [False], indirect=True)
def test_a_user_is_given_as_grafana_takes_it(server):
    """The password goes with what Grafana encrypts, and no header is named; certificates as they are configured."""
    program, client = server
    grafana.install(client, "en", Reader("https://es:9200", user="u", password="p", ca="PEM", verify=False))
    source = program.objects["datasources", "logship-agent"]
    assert (True, "u") == (source["basicAuth"], source["basicAuthUser"])
    assert {"basicAuthPassword": "p", "tlsCACert": "PEM"} == source["secureJsonData"]
    assert (True, True) == (source["jsonData"]["tlsAuthWithCACert"], source["jsonData"]["tlsSkipVerify"])
    assert "httpHeaderName1" not in source["jsonData"]


def reader_of(**options):
    """Return how Grafana reads with these settings of Elasticsearch."""
    return grafanas_reader(Settings.model_validate({"elasticsearch": options}))


def test_grafana_reads_as_the_settings_say():
    """By the key for reading before all else, then by the user; a cloud id is the address that it stands for."""
    key = base64.b64encode(b"id1:secret").decode()
    hosts = ["https://es:9200"]
    by_key = Reader("https://es:9200", authorization=f"ApiKey {key}", mark="id1")
    assert by_key == reader_of(hosts=hosts, api_key="w", read_api_key="id1:secret")
    assert by_key == reader_of(hosts=hosts, username="u", password="p", read_api_key=key)
    user = reader_of(cloud_id=CLOUD_ID, username="u", password="p")
    assert Reader("https://e1.eu.cloud.example:9243", user="u", password="p") == user
    assert Reader("https://es:9200", authorization="Bearer b") == reader_of(hosts=hosts, bearer="b")
    assert Reader("https://es:9200") == reader_of(hosts=hosts)


def test_the_key_that_writes_is_not_given_to_grafana():
    """It cannot read: the error says how to get one that can."""
    with pytest.raises(ConfigError, match="no key to read") as caught:
        reader_of(hosts=["https://es:9200"], api_key="w")
    assert "--only keys" in caught.value.hint


@pytest.mark.parametrize("server", [False], indirect=True)
def test_a_token_that_is_not_taken_is_said(server):
    """401 is an error that names the token."""
    program, client = server
    program.refuses = 401
    with pytest.raises(LogshipError, match="Unauthorized") as caught:
        grafana.install(client, "en", READER)
    assert "grafana.token" in caught.value.hint


def test_the_command_installs_both(tmp_path):
    """With addresses and keys from the environment; only what is chosen is touched."""
    program, other = servers.Grafana(), servers.Kibana()
    with servers.running(other) as kibana_url, servers.running(program) as url:
        variables = {
            "LOGSHIP_KIBANA__URL": kibana_url, "LOGSHIP_GRAFANA__URL": url, "LOGSHIP_GRAFANA__TOKEN": "glsa_1",
            "LOGSHIP_ELASTICSEARCH__HOSTS": "http://es:9200", "LOGSHIP_STATE_DIR": str(tmp_path),
        }  # fmt: skip
        done = setup("--only", "kibana,grafana", "--json", "--lang", "zh", **variables)
        assert (0, "") == (done.returncode, done.stderr)
        assert COUNT + 1 + 2 + BOARDS == len(orjson.loads(done.stdout)["objects"])
        assert "总览" in other.objects["dashboard", "logship-overview"]["title"]
        assert "总览" in program.objects["dashboards", "logship-overview"]["title"]
        again = setup("--only", "kibana,grafana", "--dry-run", "--lang", "zh", **variables)
        assert "would be" not in again.stdout
        program.seen.clear()
        other.seen.clear()
        refused = setup("--only", "kibana,grafana", **variables | {"LOGSHIP_ELASTICSEARCH__API_KEY": "w"})
    assert 2 == refused.returncode
    assert "read_api_key" in refused.stderr
    assert [] == program.seen + other.seen
