"""What goes wrong on bad days ends in a clear error, and nothing is lost."""

import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from invariants.test_invariants import LINE, stored

from logship.ledger.status import status


def tail(folder: Path, log: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `logship tail --once` as people do."""
    command = [
        sys.executable,
        "-m",
        "logship",
        "tail",
        "--once",
        "--service",
        "api",
        "--state-dir",
        str(folder),
        str(log),
    ]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | env)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path):
    """The agent names the disk and ends with code 4; with space again, it goes on where it was."""
    log = tmp_path / "a.log"
    log.write_text("".join(LINE.format(f"{number} {os.urandom(40).hex()}") for number in range(60_000)))
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=True)
    try:
        done = tail(small / "state", log)
        assert (4, True) == (done.returncode, "disk is full" in done.stderr), done.stderr
        assert "Traceback" not in done.stderr
        assert status(small / "state").closes
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert 0 == tail(small / "state", log).returncode
        numbers = Counter(document["message"].split()[0] for document in stored(small).values())
        assert Counter(map(str, range(60_000))) == numbers
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_line_of_64_mib_is_cut_and_said(tmp_path):
    """The long line is a document with its length, its neighbours are whole, and memory stays small."""
    log = tmp_path / "a.log"
    with log.open("w") as file:
        file.write(LINE.format("before"))
        for _ in range(64):
            file.write("x" * (1 << 20))
        file.write("\n" + LINE.format("after"))
    assert 0 == tail(tmp_path / "state", log).returncode
    messages = [document["message"][:6] for document in stored(tmp_path).values()]
    assert ["before", "after"] == [messages[0], messages[-1]]
    lengths = [document["log"].get("original_length") for document in stored(tmp_path).values()]
    assert 64 << 20 in lengths


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("state_dir: [\n", 2, "line"),
        ("stat_dir: /x\n", 2, "state_dir"),
        ("pipelines: [/no/such]\nelasticsearch: {hosts: [nonsense]}\n", 2, "nonsense"),
    ],
)
def test_a_broken_configuration_says_where(tmp_path, text, code, said):
    """The error names what is wrong, in one line, with its exit code."""
    (tmp_path / "c.yaml").write_text(text)
    done = tail(tmp_path / "state", tmp_path / "c.yaml", LOGSHIP_CONFIG=str(tmp_path / "c.yaml"))
    assert code == done.returncode
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreadable_file_is_said_and_read_later(tmp_path):
    """A file that may not be read is a warning, and is delivered when it may be."""
    log = tmp_path / "a.log"
    log.write_text(LINE.format("x"))
    log.chmod(0)
    command = (
        f"setpriv --reuid=65534 --regid=65534 --clear-groups {sys.executable} -m logship tail --once --service api"
    )
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents[:2]):  # pytest's own; never the /tmp that others share
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o055)
    env = {"HOME": "/", "PATH": os.environ["PATH"]}
    argv = [*command.split(), "--state-dir", str(tmp_path / "state"), str(log)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd="/", env=env)
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    log.chmod(0o644)
    assert 0 == subprocess.run(argv, cwd="/", env=env).returncode
    assert ["x"] == [document["message"] for document in stored(tmp_path).values()]
