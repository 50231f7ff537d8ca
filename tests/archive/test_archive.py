"""Segments are copied away with checksums, and their documents come back into Elasticsearch, each once."""

import subprocess
import sys
from collections import Counter

import orjson
import pytest

pytestmark = pytest.mark.timeout(900)  # the first run builds the S3 server
DAYS = ("2025-11-20", "2025-11-21", "2025-11-22")


@pytest.fixture
def run(elasticsearch_url, elasticsearch, namespace, tmp_path, shelf):
    """Give a way to call `logship` on a state directory whose segments hold three days, delivered to Elasticsearch."""
    assert elasticsearch  # the templates are there
    env = {
        "LOGSHIP_ELASTICSEARCH__HOSTS": elasticsearch_url, "LOGSHIP_NAMESPACE": namespace, "PATH": "",
        "LOGSHIP_STATE_DIR": str(tmp_path / "state"), "LOGSHIP_STORE__SEAL_BYTES": "1",
        **shelf.settings,
    }  # fmt: skip

    def call(*arguments, code=0, **more):
        command = [sys.executable, "-m", "logship", *map(str, arguments)]
        done = subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    for day in DAYS:
        log = tmp_path / f"{day}.log"
        log.write_text("".join(f"{day} 08:00:0{n}.000 INFO [T] [a.py:{n}]  - {day} line {n}\n" for n in range(4)))
        call("tail", "--once", "--output", "none", "--service", "api", log)
    return call


def rows(text):
    """Return JSON lines."""
    return [orjson.loads(line) for line in text.splitlines()]


