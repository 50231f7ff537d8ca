"""`logship search --from elastic` finds and prints what `logship search` does."""

import subprocess
import sys

import orjson
import pytest

from logship.elastic.search import ClusterSearch

LINES = [
    "2025-11-20 08:00:07.412 INFO [MainThread] [app.py:1]  - cache warmed",
    "2025-11-20 08:00:08.001 ERROR [MainThread] [app.py:2]  - request timed out",
    "2025-11-20 08:00:08.001 ERROR [MainThread] [app.py:3]  - 任务超时 超时",
    "2025-11-20 08:00:09.500 WARNING [Thread-2] [db.py:77]  - slow query",
    "2025-11-20 08:00:07.900 INFO [MainThread] [app.py:4]  - behind the whole second",
    *(f"2025-11-20 08:00:07 INFO [MainThread] [app.py:5]  - whole second {number}" for number in range(5)),
]
QUERIES = [
    ["*"], ["log.level:error"], ['message:"timed out"'], ["log.level:(error OR warning)", "--reverse"],
    ["log.origin.file.line:[2 TO 50]"], ['"超时"'], ["NOT log.level:info", "--limit", "2"],
    ["*", "--since", "2025-11-20T08:00:08Z", "--until", "2025-11-20T08:00:09Z"], ["*", "--service", "worker"],
    ["*", "--fields", "@timestamp,message"], ["*", "--json"], *(["*", "--limit", f"{limit}"] for limit in range(1, 9)),
    *(["*", "--json", "--reverse", "--limit", f"{limit}"] for limit in range(1, 9)),
    ["log.level:error", "--count"], ["nothing", "--count", "--json"],
]  # fmt: skip


@pytest.fixture(scope="module")
def run(elasticsearch_url, elasticsearch, tmp_path_factory):
    """Give a way to call `logship` on a state directory and a namespace that both hold the lines."""
    folder = tmp_path_factory.mktemp("search")
    namespace = f"s{folder.stat().st_ino}"
    env = {
        "LOGSHIP_ELASTICSEARCH__HOSTS": elasticsearch_url, "LOGSHIP_NAMESPACE": namespace, "PATH": "",
        "LOGSHIP_STATE_DIR": str(folder / "state"),
    }  # fmt: skip

    def call(*arguments, **more):
        command = [sys.executable, "-m", "logship", *map(str, arguments)]
        return subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)

    log = folder / "api.log"
    log.write_text("\n".join(LINES) + "\n")
    done = call("tail", "--once", "--output", "none", "--service", "api", log)
    assert done.returncode == 0, done.stderr
    elasticsearch.request("POST", f"/logs-dify.*-{namespace}/_refresh")
    call.namespace = namespace
    return call


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query))
def test_the_same_is_found_in_both_places(run, query):
    """The same query prints the same documents in the same order, from the store and from the cluster."""
    local, elastic = run("search", *query), run("search", "--from", "elastic", *query)
    assert (elastic.returncode, elastic.stderr) == (0, "")
    assert elastic.stdout == local.stdout
    assert (local.stdout != "") == ("worker" not in query)


def test_documents_are_the_same_to_the_last_field(run):
    """As JSON, each document is what the store has."""
    local, elastic = (
        [orjson.loads(line) for line in run("search", *where, "*", "--json").stdout.splitlines()]
        for where in ([], ["--from", "elastic"])
    )
    assert elastic == local
    assert len(local) == len(LINES)


def test_a_query_that_is_none_is_refused_alike(run):
    """A mistake in the query has the same message and exit code."""
    local, elastic = run("search", "a AND ("), run("search", "--from", "elastic", "a AND (")
    assert (elastic.returncode, elastic.stderr) == (local.returncode, local.stderr)
    assert local.returncode == 3


def test_more_than_a_page_is_found(run, elasticsearch):
    """A limit above one page reads page after page, to the limit or to the end."""
    assert run("search", "--from", "elastic", "*", "--limit", "6000", "--fields", "message").stderr == ""
    whole = ClusterSearch(elasticsearch, namespace=run.namespace).hits("*")
    assert len(whole) == len(LINES)
    for page in (1, 2, 3):
        paged = ClusterSearch(elasticsearch, namespace=run.namespace, page=page)
        for limit in range(1, len(LINES) + 2):
            assert paged.hits("*", limit=limit) == whole[:limit]


def test_what_is_there_twice_is_counted_and_printed_once(run, elasticsearch):
    """A document in two backing indices is one event, and takes no other's place; the count is what is printed."""
    stream = f"/logs-dify.api-{run.namespace}"
    hits = elasticsearch.request("GET", f"{stream}/_search?size=3&sort=@timestamp:desc").json()["hits"]["hits"]
    assert elasticsearch.request("POST", f"{stream}/_rollover").status == 200
    for hit in hits:
        answer = elasticsearch.request("PUT", f"{stream}/_create/{hit['_id']}", orjson.dumps(hit["_source"]))
        assert answer.status == 201
    elasticsearch.request("POST", f"{stream}/_refresh")
    for options in (["--count"], ["*"], ["*", "--limit", "4"], ["--count", "NOT log.level:info"]):
        local, elastic = run("search", *options), run("search", "--from", "elastic", *options)
        assert (elastic.stdout, elastic.stderr) == (local.stdout, "")
    paged = ClusterSearch(elasticsearch, namespace=run.namespace, page=2)
    assert [paged.count("*"), len(paged.hits("*"))] == [len(LINES)] * 2


@pytest.mark.parametrize(("status", "said"), [(401, "elasticsearch.password"), (403, "elasticsearch.read_api_key")])
@pytest.mark.parametrize("command", [["search", "--from", "elastic"], ["search", "--from", "elastic", "--count"]])
def test_a_refusal_names_what_to_check(run, answer_with, command, status, said):
    """Who is not known checks the password, who may not read gets a key that may."""
    done = run(*command, LOGSHIP_ELASTICSEARCH__HOSTS=answer_with(status, b'{"error":"no"}'))
    assert done.returncode == 1
    assert said in done.stderr
