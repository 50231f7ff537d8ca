"""Group G: positions, crashes and restarts."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from conformance.harness import delivered, lines, mounted, until
from crash.agent import AgentProcess

from logship.config.settings import FileSource
from logship.errors import LedgerError, LedgerLocked
from logship.ledger.ledger import Ledger
from logship.ledger.recovery import recoveries
from logship.ledger.retire import retire

HERE = Path(__file__).parent
LINE = "2026-01-02 03:04:05.678 INFO [T] [a.py:1]  - {}\n"


def stamped(prefix: str, count: int, start: int = 0) -> list[str]:
    """Return numbered lines as Dify writes them."""
    return [LINE.format(line.rstrip()) for line in lines(prefix, count, start)]


def texts(written: list[str]) -> list[str]:
    """Return the texts of lines that `stamped` made, sorted."""
    return sorted(line.rstrip().partition(" - ")[2] for line in written)


def process(site, out: Path) -> AgentProcess:
    """Return the real agent as a process of its own, delivering to a file."""
    more = {"LOGSHIP_STORE__ENABLED": "false", "LOGSHIP_FILE_SINK__PATH": str(out)}
    return AgentProcess(site.folder, **more)


def committed(site) -> int:
    """Return how many documents the ledger has had; none while it is not made."""
    try:
        return site.books().documents
    except LedgerError:
        return 0


def test_case_063_a_kill_between_reading_and_sending_loses_nothing(site):
    """The process is killed with kill -9 when lines were read and none could be sent: all are delivered, once."""
    out = site.folder / "out"
    out.write_text("not a folder yet")
    written = stamped("line", 500)
    site.write("app.log", *written)
    agent = process(site, out / "documents.ndjson")
    agent.start()
    until(lambda: committed(site) > 400)
    agent.kill()
    out.unlink()
    agent.run_once()
    assert texts(written) == sorted(delivered(out / "documents.ndjson"))
    assert site.books().closes


def test_case_064_a_kill_between_sending_and_noting_it_is_a_duplicate_and_one_document(site):
    """The sink has taken a batch when the agent is killed: after the restart it counts as duplicate, once there."""
    site.write("app.log", *lines("line", 50))
    out = site.folder / "out.ndjson"
    with site.agent() as agent:
        agent.settle()
        courier = agent.courier(out)
        with Ledger.open(site.state, readonly=True) as ledger:
            (batch, *_) = ledger.after(0)
        assert batch.count == courier.sink.send(batch, None).delivered
        agent.crash()
    with site.agent() as agent:
        agent.settle()
        courier = agent.courier(out)
        while courier.step():
            pass
    (sink,) = site.books().sinks
    assert (50 - batch.count, batch.count, 0) == (sink.delivered, sink.duplicate, sink.pending)
    assert 50 == len(delivered(out))
    site.check(lines("line", 50))


STEP = os.environ.get("LOGSHIP_CRASH_STEP", "9")


@pytest.mark.parametrize("start", ["fresh", "again"])
def test_case_065_a_kill_at_any_write_leaves_the_last_good_state(site, start):
    """
    A kill -9 at writes, fsyncs, renames and unlinks of one cycle, one after the other: nothing lost, nothing twice.

    In spirit: at each ninth of them, at every one with LOGSHIP_CRASH_STEP=1. What the ledger holds never decreases.
    """
    command = [sys.executable, "-m", "conformance.crash_points", str(site.folder), start, STEP]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)])}
    result = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    points = [orjson.loads(line) for line in result.stdout.splitlines() if line[:1] in ("{", b"{")]
    assert [True] * (len(points) - 1) + [False] == [point["killed"] for point in points]
    assert sorted(point["left"] for point in points) == [point["left"] for point in points]
    expected = lines("old", 20) + lines("other", 5)
    if start == "again":
        expected += lines("old", 20, start=20) + lines("new", 20)
    for point in points:
        found = delivered(site.folder / point["folder"] / "out.ndjson")
        assert sorted(line.rstrip() for line in expected) == sorted(found), point


def test_case_066_a_stop_during_load_and_a_restart_give_every_line_once(site):
    """The agent is stopped while 4,000 lines are written: both runs together deliver 4,000."""
    out = site.folder / "out.ndjson"
    written = stamped("line", 4000)
    agent = process(site, out)
    site.write("app.log", *written[:1000])
    agent.start()
    until(lambda: committed(site))
    site.write("app.log", *written[1000:2500])
    assert 0 == agent.stop()
    site.write("app.log", *written[2500:])
    agent.run_once()
    assert texts(written) == sorted(delivered(out))
    books = site.books()
    assert books.closes
    assert 4000 == books.documents


def test_case_067_what_was_not_acknowledged_at_the_stop_is_delivered_after_it(site):
    """The sink is away when the agent stops: after the restart everything is delivered, once."""
    out = site.folder / "out"
    out.write_text("not a folder yet")
    site.write("app.log", *lines("line", 100))
    with site.agent() as agent:
        agent.settle()
        courier = agent.courier(out / "documents.ndjson")
        courier.step()
        assert courier.pause
    (sink,) = site.books().sinks
    assert (0, 100) == (sink.delivered, sink.pending)
    out.unlink()
    with site.agent() as agent:
        courier = agent.courier(out / "documents.ndjson")
        agent.settle()
        while courier.step():
            pass
    assert [line.rstrip() for line in lines("line", 100)] == delivered(out / "documents.ndjson")
    site.check(lines("line", 100))


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_case_068_an_event_of_several_lines_that_was_half_read_is_whole_after_the_restart(site, end):
    """The agent ends in the middle of a traceback: the event is emitted once, whole."""
    event = ["failed\n", "  at first\n", "  at second\n", "  at third\n"]
    site.write("app.log", "before\n", *event[:2])
    with site.agent() as agent:
        agent.poll()
        getattr(agent, end)()
    assert ["before"] == site.messages()
    site.write("app.log", *event[2:], "after\n")
    site.run()
    site.check(["before", "".join(event), "after"])


def test_case_070_the_state_is_its_owner_s_alone_and_its_folder_is_on_the_disk(site):
    """Files of the state have mode 0600 under any umask, the folder 0700, and it is synced."""
    site.write("app.log", "line\n")
    before = os.umask(0)
    try:
        with site.agent() as agent:
            agent.settle()
            modes = {path.name: path.stat().st_mode & 0o777 for path in site.state.iterdir()}
    finally:
        os.umask(before)
    assert {0o600} == set(modes.values()), modes
    assert 0o700 == site.state.stat().st_mode & 0o777
    other = site.folder / "other"
    code = f"import pathlib, logship.ledger.ledger as l; l.Ledger.open(pathlib.Path({str(other)!r})).close()"
    trace = site.folder / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace), sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent.parent)}
    subprocess.run(command, check=True, env=environment)
    assert f"<{other}>)" in trace.read_text()


@pytest.mark.parametrize("release", sorted(path.stem for path in (HERE / "ledgers").glob("*.sql")))
def test_case_071_the_ledger_of_every_earlier_release_is_read_on(site, release):
    """
    A ledger that an earlier release left is opened: nothing is read again, what is new is delivered.

    In spirit: there is no earlier release yet; the first fixture is of the present format.
    """
    path = site.write("app.log", *lines("released", 150))
    site.state.mkdir(mode=0o700)
    dump = (HERE / "ledgers" / f"{release}.sql").read_text().replace("@LOGS@", str(site.logs))
    found = path.stat()
    with sqlite3.connect(site.state / "ledger.db") as connection:
        connection.executescript(dump)
        connection.execute("UPDATE file SET device = ?, inode = ?", (found.st_dev, found.st_ino))
    connection.close()
    site.write("app.log", *lines("new", 10))
    site.run()
    site.check(lines("released", 150) + lines("new", 10))


def test_case_072_a_second_process_on_the_same_state_is_refused(site):
    """While one agent has the state directory, another does not start and says which process has it."""
    site.write("app.log", *stamped("line", 3))
    with site.agent() as agent:
        agent.settle()
        with pytest.raises(subprocess.CalledProcessError):
            process(site, site.folder / "out.ndjson").run_once()
        with pytest.raises(LedgerLocked, match=f"process {os.getpid()}"), site.agent():
            pass
    assert 3 == len(site.documents())
    site.check_books()


def test_case_073_a_full_disk_loses_nothing(site):
    """
    The disk of the state is full: nothing more is read, and with space again the agent goes on where it was.

    In spirit: reading stops before the disk is quite full; there is no state called degraded.
    """
    with mounted(site.state, "-o", "size=1m"):
        site.write("app.log", *lines("first", 100))
        noise = [f"{number} {os.urandom(500).hex()}\n" for number in range(300)]
        filler = site.state / "filler"
        with site.agent() as agent:
            agent.settle()
            with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            site.write("app.log", *noise)
            agent.tailer.scan(site.now)
            for _ in range(3):
                agent.step()
            assert 100 == len(site.messages())
            filler.unlink()
            agent.settle()
        site.check(lines("first", 100) + noise)


DAMAGE = {
    "garbage": lambda data: b"no database" * len(data),
    "zeros": lambda data: bytes(len(data)),
    "truncated": lambda data: data[:5000],
    "half": lambda data: data[: len(data) // 8192 * 4096],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_case_069_a_damaged_ledger_is_moved_aside_and_said(site, damage):
    """Garbage, zeros or half a file in place of the ledger: it is moved aside, said, and every line is there once."""
    site.write("app.log", *lines("line", 2000))
    site.run()
    path = site.state / "ledger.db"
    good = path.read_bytes()
    path.write_bytes(DAMAGE[damage](good))
    site.run()
    (known,) = recoveries(site.state)
    assert str(path) in known["reason"]
    assert DAMAGE[damage](good) == (site.state / known["aside"]).read_bytes()
    site.check(lines("line", 2000))


def test_case_069_a_ledger_that_is_a_link_or_belongs_to_another_user_is_refused(site):
    """A ledger that is a symbolic link, or that another user owns, is refused, and its target untouched."""
    site.write("app.log", "line\n")
    site.run()
    path = site.state / "ledger.db"
    aside = path.rename(site.folder / "aside.db")
    good = aside.read_bytes()
    path.symlink_to(aside)
    with pytest.raises(LedgerError, match=r"ledger\.db is a symbolic link"):
        site.run()
    assert good == aside.read_bytes()
    path.unlink()
    aside.rename(path)
    os.chown(path, 65534, 65534)
    with pytest.raises(LedgerError, match="belongs to another user"):
        site.run()
    os.chown(path, os.geteuid(), os.getegid())
    site.run()
    site.check(["line"])


def test_case_055_what_is_known_of_a_vanished_file_outlives_a_miss_and_goes_at_last(site):
    """
    A file that cannot be found for a moment keeps its position; rows of vanished files go when there are newer ones.

    In spirit: the oldest go by number, beyond a thousand, not by age.
    """
    aside = site.folder / "aside"
    with site.agent() as agent:
        site.write("app.log", "one\n")
        agent.settle()
        (site.logs / "app.log").rename(aside)
        agent.poll(5.0)
        aside.rename(site.logs / "app.log")
        site.write("app.log", "two\n")
        agent.settle()
        assert 1 == len(site.books().files)
        for number in range(30):
            site.write(f"f{number}.log", f"{number}\n")
        agent.settle()
        for number in range(30):
            (site.logs / f"f{number}.log").unlink()
        agent.rest()
        courier = agent.courier(site.folder / "out.ndjson")
        while courier.step():
            pass
        documents = site.documents()
        agent.ledger.prune(archive=False)
        assert 25 == retire(agent.ledger, keep=5)
    books = site.books()
    assert books.closes, books.problems
    assert len(documents) == books.documents
    assert [*["ended"] * 5, "gone", "open"] == sorted(file.state for file in books.files)


FILES = 600


def test_case_074_many_files_that_live_shortly_leave_little(site):
    """
    Files are written, read, delivered and deleted: what 100,000 of them leave in the ledger is less than 10 MB.

    In spirit: two times 600 files of one service; what the second 600 add is multiplied.
    """
    sizes = []
    with site.agent(FileSource(path=f"{site.logs}/*.log", service="web")) as agent:
        courier = agent.courier(site.folder / "out.ndjson")
        for turn in range(2):
            for start in range(0, FILES, 100):
                names = [f"{turn}-{start + number}.log" for number in range(100)]
                for name in names:
                    site.write(name, LINE.format(name))
                agent.poll()
                for name in names:
                    (site.logs / name).unlink()
                agent.rest()
                while courier.step():
                    pass
                agent.ledger.prune(archive=False)
                retire(agent.ledger, keep=100)
            packed = site.folder / f"packed{turn}"
            agent.ledger.connection.execute("VACUUM INTO ?", (str(packed),))
            sizes.append(packed.stat().st_size)
        assert 121 >= len(site.books().files)
    assert 2 * FILES == len(set(delivered(site.folder / "out.ndjson")))
    books = site.books()
    assert (True, 2 * FILES, 0) == (books.closes, books.documents, books.gaps)
    assert 10_000_000 > sizes[0] + (sizes[1] - sizes[0]) * 100_000 / FILES