def found(client, namespace):
    """Return the documents of the stream, by id, and how often each is there."""
    client.request("POST", f"/logs-dify.api-{namespace}/_refresh")
    answer = client.request("GET", f"/logs-dify.api-{namespace}/_search?size=1000").json()
    hits = answer["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}, Counter(hit["_id"] for hit in hits)


def test_segments_are_archived_once_and_pulled_by_time(run, shelf, tmp_path):
    """A second push copies nothing; a pull of one day gives the same bytes; the list shows all."""
    into = tmp_path / "into"
    pushed = rows(run("archive", "push", "--at", shelf.at, "--json"))
    assert sum(one["count"] for one in pushed) == 12
    assert run("archive", "push", "--at", shelf.at, "--json") == ""
    assert {one["path"] for one in rows(run("archive", "list", "--at", shelf.at, "--json"))} == {
        one["path"] for one in pushed
    }
    (pulled,) = rows(run("archive", "pull", "--at", shelf.at, "--into", into, "--since", "2025-11-21T00:00:00Z",
                         "--until", "2025-11-22T00:00:00Z", "--json"))  # fmt: skip
    kept = (tmp_path / "state" / pulled["path"]).read_bytes()
    assert (into / pulled["path"]).read_bytes() == shelf.read(pulled["path"]) == kept
    assert oct((into / pulled["path"]).stat().st_mode)[-3:] == "600"


def test_an_altered_segment_is_refused(run, shelf, tmp_path):
    """A byte that changed in the archive is found by pull and by rehydrate, and named; nothing is left behind."""
    first, *_ = rows(run("archive", "push", "--at", shelf.at, "--json"))
    data = bytearray(shelf.read(first["path"]))
    data[len(data) // 2] ^= 1
    shelf.write(first["path"], bytes(data))
    assert "was altered" in run("archive", "pull", "--at", shelf.at, "--into", tmp_path / "into", code=1)
    assert "was altered" in run("rehydrate", "--at", shelf.at, "--since", "2025-01-01", code=1)
    assert [path for path in (tmp_path / "into").rglob("*") if path.stem in first["path"] and path.is_file()] == []


def test_a_segment_that_is_gone_is_said(run, shelf, tmp_path):
    """A note whose segment is missing is an error that names it."""
    first, *_ = rows(run("archive", "push", "--at", shelf.at, "--json"))
    shelf.delete(first["path"])
    said = run("archive", "pull", "--at", shelf.at, "--into", tmp_path / "into", code=1)
    assert f"{first['path']} is missing from the archive" in said


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"path":"segments/../../etc/passwd.parquet"}'])
def test_a_damaged_note_is_refused(run, shelf, content):
    """A note that is none, or that speaks of another file, is named with what to do."""
    first, *_ = rows(run("archive", "push", "--at", shelf.at, "--json"))
    shelf.write(f"{first['path']}.json", content)
    assert "is damaged" in run("archive", "list", "--at", shelf.at, code=1)


def test_an_unfinished_copy_is_made_again(run, shelf, tmp_path):
    """A segment without its note was not finished; the next push finishes it."""
    first, *_ = rows(run("archive", "push", "--at", shelf.at, "--json"))
    shelf.delete(f"{first['path']}.json")
    shelf.write(first["path"], b"half")
    assert [one["path"] for one in rows(run("archive", "push", "--at", shelf.at, "--json"))] == [first["path"]]
    assert shelf.read(first["path"]) == (tmp_path / "state" / first["path"]).read_bytes()


def test_a_segment_that_is_not_what_was_sealed_is_not_archived(run, shelf, tmp_path):
    """A segment that rotted on this disk is named, and no copy of it passes for good."""
    (segment, *_) = sorted((tmp_path / "state/segments").glob("*/*.parquet"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert "is not what was sealed" in run("archive", "push", "--at", shelf.at, code=4)


def test_old_segments_are_deleted_from_the_archive(run, shelf, tmp_path):
    """With --keep-days what is older goes from the archive, and nothing from the store."""
    pushed = rows(run("archive", "push", "--at", shelf.at, "--json"))
    gone = rows(run("archive", "push", "--at", shelf.at, "--keep-days", "30", "--json"))
    assert {one["path"] for one in gone} == {one["path"] for one in pushed}
    assert run("archive", "list", "--at", shelf.at, "--json") == ""
    assert all((tmp_path / "state" / one["path"]).exists() for one in pushed)


def test_rehydrating_what_is_there_does_nothing(run, elasticsearch, namespace, shelf):
    """Also after rollovers: every document is found where it is, and none is there twice."""
    run("archive", "push", "--at", shelf.at)
    for _ in range(5):
        assert elasticsearch.request("POST", f"/logs-dify.api-{namespace}/_rollover").status == 200
    before = found(elasticsearch, namespace)
    told = orjson.loads(run("rehydrate", "--at", shelf.at, "--since", "2025-01-01", "--json"))
    assert (told["sent"], told["there"], told["refused"]) == (0, 12, 0)
    assert found(elasticsearch, namespace) == before
    assert set(before[1].values()) == {1}


def test_what_the_cluster_lost_comes_back_with_its_ids(run, elasticsearch, namespace, shelf):
    """After the index that held them is deleted, the documents of the time asked for are back, the same as before."""
    stream = f"logs-dify.api-{namespace}"
    run("archive", "push", "--at", shelf.at)
    before, _ = found(elasticsearch, namespace)
    elasticsearch.request("POST", f"/{stream}/_rollover")
    first, *_ = elasticsearch.request("GET", f"/_resolve/index/{stream}").json()["data_streams"][0]["backing_indices"]
    assert elasticsearch.request("DELETE", f"/{first}").status == 200
    assert found(elasticsearch, namespace)[0] == {}
    told = orjson.loads(run("rehydrate", "--at", shelf.at, "--since", "2025-11-21T00:00:00Z", "--json"))
    assert (told["sent"], told["there"]) == (8, 0)
    kept = {name: document for name, document in before.items() if document["@timestamp"] >= "2025-11-21"}
    assert found(elasticsearch, namespace)[0] == kept


def test_an_archive_that_is_not_there_is_said(run, tmp_path):
    """A wrong path, or none, is an error with the next step."""
    assert "no archive in" in run("archive", "list", "--at", tmp_path / "nowhere", code=1)
    assert "give --at DIR" in run("archive", "list", code=2)


def test_a_damaged_segment_does_not_hold_up_the_rehydration_of_others(run, elasticsearch, namespace, shelf):
    """The documents of all other segments are sent, the damaged one is named, and the exit code is not 0."""
    first, *_ = rows(run("archive", "push", "--at", shelf.at, "--json"))
    shelf.delete(first["path"])
    other = f"{namespace}x"
    said = run("rehydrate", "--at", shelf.at, "--since", "2025-01-01", code=1, LOGSHIP_NAMESPACE=other)
    assert f"{first['path']} is missing from the archive" in said
    there, _ = found(elasticsearch, other)
    assert len(there) == 12 - first["count"]


def test_documents_are_of_the_namespace_that_they_are_sent_to(run, elasticsearch, namespace, shelf):
    """Rehydrated into another namespace they say so: a stream's mapping takes its own only."""
    run("archive", "push", "--at", shelf.at)
    other = f"{namespace}x"
    told = orjson.loads(run("rehydrate", "--at", shelf.at, "--since", "2025-01-01", "--json", LOGSHIP_NAMESPACE=other))
    assert (told["sent"], told["refused"]) == (12, 0)
    there, _ = found(elasticsearch, other)
    assert {one["data_stream"]["namespace"] for one in there.values()} == {other}
    before, _ = found(elasticsearch, namespace)
    assert [one | {"data_stream": None} for one in there.values()] == [
        before[name] | {"data_stream": None} for name in there
    ]
