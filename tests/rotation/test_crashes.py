"""`kill -9` at every step of a rotation, and at any moment under a writer at full speed."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conformance.harness import until
from rotation import crash_points
from rotation.conftest import site_on, whole, writing
from rotation.test_collapse import SIZE, check_documents
from rotation.writer import line

TESTS = Path(__file__).parents[1]
#: Every point with `make soak`; of so many one, else.
STEP = int(os.environ.get("LOGSHIP_TEST_ROTATION_STEP", "3"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "compress"), [("ext4", "none"), ("xfs", "gzip")])
def test_kill_at_each_change_loses_and_doubles_nothing(tmp_path, kind, compress):
    """Killed before any write, sync, rename, unlink or fallocate of a rotation, the agent goes on as if it were not."""
    with site_on(kind, tmp_path / "site") as site:
        command = [sys.executable, "-m", "rotation.crash_points", str(site.folder), compress, str(STEP)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(TESTS)})
    assert done.returncode == 0, done.stderr[-3000:]
    results = [json.loads(found) for found in done.stdout.splitlines() if found.startswith('{"point"')]
    assert [result for result in results if result["wrong"]] == []
    assert [result["killed"] for result in results] == [True] * (len(results) - 1) + [False]
    assert len(results) > 30 // STEP


def test_the_points_include_the_removal_itself(tmp_path):
    """The calls that are traced are those that a rotation makes: one cycle shows each of the decisive ones."""
    with site_on("ext4", tmp_path / "site") as site:
        log = site.folder / "trace"
        crash_points.append(site, "a.log", 0, 1500)
        code = (
            "import sys; from pathlib import Path; from conformance.harness import Site; from rotation.crash_points "
            "import cycle; cycle(Site(Path(sys.argv[1])), 'a.log', rotate=True, compress='none')"
        )
        command = ["strace", "-f", "-y", "-e", f"trace={crash_points.CALLS}", "-o", str(log)]
        environment = os.environ | {"PYTHONPATH": str(TESTS)}
        subprocess.run([*command, sys.executable, "-c", code, str(site.folder)], check=True, env=environment)
        trace = log.read_text()
    logs = str(site.logs)
    calls = [row.split("(")[0].split()[-1] for row in trace.splitlines() if logs in row and "(" in row]
    first = calls.index("copy_file_range")
    assert calls[first:].index("fsync") < calls[first:].index("rename") < calls[first:].index("fallocate")
    assert calls[calls.index("rename") :].count("fsync") >= 2, "the folder, and the file whose head was removed"


@pytest.mark.timeout(600)
def test_kill_at_any_moment_under_a_writer_at_full_speed(site):
    """The agent is killed again and again at moments of chance: bytes, order, ids and books are those of one run."""
    seed = int(os.environ.get("LOGSHIP_TEST_SEED", str(random.randrange(1 << 32))))
    print(f"LOGSHIP_TEST_SEED={seed}")  # noqa: T201  # what a failure is repeated with
    moments = random.Random(seed)
    live = site.logs / "app.log"
    config = site.folder / "logship.yaml"
    settings = {
        "state_dir": str(site.state),
        "containers": {"enabled": False},
        "store": {"enabled": False},
        "report_seconds": 0,
        "files": [{"path": f"{live}*", "service": "app", "envelope": "plain", "rotation": "managed"}],
        "rotation": {"max_size": 65536, "backup_count": 10_000, "assume_append": True},
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "logship", "tail", "--config", str(config)]
    kills = 0
    writer = writing(live, SIZE // 4)
    while writer.poll() is None or kills < 8:
        with (site.folder / "agent.log").open("ab") as log:
            before = log.tell()
            running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        until(lambda: b"agent started" in (site.folder / "agent.log").read_bytes()[before:])  # noqa: B023
        time.sleep(moments.uniform(0.0, 0.8))
        running.kill()
        assert running.wait() == -9
        kills += 1
    count = int(writer.communicate()[0])
    with (site.folder / "agent.log").open("ab") as log:
        before = log.tell()
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    until(lambda: b"agent started" in (site.folder / "agent.log").read_bytes()[before:])
    until(lambda: site.books().documents >= count)
    running.terminate()
    assert running.wait(30) == 0
    assert whole(live) == b"".join(line(number) for number in range(count))
    check_documents(site, count)
