"""`logship setup` brings the objects into Kibana, as far as its interface is written down here; and its options."""

import os
import subprocess
import sys

import pytest
from servers import kibana as servers

from logship.elastic import kibana
from logship.elastic.client import connect
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


def test_a_dry_run_changes_nothing_and_tells_what_would_be(server):
    """It names every object and only asks; after an installation there is nothing to do, and everything to remove."""
    program, client = server
    assert ["created"] * COUNT == [one.state for one in kibana.install(client, "en", dry_run=True)]
    assert ["missing"] * COUNT == [one.state for one in kibana.remove(client, dry_run=True)]
    assert {} == program.objects
    assert {"GET", "POST _export"} == asked(program)
    kibana.install(client, "en")
    program.seen.clear()
    states = [one.state for one in kibana.install(client, "en", dry_run=True)]
    assert (["unchanged"] * (COUNT - len(VIEWS.rules)) + ["kept"] * len(VIEWS.rules)) == states
    assert {"updated", "kept"} == {one.state for one in kibana.install(client, "zh", dry_run=True)}
    assert ["removed"] * COUNT == [one.state for one in kibana.remove(client, dry_run=True)]
    assert {"GET", "POST _export"} == asked(program)


def asked(program):
    """Return the methods of the requests, of those that only ask by POST the name too."""
    return {"POST _export" if path.endswith("_export") else method for method, path in program.seen}


def test_a_second_run_writes_nothing(server):
    """What is as it should be is not written again."""
    program, client = server
    kibana.install(client, "en")
    program.seen.clear()
    kibana.install(client, "en")
    assert {"GET", "POST _export"} == asked(program)


def test_what_somebody_edited_is_kept(server):
    """A dashboard that was saved since stays as it is, run after run, until it is forced; the others are renewed."""
    program, client = server
    kibana.install(client, "en")
    program.objects["dashboard", "logship-api"]["title"] = "mine"
    program.touch("dashboard", "logship-api")
    others = []
    for language in ("en", "zh", "en"):
        done = {one.name: one for one in kibana.install(client, language)}
        assert ("kept", kibana.EDITED) == (done["logship-api"].state, done["logship-api"].note)
        others.append(done["logship-overview"].state)
        assert "mine" == program.objects["dashboard", "logship-api"]["title"]
    assert ["unchanged", "updated", "updated"] == others
    done = {one.name: one.state for one in kibana.install(client, "en", force=True)}
    assert ("updated", "unchanged") == (done["logship-api"], done["logship-overview"])
    assert {"unchanged", "kept"} == {one.state for one in kibana.install(client, "en")}
    assert "kept" not in {one.state for one in kibana.install(client, "en") if one.kind != "rule"}


def test_a_data_view_that_was_looked_at_is_not_edited(server):
    """Discover saves in it how often a field was used; another format of a field is an edit."""
    program, client = server
    kibana.install(client, "en")
    program.objects["index-pattern", "logship-logs"]["attributes"]["fieldAttrs"] = '{"message":{"count":3}}'
    program.touch("index-pattern", "logship-logs")
    assert "unchanged" == {one.name: one.state for one in kibana.install(client, "en")}["logship-logs"]
    program.objects["index-pattern", "logship-logs"]["attributes"]["fieldFormatMap"] = "{}"
    assert "kept" == {one.name: one.state for one in kibana.install(client, "en")}["logship-logs"]


def test_what_was_not_made_here_is_left_alone(server):
    """An object of our id that is somebody else's is neither replaced nor deleted."""
    program, client = server
    program.objects["dashboard", "logship-api"] = {"attributes": {"title": "mine"}, "references": []}
    done = {one.name: one for one in kibana.install(client, "en")}
    assert ("kept", kibana.UNKNOWN) == (done["logship-api"].state, done["logship-api"].note)
    done = {one.name: one for one in kibana.remove(client)}
    assert ("kept", kibana.FOREIGN) == (done["logship-api"].state, done["logship-api"].note)
    assert [("dashboard", "logship-api")] == list(program.objects)


def test_the_link_of_a_trace_reaches_back_as_far_as_anything_is_kept(server):
    """Discover opens over the configured retention, not over some days."""
    program, client = server
    kibana.install(client, "en", days=500)
    assert "from:now-500d" in program.objects["index-pattern", "logship-logs"]["attributes"]["fieldFormatMap"]


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


def setup(*arguments, **variables):
    """Run `logship setup` and return what became of it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOGSHIP_")} | variables
    command = [sys.executable, "-m", "logship", "setup", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


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


def test_a_dry_run_writes_no_files(tmp_path):
    """`--to DIR --dry-run` names the files and leaves the folder as it was."""
    done = setup("--only", "kibana", "--to", str(tmp_path / "out"), "--dry-run", LOGSHIP_STATE_DIR=str(tmp_path))
    assert 0 == done.returncode
    assert {"would write"} == {line[:11] for line in done.stdout.splitlines()}
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("arguments", "word"), [(["--remove"], "--remove"), (["--only", "templates"], "templates")])
def test_what_makes_no_files_is_an_error(arguments, word, tmp_path):
    """`--to` with `--remove`, or for what is no file of Kibana's or Grafana's, writes nothing and says why."""
    done = setup("--to", str(tmp_path / "out"), *arguments, LOGSHIP_STATE_DIR=str(tmp_path))
    assert 2 == done.returncode
    assert word in done.stderr
    assert [] == list(tmp_path.iterdir())
