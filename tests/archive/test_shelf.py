"""What lies in an archive is seen for what it is: whole, missing, altered, old, of which time."""

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import orjson
import pytest

DAYS = ("2025-11-20", "2025-11-21", "2025-11-22")
HALF = ("2025-11-20 08:00:05.500", "2025-11-20 08:00:05", "2025-11-20 08:00:05.900")


class Kept:
    """A state directory, and `logship` called on it."""

    def __init__(self, folder):
        self.folder, self.state = folder, folder / "state"
        self.env = {"LOGSHIP_STATE_DIR": str(self.state), "LOGSHIP_STORE__SEAL_BYTES": "1", "PATH": ""}

    def call(self, *arguments, code=0, **env):
        """Run a command, and return what it printed: rows of JSON, and what is for people."""
        command = [sys.executable, "-m", "logship", *map(str, arguments)]
        done = subprocess.run(command, env=self.env | env, capture_output=True, text=True, check=False, cwd=self.folder)
        assert done.returncode == code, done.stderr
        return [orjson.loads(line) for line in done.stdout.splitlines()], done.stderr

    def read(self, name, *stamps, **env):
        """Read lines of these times."""
        log = self.folder / name
        log.write_text("".join(f"{stamp} INFO [T] [a.py:1]  - at {stamp}\n" for stamp in stamps))
        command = ["tail", "--once", "--output", "none", "--service", "api", log]
        subprocess.run([sys.executable, "-m", "logship", *command], env=self.env | env, check=True)

    def push(self, *options, code=0):
        """Push to the archive."""
        return self.call("archive", "push", "--at", "shelf", "--json", *options, code=code)

    def paths(self):
        """Return the paths of all segments in the store, oldest first."""
        return sorted(str(path.relative_to(self.state)) for path in self.state.glob("segments/*/*.parquet"))


@pytest.fixture
def kept(tmp_path):
    """Give a state directory with a segment of each of three days."""
    found = Kept(tmp_path)
    for day in DAYS:
        found.read(f"{day}.log", f"{day} 08:00:00.000")
    return found


@pytest.mark.parametrize("at", ["state", "state/copies", ".", "link"])
def test_an_archive_in_the_state_directory_is_refused(kept, at):
    """Copies and segments would be one: neither push nor pull goes there, and every segment stays."""
    (kept.folder / "link").mkdir()
    (kept.folder / "link/segments").symlink_to(kept.state / "segments")
    before = kept.paths()
    _, said = kept.call("archive", "push", "--at", at, "--keep-days", "1", code=2)
    assert "lie in one another" in said
    kept.push()
    kept.call("archive", "pull", "--at", "shelf", "--into", at, code=2)
    assert kept.paths() == before
    assert kept.call("search", "--json", "--fields", "message")[0] != []


@pytest.mark.parametrize("spoil", ["missing", "short", "note"])
def test_what_is_missing_or_short_in_the_archive_is_copied_again(kept, spoil):
    """A segment or a note that is not there whole is pushed again from the store, and it alone."""
    kept.push()
    path = kept.paths()[1]
    file = kept.folder / "shelf" / (f"{path}.json" if spoil == "note" else path)
    if spoil == "missing":
        file.unlink()
    else:
        os.truncate(file, 9)
    again, _ = kept.push()
    assert [one["path"] for one in again] == [path]
    assert len(kept.call("archive", "pull", "--at", "shelf", "--into", "into", "--json")[0]) == len(DAYS)
    assert kept.push()[0] == []


def test_another_segment_of_the_same_name_is_left_alone(kept, tmp_path):
    """Of two state directories with one archive the second is told, its other segments are copied, none is replaced."""
    (tmp_path / "other").mkdir()
    other = Kept(tmp_path / "other")
    other.read("a.log", *(f"{DAYS[0]} 09:00:0{number}.000" for number in range(9)))
    (first,), _ = other.call("archive", "push", "--at", tmp_path / "shelf", "--json")
    before = (tmp_path / "shelf" / first["path"]).read_bytes()
    copied, said = kept.push(code=1)
    assert first["path"] in kept.paths()
    assert "another segment of that name" in said
    assert [one["path"] for one in copied] == kept.paths()[1:]
    assert (tmp_path / "shelf" / first["path"]).read_bytes() == before


