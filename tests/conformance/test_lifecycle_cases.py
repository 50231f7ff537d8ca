"""Group L: lifecycle and resources."""

from conformance.harness import delivered, lines, until
from conformance.test_checkpoint_cases import committed, process, stamped, texts


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
