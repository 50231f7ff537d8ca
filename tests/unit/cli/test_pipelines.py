"""`logship pipelines`: list, show, test, new, unmatched."""

import json

import pytest
import yaml

from logship.data import data_path
from logship.ledger.ledger import Ledger
from logship.model import Batch, Source

MINE = """
services: [mine]
starts: ['MINE ']
formats:
  - name: text
    match: 'MINE (?P<level>[A-Z]+) (?P<message>(?s:.*))'
samples:
  - name: a line
    input: |
      MINE INFO hello
    expect:
      - {log.level: info, message: %s}
"""


@pytest.fixture
def mine(tmp_path):
    """Give a function that writes a pipeline of our own, whose sample expects a message."""

    def write(message: str):
        directory = tmp_path / "mine"
        directory.mkdir(exist_ok=True)
        (directory / "mine.yaml").write_text(MINE % message)
        return directory

    return write


def test_list_names_every_shipped_pipeline(run):
    """Services, images, formats and the number of samples, as a table and as JSON."""
    result = run("pipelines", "list", "--json")
    rows = {row["name"]: row for row in map(json.loads, result.stdout.splitlines())}
    files = {path.stem for path in data_path("pipelines").glob("*.yaml")} - {"redaction", "audit"}
    assert files == set(rows)
    assert "nginx" in rows["nginx"]["services"]
    assert len(rows["nginx"]["samples"] * "x") >= 12
    assert "nginx\tnginx nginx-*" in run("pipelines", "list").stdout


def test_show_prints_the_file(run):
    """The file as it lies, comments included, or its JSON; a wrong name is an error."""
    text = (data_path("pipelines") / "nginx.yaml").read_text()
    assert run("pipelines", "show", "nginx").stdout.endswith(text)
    assert "access" in [
        form["name"] for form in json.loads(run("pipelines", "show", "nginx", "--json").stdout)["formats"]
    ]
    assert 8 == run("pipelines", "show", "nobody").exit_code


def test_own_pipelines_are_listed_and_win(run, mine, tmp_path):
    """A directory in the settings adds services, and a file of a shipped name takes its place."""
    directory = mine("hello")
    (directory / "nginx.yaml").write_text(MINE % "hello")
    config = tmp_path / "logship.yaml"
    config.write_text(f"pipelines: ['{directory}']\n")
    rows = [json.loads(line) for line in run("pipelines", "list", "--json", "--config", config).stdout.splitlines()]
    assert {str(directory / "mine.yaml"), str(directory / "nginx.yaml")} == {
        row["file"] for row in rows if row["services"] == ["mine"]
    }
    assert "MINE" in run("pipelines", "show", "nginx", "--config", config).stdout


def test_test_passes_what_is_right(run, mine):
    """All samples hold: exit code 0 and their number."""
    directory = mine("hello")
    for path in (directory, directory / "mine.yaml"):
        result = run("pipelines", "test", path)
        assert 0 == result.exit_code, result.output
        assert result.stdout.startswith("good: ")


def test_test_shows_what_differs(run, mine):
    """A difference shows field, expected and found; the exit code is 1."""
    result = run("pipelines", "test", mine("bye"))
    assert 1 == result.exit_code
    assert 'mine: a line\n  0.message\n  - "bye"\n  + "hello"\n' in result.stdout
    assert "1 of " in result.stderr
    result = run("pipelines", "test", "--json", mine("bye"))
    assert {"pipeline": "mine", "sample": "a line", "field": "0.message", "expected": "bye", "found": "hello"} in [
        json.loads(line) for line in result.stdout.splitlines()
    ]


def test_test_names_what_cannot_be_read(run, mine):
    """A broken file and a missing path end with the exit code of pipelines."""
    directory = mine("hello")
    (directory / "mine.yaml").write_text("formats: [{name: x, match: '('}]")
    result = run("pipelines", "test", directory)
    assert (8, True) == (result.exit_code, "not a regular expression" in result.stderr)
    assert 8 == run("pipelines", "test", directory / "nowhere").exit_code


LOG = """\
docker-mine-1  | [2025-11-20 08:00:00,123] WARN  disk is slow
docker-mine-1  | [2025-11-20 08:00:01,456] INFO  password=hunter2-very-secret
docker-mine-1  |   and more
"""


def test_new_writes_a_pipeline_that_passes(run, tmp_path):
    """From a log as it was pasted: the wrapping is taken off, secrets are not kept, the samples hold."""
    result = run("pipelines", "new", "mine", input=LOG)
    assert 0 == result.exit_code, result.output
    made = yaml.safe_load(result.stdout)
    assert ["mine"] == made["services"]
    assert [("2025-11-20T08:00:00.123Z", "warning", "disk is slow"), ("2025-11-20T08:00:01.456Z", "info")] == [
        tuple(sample["expect"][0].values())[: 3 - number] for number, sample in enumerate(made["samples"])
    ]
    assert "hunter2" not in result.stdout
    path = tmp_path / "mine.yaml"
    path.write_text(result.stdout)
    assert 0 == run("pipelines", "test", path).exit_code


