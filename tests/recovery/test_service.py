"""The agent as a service: readiness, the watchdog, a reload, and a stop that says what it leaves."""

import configparser
import signal
import socket
import threading
from collections import Counter
from pathlib import Path

from conformance.harness import until

from logship import systemd
from logship.config.settings import Settings

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - {}\n"


def test_systemd_is_told_of_start_and_end(service):
    """READY=1 comes when the agent reads, STOPPING=1 when it was asked to stop, and the exit code is 0."""
    service.start()
    assert 0 == service.stop()
    assert "STOPPING=1" in service.told()


def test_the_watchdog_is_told_that_the_loops_go_round(service):
    """With WATCHDOG_USEC, WATCHDOG=1 comes more than twice in that time."""
    service.start(WATCHDOG_USEC="3000000")
    assert [["WATCHDOG=1"]] * 3 == [service.told() for _ in range(3)]


def test_nothing_is_told_where_nobody_listens(tmp_path):
    """Without NOTIFY_SOCKET, with a wrong one, or with one where nobody is, telling is silent."""
    for address in ("", "relative", str(tmp_path / "nobody"), "@nobody-listens-here"):
        assert not systemd.notify("READY=1", environ={"NOTIFY_SOCKET": address})
    assert 0.0 == systemd.watchdog_seconds({})
    assert 2.5 == systemd.watchdog_seconds({"WATCHDOG_USEC": "2500000"})
    assert 0.0 == systemd.watchdog_seconds({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"})


def test_an_abstract_socket_is_told(tmp_path):
    """An address that begins with @ is a name in the abstract space (systemd in user sessions)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{tmp_path}")
        manager.settimeout(10)
        assert systemd.notify("READY=1", "STATUS=x", environ={"NOTIFY_SOCKET": f"@{tmp_path}"})
        assert b"READY=1\nSTATUS=x" == manager.recv(100)


def test_a_reload_applies_a_good_configuration(service):
    """Lines written before, during and after a reload are each read once; the new setting holds from then on."""
    service.start()
    log = service.logs / "a.log"
    stop = threading.Event()
    written = []

    def write():
        with log.open("a") as file:
            while not stop.wait(0.001):
                written.append(f"line {len(written)}")
                file.write(LINE.format(written[-1]))
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: service.messages())
        for number in range(3):
            service.configure(f"labels: {{round: '{number}'}}\n")
            service.signal(signal.SIGHUP)
            assert "RELOADING=1" in service.told()
            assert "READY=1" in service.told()
            before = len(written)
            until(lambda before=before: len(written) > before + 50)
    finally:
        stop.set()
        writer.join()
    until(lambda: len(service.messages()) == len(written))
    assert 0 == service.stop()
    assert Counter(written) == service.messages()
    assert 3 == len(service.log("configuration read; the agent begins anew with it"))


def test_a_reload_refuses_a_bad_configuration(service):
    """The agent says file, line and option, and goes on with the configuration it has."""
    service.start()
    service.configure("ingest:\n  scan_seconds: soon\n")
    service.signal(signal.SIGHUP)
    assert "RELOADING=1" in service.told()
    assert "READY=1" in service.told()
    (said,) = service.log("configuration not applied; the one before goes on")
    assert said["reason"].startswith(f"{service.config} line 7: ingest.scan_seconds is 'soon'")
    (service.logs / "a.log").write_text(LINE.format("read all the same"))
    until(lambda: service.messages())
    (service.folder / "own.yaml").write_text("services: [api]\nformats: [{name: text, match: '('}]\n")
    service.configure(f"pipelines: [{service.folder}]\n")
    service.signal(signal.SIGHUP)
    until(lambda: len(service.log("configuration not applied; the one before goes on")) == 2)
    assert 0 == service.stop()


def test_a_stop_reads_what_is_left_of_deleted_files(service):
    """A file that was deleted with 20 MB unread is read to its end before the agent ends."""
    lines = [f"{number} {'x' * 1000}" for number in range(20_000)]
    log = service.logs / "a.log"
    log.write_text(LINE.format("first"))
    service.start()
    until(lambda: service.messages())
    with log.open("a") as file:
        log.unlink()
        file.write("".join(map(LINE.format, lines)))
        service.signal(signal.SIGTERM)
    assert 0 == service.process.wait(60)
    assert Counter(["first", *lines]) == service.messages()


def test_a_stop_says_what_it_leaves(service):
    """Documents that a sink could not take by then are counted in the last line of the log."""
    (service.folder / "no").write_text("a file where a folder is needed")
    service.configure(f"file_sink: {{path: {service.folder}/no/out.ndjson}}\nshutdown: {{drain_seconds: 0.1}}\n")
    (service.logs / "a.log").write_text("".join(map(LINE.format, range(3))))
    service.start()
    until(lambda: len(service.messages()) == 3)
    assert 0 == service.stop()
    (stopped,) = service.log("agent stopped")
    assert [3] == list(stopped["documents_left"].values())


def test_a_stop_delivers_what_waits(service):
    """What was read just before the stop is delivered within the budget."""
    service.configure(f"file_sink: {{path: {service.folder}/out.ndjson, max_size: 1GiB}}\n")
    (service.logs / "a.log").write_text("".join(map(LINE.format, range(30_000))))
    service.start()
    until(lambda: service.messages())
    assert 0 == service.stop()
    (stopped,) = service.log("agent stopped")
    assert "documents_left" not in stopped
    delivered = (service.folder / "out.ndjson").read_bytes().count(b"\n")
    assert sum(service.messages().values()) == delivered > 0


def test_the_unit_fits_the_agent():
    """The shipped unit waits longer than a stop may take, and restarts at no exit code that needs a person."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(Path(__file__).parents[2] / "packaging" / "logship.service")
    service = unit["Service"]
    assert "notify" == service["Type"]
    assert int(service["TimeoutStopSec"]) > 2 * Settings().shutdown.drain_seconds + 5
    assert "2 6 8" == service["RestartPreventExitStatus"]
