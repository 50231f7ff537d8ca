"""Events that the operator does not want: by named rules, counted, decided by the id."""

import json

import orjson
import pytest
from click.testing import CliRunner

from logship.app import Binder, build
from logship.cli import main
from logship.config import Settings, load
from logship.data import data_path
from logship.errors import ConfigError, PipelineError
from logship.ledger.ledger import Ledger
from logship.ledger.status import status
from logship.model import Events, FileRef, Source
from logship.pipeline.dropping import shares
from logship.pipeline.redaction import Redactor
from logship.pipeline.spec import Pipelines, read_spec

TASK = "schedule.workflow_schedule_task.poll_workflow_schedules"
ID = "5a1d9c2e-1111-4222-8333-944455556666"


def api(message):
    """Give a line of the api."""
    return f"2025-11-20 08:01:00.010 INFO [MainThread] [a.py:161]  - {message}"


def access(path, status=200):
    """Give an access line of nginx."""
    return f'172.18.0.1 - - [20/Nov/2025:08:03:10 +0000] "GET {path} HTTP/1.1" {status} 5 "-" "curl/8.5.0" "-"'


def json_access(path, status="200"):
    """Give an access line of nginx in JSON."""
    fields = {"time": "2025-11-20T08:03:10+00:00", "remote_addr": "172.18.0.1", "method": "GET", "uri": path}
    return json.dumps({**fields, "request": f"GET {path} HTTP/1.1", "status": status})


def gin(path, status=200):
    """Give a request line of gin."""
    return f'[GIN] 2025/11/20 - 08:00:01 | {status} |      70.1µs |       127.0.0.1 | GET      "{path}"'


#: Service, rule, a line that the rule drops, and one of the kind that it leaves.
LINES = [
    ("nginx", "health_checks", access("/health?x=1"), access("/healthy")),
    ("nginx", "health_checks", access("/console/api/ping", 204), access("/health", 503)),
    ("nginx", "health_checks", json_access("/healthz"), json_access("/healthz", "502")),
    ("sandbox", "health_checks", gin("/health"), gin("/v1/sandbox/run")),
    ("plugin_daemon", "health_checks", gin("/health/check"), gin("/health/check", 500)),
    ("api", "health_checks", api("GET /health 200 0.482 "), api("GET /health 503 0.482 ")),
    ("api", "health_checks", api('127.0.0.1 - - [20/Nov/2025 08:00:00] "GET /health HTTP/1.1" 200 -'),
     api("GET /v1 200 1 ")),
    ("worker_beat", "beat_minute_noise", api(f"Scheduler: Sending due task x ({TASK})"),
     api("Scheduler: Sending due task clean (schedule.clean_messages.clean_messages)")),
    ("worker", "beat_minute_noise", api(f"Task {TASK}[{ID}] received"), api(f"Task tasks.mail[{ID}] received")),
    ("worker", "beat_minute_noise", api(f"Task {TASK}[{ID}] succeeded in 0.01s: None"),
     api(f"Task {TASK}[{ID}] raised unexpected: ValueError('boom')")),
]  # fmt: skip


@pytest.fixture(scope="module")
def pipelines():
    """Give the shipped pipelines."""
    return Pipelines.load_for_use(data_path("pipelines"), [])


@pytest.fixture
def run():
    """Give a call of `logship`."""

    def call(*arguments, **options):
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)

    return call


@pytest.fixture
def encoder(pipelines):
    """Give the encoder of a service in an agent that drops something."""
    redactor = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)

    def bound(service, **drop):
        binder = Binder(Settings(drop=drop), pipelines, redactor)
        return binder(FileRef(1, "20251120T080000-0a1b2c", "", Source(service)))[0]

    return bound


def events(*texts, begin=0):
    """Give events of 10 bytes each."""
    count = len(texts)
    offsets = [begin + 10 * number for number in range(count)]
    return Events(offsets, [10] * count, list(texts), [""] * count, [""] * count)


def ids(encoded):
    """Give the ids of documents."""
    return [orjson.loads(pair.split(b"\n")[0])["create"]["_id"] for pair in encoded.documents]


@pytest.mark.parametrize(("service", "rule", "dropped", "kept"), LINES)
def test_shipped_rules(encoder, service, rule, dropped, kept):
    """Nothing is dropped by itself; a rule that is on drops its noise, and neither failures nor neighbours."""
    assert [2, {}] == [len((found := encoder(service).encode(events(dropped, kept))).documents), found.dropped]
    found = encoder(service, **{rule: True}).encode(events(kept, dropped, kept))
    assert {rule: 1} == found.dropped
    assert (2, 10, 20) == (len(found.documents), found.bytes_dropped, found.bytes_documents)
    assert ["20251120T080000-0a1b2c-0", "20251120T080000-0a1b2c-20"] == ids(found)


def test_a_share_is_kept(encoder):
    """About the share that the settings name is kept, and the rest is counted by the rule's name."""
    found = encoder("nginx", health_checks=0.1).encode(events(*[access("/health")] * 5000))
    assert 400 < len(found.documents) < 600
    assert {"health_checks": 5000 - len(found.documents)} == found.dropped


