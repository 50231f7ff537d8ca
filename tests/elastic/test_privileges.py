"""A real Elasticsearch with security: who may do what with `logship setup`, and what becomes of API keys."""

import re
import subprocess
import sys
import uuid
from pathlib import Path

import orjson
import pytest
from contract.batches import document, stored
from servers import elasticsearch as server

from logship.delivery.sink import SinkUnavailable
from logship.delivery.sinks.elastic import ElasticsearchSink
from logship.elastic.client import connect
from logship.elastic.identity import Identity, Secret
from logship.elastic.installer import ensure_templates
from logship.elastic.keys import make_keys, plan_keys
from logship.elastic.privileges import missing, require
from logship.errors import LogshipError
from logship.model import Receipt

ROOT = {"username": server.USER, "password": server.PASSWORD}
#: All that `logship setup --help` names.
ALL = ("monitor", "manage_index_templates", "manage_ilm", "manage_own_api_key")
#: What the keys may do, so that who makes them must have it.
GIVEN = ("create_doc", "auto_configure", "read", "view_index_metadata")
DIFY = "/_index_template/logship-dify"


@pytest.fixture(scope="module")
def running():
    """Give a connection to a server with security, as its superuser."""
    with server.running(security=True) as url:
        client = connect([url], identity=Identity(username=server.USER, password=Secret(server.PASSWORD)))
        client.url = url
        # Elasticsearch's own template for logs, which the small server lacks: streams can do without ours.
        built_in = {"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}}
        client.request("PUT", "/_index_template/logs", orjson.dumps(built_in))
        yield client
        client.close()


@pytest.fixture
def root(running, setup):
    """Give the server with nothing of ours on it, and leave it so."""
    yield running
    setup(running.url, "--remove", "--force", **ROOT)


def post(client, path, body):
    """Send a body that the server must take, and return what it says."""
    answer = client.request("POST", path, orjson.dumps(body))
    assert answer.status == 200, answer.body
    return answer.json()


def user(root, *cluster, index=()):
    """Make a user with privileges on the cluster and on logs, and return the variables that name it."""
    name = f"u{uuid.uuid4().hex[:12]}"
    indices = [{"names": ["logs-*"], "privileges": list(index)}] if index else []
    post(root, f"/_security/role/{name}", {"cluster": list(cluster), "indices": indices})
    post(root, f"/_security/user/{name}", {"password": server.PASSWORD, "roles": [name]})
    return {"username": name, "password": server.PASSWORD}


def key(root, *cluster):
    """Make an API key with cluster privileges, and return the variable that holds it."""
    role = {"x": {"cluster": list(cluster), "indices": []}}
    made = post(root, "/_security/api_key", {"name": "somebody's", "role_descriptors": role})
    return {"api_key": made["encoded"]}


def valid(root):
    """Return the names of the keys of ours that are valid, and whose they are."""
    found = root.request("GET", "/_security/api_key?name=logship-*&active_only=true").json()["api_keys"]
    return sorted((one["name"], one["username"]) for one in found)


def variables(text):
    """Return the variables of an .env file."""
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def test_an_api_key_makes_no_keys_and_is_told_before_anything_is_changed(root, setup):
    """Elasticsearch's rule is named, and the user that is needed instead, though all privileges are there."""
    done = setup(root.url, "--only", "templates,keys", **key(root, *ALL))
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was changed: an API key makes no API keys with privileges" in done.stderr
    assert "elasticsearch.username" in done.stderr
    assert root.request("GET", DIFY).status == 404
    assert valid(root) == []


def test_keys_need_no_privilege_of_templates(root, setup):
    """A user with manage_own_api_key and what the keys may do makes keys, and invalidates them."""
    modest = user(root, "manage_own_api_key", index=GIVEN)
    done = setup(root.url, "--only", "keys", **modest)
    assert (done.returncode, len(variables(done.stdout))) == (0, 2), done.stderr
    assert len(valid(root)) == 2
    assert setup(root.url, "--remove", "--only", "keys", **modest).returncode == 0
    assert valid(root) == []


@pytest.mark.parametrize("who", [user, key])
def test_every_missing_privilege_is_named_before_anything_is_changed(root, setup, who):
    """Who has only `monitor`, as a user or with a key, is told all the others at once."""
    done = setup(root.url, "--only", "templates,lifecycle,keys", **who(root, "monitor"))
    assert (done.returncode, done.stdout) == (1, "")
    lacking = "manage_index_templates" if who is key else "manage_index_templates, manage_own_api_key"
    assert f"nothing was changed: we have not the cluster privileges {lacking}\n" in done.stderr
    ungiven = "can give no key, the index privileges auto_configure, create_doc, read, view_index_metadata\n"
    assert (ungiven in done.stderr) == (who is user)
    done = setup(root.url, **who(root, "manage_own_api_key"))
    assert "nothing was changed: we have not the cluster privileges monitor, manage_index_templates\n" in done.stderr
    assert root.request("GET", DIFY).status == 404


def test_the_privilege_for_policies_is_asked_for_where_there_are_policies(answer_with):
    """Where `_ilm/status` answers, manage_ilm is among what is missing."""
    lacking = {"cluster": {"monitor": True, "manage_index_templates": False, "manage_ilm": False}}
    client = connect([answer_with(200, orjson.dumps(lacking))])
    with pytest.raises(LogshipError, match="privileges manage_index_templates, manage_ilm"):
        require(client, ("templates", "lifecycle"))
    client.close()


def test_a_removal_names_what_it_needs(root, setup):
    """Without the privilege nothing is removed, and the hint is of privileges."""
    setup(root.url, **ROOT)
    done = setup(root.url, "--remove", **user(root, "monitor"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "we have not the cluster privileges manage_index_templates" in done.stderr
    assert root.request("GET", DIFY).status == 200


def test_a_wrong_password_is_told_as_such(root, setup):
    """It is the server that refuses who we are, not a privilege that is missing."""
    done = setup(root.url, "--only", "keys", username=server.USER, password="wrong")
    assert done.returncode == 1
    assert "refuses who we are" in done.stderr


def test_who_has_all_privileges_misses_none(root):
    """The superuser has what is asked for, of whatever name."""
    assert missing(root, ALL, GIVEN) == ([], [])


def test_keys_may_do_what_they_are_for_and_nothing_else(root, namespace):
    """The write key adds documents and cannot read, overwrite or delete; the read key only reads, as Grafana does."""
    ensure_templates(root)
    write, read = make_keys(root, plan_keys(root, namespace))
    writer, reader = (connect([root.url], identity=Identity(Secret(made.encoded))) for made in (write, read))
    stream = f"logs-dify.api-{namespace}"
    assert ElasticsearchSink(writer, namespace=namespace).send(stored(document(1)), None) == Receipt(delivered=1)
    root.request("POST", f"/{stream}/_refresh")
    asked = [
        ("GET", f"/{stream}/_search", None),
        ("GET", f"/_resolve/index/{stream}", None),
        ("POST", f"/{stream}/_delete_by_query", b'{"query":{"match_all":{}}}'),
        ("PUT", "/_index_template/mine", b'{"index_patterns":["x"]}'),
        ("GET", "/_cluster/health", None),
    ]
    refused = {path: writer.request(method, path, body).status for method, path, body in asked}
    index = root.request("GET", f"/_resolve/index/{stream}").json()["data_streams"][0]["backing_indices"][0]
    change = b'{"index":{"_index":"%b","_id":"k-0"}}\n{"@timestamp":"2026-01-02T03:04:05Z"}\n{"delete":{"_id":"k-0"}}\n'
    answer = writer.request("POST", f"/{index}/_bulk", change % index.encode(), media_type="application/x-ndjson")
    statuses = [next(iter(item.values()))["status"] for item in answer.json()["items"]]
    assert (set(refused.values()) - {400}, min(statuses)) == ({403}, 400)
    assert reader.request("GET", "/_cluster/health").status == 200
    hits = reader.request("GET", f"/{stream}/_search").json()["hits"]["hits"]
    assert [hit["_source"]["message"] for hit in hits] == ["line 1"]
    with pytest.raises(SinkUnavailable, match="403"):
        ElasticsearchSink(reader, namespace=namespace).send(stored(document(2), key="z"), None)


def test_keys_are_printed_for_an_env_file(root, setup, tmp_path):
    """`logship setup --only keys` prints two variables that logship understands, and all else beside them."""
    found = variables(setup(root.url, "--only", "keys", **ROOT).stdout)
    assert set(found) == {"LOGSHIP_ELASTICSEARCH__API_KEY", "LOGSHIP_ELASTICSEARCH__READ_API_KEY"}
    with_key = {"LOGSHIP_ELASTICSEARCH__HOSTS": root.url, "PATH": ""} | found
    check = [sys.executable, "-m", "logship", "config", "check", "--state-dir", str(tmp_path)]
    assert subprocess.run(check, env=with_key, capture_output=True, check=False).returncode == 0


def test_the_commands_of_the_readme_work_in_their_order(root, tmp_path):
    """With the variables that it exports, templates and keys are made; with the key that comes of it, data is sent."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (block,) = [one for one in re.findall(r"```console\n(.*?)```", readme, re.DOTALL) if "--only keys" in one]
    before, after = block.split("$ unset ")
    places = {"HOSTS": root.url, "USERNAME": server.USER}
    for name, secret in (("PASSWORD_FILE", server.PASSWORD), ("API_KEY_FILE", "")):
        places[name] = str(tmp_path / name)
        (tmp_path / name).write_text(secret)

    def run(script):
        names = re.findall(r"LOGSHIP_ELASTICSEARCH__(\w+)=", script)
        env = {f"LOGSHIP_ELASTICSEARCH__{name}": places[name] for name in names} | {"PATH": ""}
        done = ""
        for command in re.findall(r"^\$ (logship setup[^#\n]*)", script, re.MULTILINE):
            argv = [sys.executable, "-m", *command.split(), "--state-dir", str(tmp_path)]
            done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
        return done, env

    found = variables(run(before)[0])
    assert root.request("GET", DIFY).status == 200
    (tmp_path / "API_KEY_FILE").write_text(found["LOGSHIP_ELASTICSEARCH__API_KEY"])
    (tmp_path / "a.log").write_text("2025-11-20 08:00:07.412 ERROR [T] [a.py:1] - timed out\n")
    _, env = run("LOGSHIP_ELASTICSEARCH__HOSTS=" + after)
    tail = [sys.executable, "-m", "logship", "tail", "--once", "--service", "api", str(tmp_path / "a.log")]
    assert subprocess.run([*tail, "--state-dir", str(tmp_path / "state")], env=env, check=False).returncode == 0
    root.request("POST", "/logs-dify.api-default/_refresh")
    assert root.request("GET", "/logs-dify.api-default/_count").json()["count"] == 1


def test_a_dry_run_names_the_keys_and_makes_none(root, setup):
    """Each is named with what it may do."""
    done = setup(root.url, "--only", "keys", "--dry-run", **ROOT)
    assert "API key logship-write-default: would be created; create_doc, auto_configure on logs-dify.*" in done.stdout
    assert valid(root) == []


def test_keys_that_are_there_are_not_made_again(root, setup):
    """The second time nothing is made and it is said how; what is missing is made; `--new-keys` makes both."""
    setup(root.url, "--only", "keys", **ROOT)
    again = setup(root.url, "--only", "keys", **ROOT)
    assert (again.returncode, again.stdout) == (0, "")
    assert "API key logship-read-default: kept; it is there already" in again.stderr
    assert "--new-keys" in again.stderr
    told = orjson.loads(setup(root.url, "--only", "keys", "--json", **ROOT).stdout)
    assert [one["state"] for one in told["changes"]] == ["kept", "kept"]
    root.request("DELETE", "/_security/api_key", b'{"name":"logship-read-default"}')
    one = setup(root.url, "--only", "keys", **ROOT)
    assert set(variables(one.stdout)) == {"LOGSHIP_ELASTICSEARCH__READ_API_KEY"}
    assert len(variables(setup(root.url, "--only", "keys", "--new-keys", **ROOT).stdout)) == 2
    assert len(valid(root)) == 4


def test_removal_invalidates_our_keys_and_nobody_elses(root, setup):
    """What they open is closed; a key of our name that logship did not make stays, and what is removed is named."""
    made = variables(setup(root.url, "--only", "keys", **ROOT).stdout)
    post(root, "/_security/api_key", {"name": "logship-of-somebody"})
    would = setup(root.url, "--remove", "--dry-run", **ROOT).stdout
    assert "API key logship-write-default: would be removed; id " in would
    assert len(valid(root)) == 3
    done = setup(root.url, "--remove", **ROOT)
    assert "API key logship-read-default: removed; id " in done.stdout
    assert valid(root) == [("logship-of-somebody", server.USER)]
    writer = connect([root.url], identity=Identity(Secret(made["LOGSHIP_ELASTICSEARCH__API_KEY"])))
    assert writer.request("GET", "/_security/_authenticate").status == 401
    writer.close()
    assert "nothing of logship's" in setup(root.url, "--remove", "--only", "keys", **ROOT).stdout
    root.request("DELETE", "/_security/api_key", b'{"name":"logship-of-somebody"}')


def test_who_may_only_manage_own_keys_leaves_those_of_others_and_says_so(root, setup):
    """Own ones are invalidated; that there may be more is named, with the privilege that shows them."""
    modest = user(root, "manage_own_api_key", index=GIVEN)
    setup(root.url, "--only", "keys", **ROOT)
    setup(root.url, "--only", "keys", **modest)
    done = setup(root.url, "--remove", "--only", "keys", **modest)
    assert (done.returncode, done.stdout.count("removed; id ")) == (0, 2)
    assert "manage_api_key" in done.stdout
    assert {owner for _, owner in valid(root)} == {server.USER}


def test_keys_that_may_be_seen_but_not_invalidated_are_named(root, setup):
    """Who may read security sees keys of others, invalidates own ones, and is told whose are left."""
    seeing = user(root, "manage_own_api_key", "read_security")
    setup(root.url, "--only", "keys", **ROOT)
    done = setup(root.url, "--remove", "--only", "keys", **seeing)
    assert f"of user {server.USER}: only with manage_api_key, or by that user" in done.stdout
    assert len(valid(root)) == 2


def test_a_removal_that_may_not_look_for_keys_says_that_they_stay(root, setup):
    """Templates go and it is said that keys were not looked for; where keys were asked for by name, it is an error."""
    setup(root.url, "--only", "templates,keys", **ROOT)
    weak = key(root, *ALL)
    done = setup(root.url, "--remove", **weak)
    assert done.returncode == 0
    assert "API key logship-*: kept; API keys were not looked for, and stay valid" in done.stdout
    assert root.request("GET", DIFY).status == 404
    done = setup(root.url, "--remove", "--only", "keys", **weak)
    assert (done.returncode, "stay valid" in done.stderr) == (1, True)
    assert len(valid(root)) == 2


def test_an_option_that_would_do_nothing_is_refused(setup):
    """`--new-keys` without keys is a mistake, and says what it goes with."""
    done = setup("http://127.0.0.1:1", "--new-keys")
    assert (done.returncode, "goes with" in done.stderr) == (2, True)