def test_new_reads_a_file_and_refuses_nothing(run, tmp_path):
    """FILE is read; an empty sample is an error with a next step."""
    path = tmp_path / "x.log"
    path.write_text(LOG)
    assert "starts:" in run("pipelines", "new", "mine", path).stdout
    result = run("pipelines", "new", "mine", input="")
    assert (1, True) == (result.exit_code, "hint:" in result.stderr)


@pytest.fixture
def unparsed(tmp_path):
    """Give a state directory with documents that no format matched, and one that was parsed."""
    texts = [("api", f"took {number} ms") for number in range(5)] + [("web", 'got "x"'), ("api", "took 7 ms")]
    documents = [
        {
            "@timestamp": f"2025-11-20T08:00:0{number}Z",
            "service": {"name": service},
            "event": {"original": text},
            "tags": ["unparsed"],
        }
        for number, (service, text) in enumerate(texts)
    ]
    documents.append({"@timestamp": "2025-11-20T08:00:09Z", "service": {"name": "api"}, "message": "known"})
    directory = tmp_path / "state"
    with Ledger.open(directory) as ledger:
        row = ledger.register(path=tmp_path / "x", device=1, inode=2, head=b"x", source=Source("api"))
        lines = [
            f'{{"create":{{"_id":"{row.ref.key}-{number}"}}}}\n{json.dumps(one)}\n'
            for number, one in enumerate(documents)
        ]
        body = "".join(lines).encode()
        ledger.commit(
            [Batch("dify.api", body, len(documents), "2025-11-20T08:00:00Z", "2025-11-20T08:00:09Z", {row.ref.id: 8})],
            [],
        )
    return directory


def test_unmatched_counts_shapes(run, unparsed):
    """The commonest shape first, with counts by service."""
    result = run("pipelines", "unmatched", "--state-dir", unparsed)
    assert ["count\tservices\tshape", "6\tapi:6\ttook 0 ms", '1\tweb:1\tgot "…"'] == result.stdout.splitlines()
    rows = [
        json.loads(line)
        for line in run("pipelines", "unmatched", "--json", "--state-dir", unparsed).stdout.splitlines()
    ]
    assert {"count": 6, "services": {"api": 6}, "shape": "took 0 ms"}.items() <= rows[0].items()


def test_unmatched_can_be_narrowed(run, unparsed):
    """By service, by time and by number."""
    shown = run("pipelines", "unmatched", "--state-dir", unparsed, "--service", "web").stdout
    assert ["1\tweb:1"] == [line.rpartition("\t")[0] for line in shown.splitlines()[1:]]
    later = run("pipelines", "unmatched", "--state-dir", unparsed, "--since", "2025-11-20T08:00:06Z").stdout
    assert 2 == len(later.splitlines())
    assert 2 == len(run("pipelines", "unmatched", "--state-dir", unparsed, "--limit", 1).stdout.splitlines())
    assert 2 == run("pipelines", "unmatched", "--state-dir", unparsed, "--since", "whenever").exit_code


@pytest.mark.parametrize("command", [["tail", "--once", "a.log"], ["parse", "a.log"], ["pipelines", "list"]])
def test_a_directory_of_pipelines_that_is_missing_is_an_error(run, tmp_path, command):
    """What the configuration names and is not there is told by every command that reads pipelines."""
    config = tmp_path / "logship.yaml"
    config.write_text(f"pipelines: [{tmp_path}/nowhere]\n")
    (tmp_path / "a.log").write_text("a line\n")
    arguments = [tmp_path / word if word == "a.log" else word for word in command]
    result = run(*arguments, "--config", config, "--state-dir", tmp_path / "state")
    assert 8 == result.exit_code
    assert f"{tmp_path}/nowhere" in result.stderr
    assert "check settings `pipelines`" in result.stderr


def test_one_file_of_pipelines_can_be_named(run, mine, tmp_path):
    """The setting may name a file in place of a directory, and the agent's own code reads it."""
    (file,) = mine("hello").glob("*.yaml")
    config = tmp_path / "one.yaml"
    config.write_text(f"pipelines: ['{file}']\n")
    result = run("parse", "--service", "nobody", "--config", config, input="a line\n")
    assert 0 == result.exit_code
    assert "no pipeline names nobody" in result.stderr
    assert "no pipeline names" not in run("parse", "--service", "mine", "--config", config, input="a\n").stderr
