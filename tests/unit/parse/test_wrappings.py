"""What other tools put around lines is taken off, and nothing of the lines themselves."""

import bz2
import gzip
import io
import json
import lzma

import pytest
from api_lines import EXPECTED, LINES, STAMPS, record, summary
from click.testing import CliRunner

from logship.cli import main
from logship.lines.reader import blocks
from logship.offline import Options

NUMBERED = list(enumerate(LINES))
WRAPPED = {
    "plain": LINES,
    "compose": [f"api-1  | {line}" for line in LINES],
    "compose with the project": [f"docker-api-1  | {line}" for line in LINES],
    "compose v1": [f"docker_api_1    | {line}" for line in LINES],
    "compose in colours": [f"\x1b[36mapi-1  | \x1b[0m{line}" for line in LINES],
    "compose in colours, pasted": [f"[36mapi-1  |[0m {line}" for line in LINES],
    "compose with stamps": [f"api-1  | {stamp} {line}" for stamp, line in zip(STAMPS, LINES, strict=True)],
    "podman-compose": [f"[api]    | {line}" for line in LINES],
    "podman logs --names": [f"dify_api_1 {line}" for line in LINES],
    "docker logs -t": [f"{stamp} {line}" for stamp, line in zip(STAMPS, LINES, strict=True)],
    "Docker Desktop": [f"2025-11-20 16:00:{10 + number} {line}" for number, line in NUMBERED],
    "journald": ["-- Logs begin at Thu 2025-11-20 08:00:00 UTC. --"]
    + [f"Nov 20 08:00:{10 + number} host docker[123]: {line}" for number, line in NUMBERED],
    "journald, short-precise": [f"Nov 20 08:00:{10 + number}.123456 host api[9]: {line}" for number, line in NUMBERED],
    "journald, short-iso": [f"2025-11-20T08:00:{10 + number}+0000 host docker[1]: {line}" for number, line in NUMBERED],
    "journald, container id": [
        f"2025-11-20T08:00:{10 + number}+00:00 host 0123456789ab[1]: {line}" for number, line in NUMBERED
    ],
    "syslog": [f"<30>1 2025-11-20T08:00:{10 + number}Z host api 1 - - {line}" for number, line in NUMBERED],
    "a viewer": [f"2025-11-20T08:00:{10 + number}Z | {line}" for number, line in NUMBERED],
    "kubectl --prefix": [f"[pod/dify-api-7d9f8b6c5-x2x4z/api] {line}" for line in LINES],
    "json-file": [record(line, stamp) for line, stamp in zip(LINES, STAMPS, strict=True)],
    "CRI": [f"{stamp} stdout F {line}" for stamp, line in zip(STAMPS, LINES, strict=True)],
    "CRI, with an offset": [f"2025-11-20T16:00:{10 + number}.1+08:00 stderr F {line}" for number, line in NUMBERED],
    "ANSI colours": [f"\x1b[32m{line}\x1b[0m" for line in LINES],
    "Windows": [f"{line}\r" for line in LINES],
}


def documents(offline, data: bytes, **options):
    """Return the documents of some bytes, and what was found out."""
    reading = offline.read("", blocks(io.BytesIO(data)), Options(**options))
    return [json.loads(one.json) for one in reading], reading.found


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapping_is_taken_off(offline, name):
    """The documents are those of the bare lines, whatever stood around them, and the service is known."""
    found, what = documents(offline, "\n".join(WRAPPED[name]).encode())
    assert EXPECTED == summary(found), what
    assert {"api"} == {one["service"]["name"] for one in found}


@pytest.mark.parametrize("name", [name for name in WRAPPED if name not in {"json-file", "CRI", "CRI, with an offset"}])
def test_one_line_is_enough_to_see_a_wrapping(offline, name):
    """A single line pasted with its wrapping is read as well."""
    found, _ = documents(offline, WRAPPED[name][-1].encode())
    assert EXPECTED[-1:] == summary(found)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_windows_encodings_are_read(offline, encoding):
    """PowerShell's redirection writes UTF-16 with a mark, editors UTF-8 with one."""
    assert EXPECTED == summary(documents(offline, "\r\n".join(LINES).encode(encoding))[0])