@pytest.mark.parametrize("spoil", ["missing", "altered", "note"])
def test_one_bad_segment_does_not_hold_up_the_others(kept, spoil):
    """Pull gives all others, names the one, and does not end with 0."""
    kept.push()
    path = kept.paths()[0]
    if spoil == "missing":
        (kept.folder / "shelf" / path).unlink()
    else:
        file = kept.folder / "shelf" / (f"{path}.json" if spoil == "note" else path)
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data if spoil == "altered" else b"no note")
    pulled, said = kept.call("archive", "pull", "--at", "shelf", "--into", "into", "--json", code=1)
    assert [one["path"] for one in pulled] == kept.paths()[1:]
    assert path in said


def test_a_segment_that_rotted_in_the_store_does_not_hold_up_the_others(kept):
    """Push copies all others, names the one, and does not end with 0."""
    path = kept.paths()[0]
    (kept.state / path).write_bytes(b"rotten")
    copied, said = kept.push(code=4)
    assert [one["path"] for one in copied] == kept.paths()[1:]
    assert "is not what was sealed" in said


def test_what_would_be_deleted_at_once_is_not_copied(kept):
    """With --keep-days, segments older than that are not pushed, only deleted where they are."""
    today = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.000")
    kept.read("today.log", today)
    assert [one["done"] for one in kept.push("--keep-days", "30")[0]] == ["archived"]
    kept.push()
    assert [one["done"] for one in kept.push("--keep-days", "30")[0]] == ["deleted"] * len(DAYS)
    assert kept.push("--keep-days", "30")[0] == []


def test_the_first_time_is_not_after_the_last(tmp_path):
    """Stamps with and without a fraction are ordered by time: as texts `05Z` would follow `05.900Z`."""
    kept = Kept(tmp_path)
    kept.read("a.log", *HALF)
    ((one,), _) = kept.push()
    assert (one["first_time"], one["last_time"]) == ("2025-11-20T08:00:05Z", "2025-11-20T08:00:05.900Z")


@pytest.mark.parametrize("edges", [None, ("2025-11-20T08:00:05.500Z", "2025-11-20T08:00:05Z")])
def test_a_span_within_a_second_finds_its_segments(tmp_path, edges):
    """Also where the catalogue of an older release has the edges as texts were ordered."""
    kept = Kept(tmp_path)
    kept.read("a.log", *HALF)
    if edges:
        with sqlite3.connect(kept.state / "ledger.db") as ledger:
            ledger.execute("UPDATE segment SET first_time = ?, last_time = ?", edges)
    kept.push()
    for since, until in (("05.700", "06"), ("05", "05.200"), ("05.500", "05.501")):
        limits = ("--since", f"2025-11-20T08:00:{since}Z", "--until", f"2025-11-20T08:00:{until}Z")
        assert len(kept.call("archive", "list", "--at", "shelf", "--json", *limits)[0]) == 1
    assert kept.call("archive", "list", "--at", "shelf", "--json", "--since", "2025-11-20T08:00:06Z")[0] == []


def test_what_is_not_sealed_yet_is_said(tmp_path):
    """Where no segment was made, push says how many documents wait, and when they are sealed."""
    kept = Kept(tmp_path)
    kept.read("a.log", *HALF, LOGSHIP_STORE__SEAL_BYTES="16MiB")
    rows, said = kept.call("archive", "push", "--at", "shelf", "--json", LOGSHIP_STORE__SEAL_BYTES="16MiB")
    assert rows == []
    assert "3 documents are in no segment yet" in said
    assert "3,600 seconds (store.seal_seconds)" in said


@pytest.mark.parametrize("command", [["search"], ["archive", "list", "--at", "x"], ["reconcile"], ["rehydrate"]])
def test_a_span_that_holds_nothing_is_refused(kept, command):
    """The end before the beginning, or both the same, is a mistake in the command."""
    for since, until in (("2025-11-21", "2025-11-20"), ("2025-11-20", "2025-11-20")):
        _, said = kept.call(
            *command, "--since", since, "--until", until, code=2, LOGSHIP_ELASTICSEARCH__HOSTS="http://127.0.0.1:9"
        )
        assert f"is not after --since {since}" in said