@pytest.mark.parametrize(("share", "kept"), [(0, 0), (1, 100), (False, 100), (True, 0)])
def test_the_ends_of_the_scale(encoder, share, kept):
    """0 and true keep nothing, 1 and false everything."""
    assert kept == len(encoder("nginx", health_checks=share).encode(events(*[access("/health")] * 100)).documents)


def test_the_id_decides(encoder):
    """The same events are kept whatever batches they are read in, so that a second reading is like the first."""
    whole = ids(encoder("nginx", health_checks=0.3).encode(events(*[access("/health")] * 500)))
    again = encoder("nginx", health_checks=0.3)
    parts = [ids(again.encode(events(*[access("/health")] * 50, begin=500 * number))) for number in range(10)]
    assert whole == [one for part in parts for one in part]


@pytest.mark.parametrize("share", [True, 0.3])
def test_the_books_close_and_a_second_reading_is_the_same(tmp_path, share):
    """Every byte is accounted for, dropped ones by the rule's name; without its ledger the agent decides alike."""
    log = tmp_path / "access.log"
    log.write_text("".join(access("/health" if number % 3 else "/apps") + "\n" for number in range(300)))

    def run(name):
        source = {"path": str(log), "service": "nginx"}
        agent = build(Settings(
            state_dir=tmp_path / name, files=[source], containers={"enabled": False}, drop={"health_checks": share}
        ))  # fmt: skip
        try:
            agent.once()
        finally:
            agent.close()
        with Ledger.open(tmp_path / name, readonly=True) as ledger:
            kept = ledger.connection.execute("SELECT coalesce(sum(count), 0) FROM batch").fetchone()[0]
        books = status(tmp_path / name)
        return kept, books

    kept, books = run("one")
    (file,) = books.files
    assert books.closes
    assert {"health_checks": 300 - file.events} == file.dropped
    assert file.events == kept == 100 if share is True else 120 < kept < 200
    assert log.stat().st_size == file.bytes_documents + file.bytes_dropped
    assert file.bytes_dropped > 0
    assert run("two")[1].files[0].dropped == file.dropped


def test_an_unknown_rule_is_an_error(pipelines, tmp_path, run):
    """A misspelt rule names the right one, at the start and in `config check`."""
    with pytest.raises(ConfigError, match=r"drop\.healthchecks: .* did you mean health_checks\?") as error:
        shares(pipelines, {"healthchecks": True})
    assert "beat_minute_noise" in error.value.hint
    config = tmp_path / "c.yaml"
    config.write_text("drop: {healthcheck: true}\n")
    (tmp_path / "x.log").write_text(access("/health") + "\n")
    for command in (["config", "check"], ["tail", "--once", tmp_path / "x.log", "--state-dir", tmp_path / "state"]):
        done = run(*command, "--config", config)
        assert (2, True) == (done.exit_code, "did you mean health_checks?" in done.stderr)


def test_variables_switch_rules():
    """LOGSHIP_DROP__NAME takes words and shares; a number is a share, 1 too."""
    for text, share in (("true", True), ("off", False), ("0.25", 0.25), ("1", 1.0), ("0", 0.0)):
        found = load(environ={"LOGSHIP_DROP__HEALTH_CHECKS": text}).settings.drop
        assert [share, type(share)] == [found["health_checks"], type(found["health_checks"])]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{name: x, format: acces, match: a}", "drop.x.format: no formats named acces"),
        ("{name: x}", "drop.x: needs match or where"),
        ("{name: copy, match: a}", "drop.copy: the name is taken"),
        ("{name: x, match: '('}", "not a regular expression"),
        ("{name: x, where: {url.path: '['}}", "not a regular expression"),
    ],
)
def test_a_rule_that_is_wrong_is_an_error(tmp_path, rule, said):
    """The error names file, rule and what is wrong."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"formats: [{{name: access, match: 'a'}}]\ndrop: [{rule}]\n")
    with pytest.raises(PipelineError, match=r"mine\.yaml") as error:
        read_spec(path)
    assert said in str(error.value)


def test_show_says_what_is_on(tmp_path, run):
    """`pipelines show` lists the rules and whether they are on."""
    assert "# drop rule health_checks: off (setting drop.health_checks)\n" in run("pipelines", "show", "nginx").stdout
    config = tmp_path / "c.yaml"
    for value, state in (("true", "drops all"), ("0.1", "keeps 0.1 of them")):
        config.write_text(f"drop: {{health_checks: {value}}}\n")
        assert f"health_checks: {state} (" in run("pipelines", "show", "nginx", "--config", config).stdout
    shown = json.loads(run("pipelines", "show", "nginx", "--json", "--config", config).stdout)
    assert [("health_checks", 0.1)] == [(one["name"], one["kept"]) for one in shown["drop"]]


def test_explain_names_the_rule(tmp_path, run):
    """`parse --explain` says which rule left an event out; without it the event is simply not there."""
    config = tmp_path / "c.yaml"
    config.write_text("drop: {health_checks: true}\n")
    lines = access("/health") + "\n" + access("/apps") + "\n"
    shown = run("parse", "--service", "nginx", "--explain", "--config", config, input=lines).stdout
    assert 1 == shown.count("dropped    health_checks")
    plain = run("parse", "--service", "nginx", "--config", config, input=lines).stdout
    assert ["/apps"] == [json.loads(line)["url"]["path"] for line in plain.splitlines()]
