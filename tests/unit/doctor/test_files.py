"""What the doctor finds about the files that are followed, containers and sinks."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conformance.harness import mounted

from logship.rotation.writers import writers


@pytest.fixture
def writer():
    """Give a function that keeps a file open for writing in a process of its own until the test ends."""
    running: list[subprocess.Popen] = []

    def hold(path: Path, mode: str = "a") -> int:
        code = f"import sys; file = open({str(path)!r}, {mode!r}); print(flush=True); sys.stdin.read()"
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.append(process)
        process.stdout.readline()
        return process.pid

    yield hold
    for process in running:
        process.communicate(b"")


def one(found, check):
    """Return the only finding of a check."""
    (finding,) = found[check]
    return finding


def test_writers_are_seen_with_their_flags(tmp_path, writer):
    """Who has a file open for writing is found in /proc, and whether it appends; readers do not count."""
    path = tmp_path / "a.log"
    appends, plain = writer(path, "a"), writer(path, "r+")
    writer(path, "r")
    status = path.stat()
    seen = writers(status.st_dev, status.st_ino)
    assert {(found.pid, found.append) for found in seen.seen} == {(appends, True), (plain, False)}


def test_nothing_to_read_is_a_problem(doctor):
    """An agent that would refuse to start is found before it is started."""
    code, found = doctor({"files": []})
    assert (code, one(found, "sources")["state"]) == (1, "problem")


def test_a_file_that_nobody_rotates_is_named(doctor, tmp_path):
    """It is advice while small, and a problem when large; the next step is managed rotation."""
    path = tmp_path / "api.log"
    path.write_text("a line\n")
    code, found = doctor({})
    assert (code, one(found, "rotation")["state"]) == (0, "advice")
    assert "rotation: managed" in one(found, "rotation")["step"]
    os.truncate(path, 300 << 20)
    code, found = doctor({})
    assert (code, one(found, "rotation")["state"]) == (1, "problem")
    assert "314,572,800 bytes" in one(found, "rotation")["what"]


def test_a_file_with_numbered_ones_beside_it_is_rotated_by_its_program(doctor, tmp_path):
    """A `.1` that logship did not make is somebody's rotation."""
    for name in ("api.log", "api.log.1"):
        (tmp_path / name).write_text("a line\n")
    code, found = doctor({})
    assert (code, one(found, "rotation")["what"]) == (0, "rotated by the program that writes it")


@pytest.mark.parametrize(("options", "state"), [({}, "problem"), ({"allow_truncate": True}, "advice")])
def test_a_file_system_that_cannot_remove_heads_is_named(doctor, tmp_path, options, state):
    """Managed rotation on tmpfs is a problem, and with allow_truncate a warning of what it loses."""
    with mounted(tmp_path / "memory") as folder:
        (folder / "a.log").write_text("a line\n")
        source = {"path": str(folder / "a.log"), "rotation": "managed"}
        _, found = doctor({"files": [source], "rotation": options})
    assert one(found, "rotation")["state"] == state
    assert ("allow_truncate" in one(found, "rotation")["step"]) == (state == "problem")


def test_a_managed_file_with_a_careless_writer_is_named(doctor, tmp_path, writer):
    """A writer without O_APPEND is named with its process, before logship has tried."""
    path = tmp_path / "api.log"
    pid = writer(path, "w")
    code, found = doctor({"files": [{"path": str(path), "rotation": "managed"}]})
    assert (code, one(found, "rotation")["state"]) == (1, "problem")
    assert f"process {pid}" in one(found, "rotation")["what"]


def test_a_rotating_handler_that_processes_share_is_found(doctor, tmp_path, writer):
    """Two writers of a file that is renamed are a problem; so is one that still writes what was renamed."""
    path, older = tmp_path / "api.log", tmp_path / "api.log.1"
    first = writer(path)
    older.write_text("older\n")
    assert one(doctor({})[1], "sharing")["state"] == "ok"
    second = writer(path)
    code, found = doctor({})
    assert (code, one(found, "sharing")["state"]) == (1, "problem")
    assert all(f"process {pid}" in one(found, "sharing")["what"] for pid in (first, second))
    writer(older)
    what = one(doctor({})[1], "sharing")["what"]
    assert "api.log.1 is still written after it was rotated away" in what


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 8), ("Asia/Shanghai", 0), ("America/New_York", None)])
def test_a_wrong_time_zone_is_found(doctor, tmp_path, zone, hours):
    """Stamps of Shanghai that are read in another zone are off by whole hours from the file's own time."""
    local = datetime.now(UTC) + timedelta(hours=8)
    (tmp_path / "api.log").write_text(f"{local:%Y-%m-%d %H:%M:%S}.100 INFO [T] [a.py:1] - - x\n")
    code, found = doctor({"files": [{"path": str(tmp_path / "api.log"), "zone": zone}]})
    finding = one(found, "time zones")
    if hours == 0:
        assert finding["state"] == "ok"
    else:
        assert (code, finding["state"]) == (1, "problem")
        assert "look like UTC+8" in finding["what"]


