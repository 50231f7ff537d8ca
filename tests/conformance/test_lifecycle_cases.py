"""Group L: lifecycle and resources."""

import signal
import sqlite3
from collections import Counter

import pytest
from conformance.harness import delivered, lines, until
from conformance.test_checkpoint_cases import committed, process, stamped, texts
from conformance.test_elastic_cases import there
from recovery.service import Service


@pytest.fixture
def service(tmp_path):
    """Give an agent with a configuration file, in a process of its own, that is ended whatever happens."""
    folder = tmp_path / "service"
    folder.mkdir()
    made = Service(folder)
    yield made
    made.close()


def test_case_114_a_stop_delivers_what_was_read_and_says_so(site):
    """SIGTERM during load: exit code 0, a last word, and after a restart every line is there once."""
    out = site.folder / "out.ndjson"
    written = stamped("line", 3000)
    agent = process(site, out)
    site.write("app.log", *written[:1500])
    agent.start()
    until(lambda: committed(site))
    site.write("app.log", *written[1500:])
    assert 0 == agent.stop()
    said = (site.folder / "agent.log").read_text()
    assert "agent stopped" in said
    assert "Traceback" not in said
    agent.run_once()
    assert texts(written) == sorted(delivered(out))
    assert site.books().closes


def test_case_117_changes_that_no_event_told_of_are_found(site):
    """More events come than the kernel queues (inotify overflow): the files that were left are found and read whole."""
    left = {}
    with site.agent() as agent:
        site.write("app.log", "first\n")
        agent.settle()
        noise = site.logs / "noise"
        for number in range(9_000):  # 18,000 events and more, beyond the usual 16,384
            noise.touch()
            noise.unlink()
            if number % 900 == 0:
                left[f"f{number}.log"] = lines(f"of {number}", 3)
                site.write(f"f{number}.log", *left[f"f{number}.log"])
        site.write("app.log", "second\n")
        agent.settle()
    site.check(["first", "second"], *left.values())


FILES = 510


def test_case_118_five_hundred_files_at_once_are_all_kept_up_with(site):
    """
    510 files grow by 20 kB between looks, five times: each look reads all of each, and none is behind after it.

    In spirit: no clock; `make bench` has the speed.
    """
    written: dict[str, list[str]] = {f"f{number}.log": [] for number in range(FILES)}
    with site.agent() as agent:
        for turn in range(5):
            for name, so_far in written.items():
                portion = lines(f"{name} {turn}", 40, size=490)
                site.write(name, *portion)
                so_far += portion
            agent.poll(1.0)
            assert {0} == set(agent.tailer.lag().values())
        agent.settle()
    site.check(*written.values())


def test_case_115_a_bad_configuration_is_refused_and_a_good_one_costs_no_line(service):
    """SIGHUP with a bad configuration: the old one stays and the error is said; with a good one: no line is lost."""
    service.configure()
    service.start()
    log = service.logs / "a.log"
    written = stamped("line", 300)
    for number, more in enumerate(["ingest: {scan_seconds: soon}\n", "labels: {round: good}\n"]):
        with log.open("a") as file:
            file.writelines(written[number * 100 : number * 100 + 100])
        service.configure(more)
        service.signal(signal.SIGHUP)
        assert "RELOADING=1" in service.told()
        assert "READY=1" in service.told()
    with log.open("a") as file:
        file.writelines(written[200:])
    until(lambda: sum(service.messages().values()) >= 300)
    assert 0 == service.stop()
    assert Counter(texts(written)) == service.messages()
    (said,) = service.log("configuration not applied; the one before goes on")
    assert "scan_seconds" in said["reason"]
    assert service.log("configuration read; the agent begins anew with it")


def test_case_116_a_damaged_record_of_the_buffer_is_passed_and_nothing_waits_for_it(
    service, elasticsearch, elasticsearch_url, namespace
):
    """
    A batch in the ledger does not fit its checksum: it is put aside, all others are delivered, and its lines too.

    Its lines are made again of their file, which is still there.
    """
    service.configure(f"namespace: {namespace}\nelasticsearch: {{hosts: ['http://127.0.0.1:1']}}\n")
    written = stamped("line", 100)
    service.start()
    (service.logs / "a.log").write_text("".join(written[:50]))
    until(lambda: sum(service.messages().values()) == 50)
    (service.logs / "b.log").write_text("".join(written[50:]))
    until(lambda: sum(service.messages().values()) == 100)
    service.stop()
    with sqlite3.connect(service.state / "ledger.db") as connection:
        seq, body = connection.execute("SELECT seq, body FROM batch ORDER BY seq LIMIT 1").fetchone()
        damaged = bytearray(body)
        damaged[len(body) // 2] ^= 0xFF
        connection.execute("UPDATE batch SET body = ? WHERE seq = ?", (bytes(damaged), seq))
    connection.close()
    service.configure(f"namespace: {namespace}\nelasticsearch: {{hosts: ['{elasticsearch_url}']}}\n")
    service.start()
    until(lambda: len(there(elasticsearch, namespace)) >= 100)
    assert 0 == service.stop()
    assert texts(written) == sorted(body["message"] for body in there(elasticsearch, namespace).values())