def test_gzip_is_unpacked_member_by_member(offline):
    """Rotated files that were joined with cat are read to their end."""
    data = b"".join(gzip.compress((line + "\n").encode()) for line in LINES)
    assert EXPECTED == summary(documents(offline, data)[0])


def test_what_is_cut_off_gzip_costs_no_more_than_that(offline):
    """Without its trailer a file still gives every line; cut shorter it gives what can be had, and never raises."""
    data = gzip.compress("\n".join(LINES).encode())
    assert EXPECTED == summary(documents(offline, data[:-8])[0])
    assert all(len(documents(offline, data[:cut])[0]) <= len(EXPECTED) for cut in (3, 20, len(data) // 2))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:-8] + bytes(8), "damaged"),
        (lambda data: bz2.compress(gzip.decompress(data)), "bzip2"),
        (lambda data: lzma.compress(gzip.decompress(data)), "xz"),
    ],
)
def test_what_is_not_whole_is_told_after_what_could_be_read(tmp_path, harm, said):
    """The exit code says that not all was read; nothing of the compressed bytes is shown."""
    path = tmp_path / "api.log.gz"
    path.write_bytes(harm(gzip.compress(("\n".join(LINES) + "\n").encode())))
    result = CliRunner().invoke(main, ["parse", "--service", "api", str(path)])
    assert result.exit_code == 1
    assert said in result.stderr
    assert str(path) in result.stderr
    assert "\\ufffd" not in result.stdout
    assert "\ufffd" not in result.stdout


OWN = {
    "plugin_daemon": "2025-11-20T08:00:05.100200300Z INFO dify-plugin-daemon logger.go:15 started plugin=a/b:1@c",
    "db_postgres": "2025-11-20 08:00:00.512 UTC [1] LOG:  database system is ready to accept connections",
    "qdrant": '2025-11-20T08:00:10.100200Z  INFO actix_web::middleware::logger: ::1 "GET / HTTP/1.1" 200 94 "-" "x" 1',
    "web": "0|dify-web  |  ✓ Ready in 321ms",
    "ssrf_proxy": "2025/11/20 08:00:01| Starting Squid Cache version 6.10 for x86_64-pc-linux-gnu...",
    "redis": "1:C 20 Nov 2025 08:00:00.001 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo",
    "weaviate": '{"action":"startup","level":"info","msg":"x","time":"2025-11-20T08:00:01Z"}',
}


@pytest.mark.parametrize("service", OWN)
def test_a_lines_own_stamp_stays(offline, service):
    """A stamp or bar that is part of the format is not taken for a viewer's."""
    found, what = documents(offline, "\n".join([OWN[service]] * 5).encode(), service=service)
    assert [] == what.layers
    assert all("unparsed" not in one.get("tags", []) for one in found)


def test_the_removed_stamp_counts_only_where_the_line_has_none(offline):
    """A line without time gets the stamp that stood before it, in UTC."""
    lines = [
        "api-1  | 2025-11-20T08:00:10.123456789Z 2025-11-20 08:00:07.412 INFO [MainThread] [app.py:12]  - cache warmed",
        "api-1  | 2025-11-20T08:00:11.500000000Z Running migrations",
    ]
    found, _ = documents(offline, "\n".join(lines).encode())
    assert ["2025-11-20T08:00:07.412Z", "2025-11-20T08:00:11.500000000Z"] == [one["@timestamp"] for one in found]
    found, _ = documents(offline, b"Nov 20 08:00:11 host api[1]: Running migrations\n", zone="Asia/Shanghai")
    assert found[0]["@timestamp"].endswith("-11-20T00:00:11Z")


def test_interleaved_services_are_joined_apart(offline):
    """Each service's lines make their own events by their own pipeline, in the order of their first lines."""
    access = '203.0.113.9 - - [20/Nov/2025:08:03:10 +0000] "GET / HTTP/1.1" 200 97 "-" "curl/8" "-"'
    lines = []
    for number, line in enumerate(LINES):
        lines += [f"api-1    | {line}", f"nginx-1  | {access}"]
        if number == 3:
            lines.append("docker-worker-1  | 2025-11-20 08:00:08.500 INFO [MainThread] [a.py:1]  - from the worker")
    found, what = documents(offline, "\n".join(lines).encode())
    by_service = {}
    for one in found:
        by_service.setdefault(one["service"]["name"], []).append(one)
    assert EXPECTED == summary(by_service["api"])
    assert [200] * len(LINES) == [one["http"]["response"]["status_code"] for one in by_service["nginx"]]
    assert ["from the worker"] == [one["message"] for one in by_service["worker"]]
    assert ["compose"] == [layer.name for layer in what.layers]
    assert ["api", "nginx", "api", "nginx"] == [one["service"]["name"] for one in found[:4]]