@pytest.mark.parametrize(
    "stamp", ["2020-01-01 00:00:00Z", "2020-01-01T00:00:00.123+02:00", "no stamp", "2020-13-45 00:00:00"]
)
def test_stamps_that_carry_a_zone_or_are_old_are_no_matter(doctor, tmp_path, stamp):
    """Only stamps without a zone, off by nearly whole quarters of an hour, are taken for another zone's."""
    (tmp_path / "api.log").write_text(f"{stamp} a line\n")
    assert one(doctor({})[1], "time zones")["state"] == "ok"


def container(root: Path, number: int, driver: str, options: dict[str, str] | None = None, log: str = "") -> Path:
    """Write Docker's files of a container, as Docker does."""
    identifier = f"{number:064x}"
    folder = root / identifier
    folder.mkdir(parents=True)
    config = {"Name": f"/c{number}", "Config": {"Labels": {"com.docker.compose.service": f"s{number}"}, "Env": []}}
    (folder / "config.v2.json").write_text(json.dumps(config))
    (folder / "hostconfig.json").write_text(json.dumps({"LogConfig": {"Type": driver, "Config": options or {}}}))
    if driver == "json-file":
        (folder / f"{identifier}-json.log").write_text(log)
    return folder


def test_log_drivers_that_write_no_json_file_are_named(doctor, tmp_path):
    """A container with another driver is a problem by name; an excluded one is not."""
    root = tmp_path / "containers"
    for number, driver in enumerate(("json-file", "local", "journald", "none")):
        container(root, number, driver, {"max-size": "10m"})
    code, found = doctor({"containers": {"enabled": True, "root": str(root), "exclude": ["s3"]}})
    assert code == 1
    problems = {finding["subject"]: finding["what"] for finding in found["docker"] if finding["state"] == "problem"}
    assert set(problems) == {"container c1", "container c2"}
    assert "log driver journald" in problems["container c2"]
    assert ["ok"] == [finding["state"] for finding in found["rotation"] if "Docker (max-size)" in finding["what"]]


def test_a_container_without_max_size_is_advised(doctor, tmp_path):
    """Docker limits nothing by itself: the next step is max-size and max-file."""
    container(tmp_path / "containers", 1, "json-file")
    _, found = doctor({"files": [], "containers": {"enabled": True, "root": str(tmp_path / "containers")}})
    assert one(found, "rotation")["state"] == "advice"
    assert "max-size" in one(found, "rotation")["step"]


def test_the_zone_of_a_container_is_compared_with_dockers_time(doctor, tmp_path):
    """A container that logs Shanghai's time without saying so is found by the time that Docker wrote beside it."""
    record = {"log": "2026-01-02 11:04:05 INFO x\n", "stream": "stdout", "time": "2026-01-02T03:04:05.123456789Z"}
    container(tmp_path / "containers", 1, "json-file", log=json.dumps(record) + "\n")
    _, found = doctor({"files": [], "containers": {"enabled": True, "root": str(tmp_path / "containers")}})
    assert one(found, "time zones")["state"] == "problem"
    assert "LOG_TZ" in one(found, "time zones")["step"]


def test_a_folder_of_containers_that_is_missing_is_a_problem_when_it_was_asked_for(doctor, tmp_path):
    """With containers.enabled true the agent would not start; with auto it reads none."""
    (tmp_path / "api.log").write_text("a line\n")
    missing = str(tmp_path / "missing")
    code, found = doctor({"containers": {"enabled": True, "root": missing}})
    assert (code, one(found, "docker")["state"]) == (1, "problem")
    code, found = doctor({"containers": {"enabled": "auto", "root": missing}})
    assert (code, one(found, "docker")["state"]) == (0, "ok")


def test_a_file_sink_that_cannot_write_is_a_problem(doctor, tmp_path):
    """A file where a folder should be is in the way."""
    (tmp_path / "out").write_text("")
    code, found = doctor({"file_sink": {"path": str(tmp_path / "out" / "x.ndjson")}})
    assert (code, one(found, "file sink")["state"]) == (1, "problem")
    _, found = doctor({"file_sink": {"path": str(tmp_path / "new" / "x.ndjson")}})
    assert one(found, "file sink")["state"] == "ok"


def test_a_server_that_does_not_answer_is_a_problem(doctor):
    """The reason and the next step are given."""
    code, found = doctor({"elasticsearch": {"hosts": ["http://127.0.0.1:1"]}})
    assert (code, one(found, "elasticsearch")["state"]) == (1, "problem")
    assert "cannot reach" in one(found, "elasticsearch")["what"]