def test_what_compose_says_itself_is_no_containers(offline):
    """Lines of compose between those of its containers are documents of nobody's, and in no event."""
    own = ["Attaching to api-1", "api-1 exited with code 1", "Gracefully stopping... (press Ctrl+C again to force)"]
    lines = [own[0], "api-1  | Running migrations", own[1], *[f"api-1  | {line}" for line in LINES], own[2]]
    found, _ = documents(offline, "\n".join(lines).encode())
    by_service = {}
    for one in found:
        by_service.setdefault(one["service"]["name"], []).append(one)
    assert ["Running migrations", *[message for _, _, message, _ in EXPECTED]] == [
        one["message"] for one in by_service["api"]
    ]
    assert own == [one["message"] for one in by_service["unknown"]]


def test_the_view_of_docker_desktop_comes_off_compose_lines(offline):
    """A stamp before a prefix before a line: both come off, and the line's own time counts."""
    lines = [f"2025-11-20 16:00:1{number} api-1  | {line}" for number, line in enumerate(LINES)]
    found, what = documents(offline, "\n".join(lines).encode())
    assert ["desktop", "compose"] == [layer.name for layer in what.layers]
    assert EXPECTED == summary(found)


def test_a_prefix_whose_beginning_was_cut_off_is_completed(offline):
    """Where a selection began inside a name, its line goes to the service of the others."""
    lines = ["pi-1  | Running migrations", *[f"api-1  | {line}" for line in LINES]]
    found, _ = documents(offline, "\n".join(lines).encode())
    assert {"api"} == {one["service"]["name"] for one in found}


def test_containers_named_by_their_id_are_recognised_one_by_one(offline):
    """An id says nothing of a service: each container's lines are looked at on their own."""
    access = '203.0.113.9 - - [20/Nov/2025:08:03:10 +0000] "GET / HTTP/1.1" 200 97 "-" "curl/8" "-"'
    lines = [f"Nov 20 08:00:10 host 0123456789ab[1]: {line}" for line in LINES]
    lines += [f"Nov 20 08:00:10 host ba9876543210[1]: {access}" for _ in range(3)]
    found, _ = documents(offline, "\n".join(lines).encode())
    assert ["api"] * len(EXPECTED) + ["nginx"] * 3 == [one["service"]["name"] for one in found]


def test_streams_of_a_record_are_not_mixed(offline):
    """A traceback on stdout stays whole when stderr's lines fall between."""
    lines = []
    for number, (line, stamp) in enumerate(zip(LINES, STAMPS, strict=True)):
        lines.append(record(line, stamp))
        other = f"[2025-11-20 08:00:0{number} +0000] [1] [INFO] Handling signal: winch"
        lines.append(record(other, stamp, "stderr"))
    found, _ = documents(offline, "\n".join(lines).encode())
    assert EXPECTED == summary(one for one in found if one["stream"] == "stdout")
    assert len(LINES) == sum(one["stream"] == "stderr" for one in found)


def test_any_bytes_become_documents(offline):
    """Broken UTF-8, zeros and half records never raise, and no line is lost."""
    data = b"\x80\x81 bad\n\0\0\0\n" + "\n".join(LINES).encode() + b'\n{"log":"cut\n\xff\xff'
    found, _ = documents(offline, data)
    text = " ".join(one["message"] for one in found)
    assert all(word in text for word in ("bad", "cache warmed", "boom", "slow", "cut"))
    for envelope in ("docker", "cri", "plain"):
        assert documents(offline, data, envelope=envelope)[0]


def test_nothing_becomes_nothing(offline):
    """An empty input has no documents."""
    assert [] == documents(offline, b"")[0] == documents(offline, b"\n\n\r\n")[0]
