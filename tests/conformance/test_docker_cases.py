"""Group I: containers, from their files as Docker writes them."""

import itertools

import orjson
import pytest
from conformance.harness import lines

STAMPS = (f"2025-11-20T08:00:{second // 100:02d}.{second % 100:02d}Z" for second in itertools.count())


def record(text: str, stream: str = "stdout", time: str = "", **more) -> str:
    """Return a record of Docker's json-file; a text without a newline at its end goes on in the next."""
    return orjson.dumps({"log": text, "stream": stream, **more, "time": time or next(STAMPS)}).decode() + "\n"


def split(text: str, size: int = 16384) -> list[str]:
    """Cut a text as Docker does."""
    return [text[start : start + size] for start in range(0, len(text), size)]


class Containers:
    """Docker's folder of containers, beside a site's logs."""

    def __init__(self, site) -> None:
        self.site = site
        self.root = site.folder / "containers"
        self.root.mkdir()

    def options(self) -> dict:
        """Return the settings that read it."""
        return {"containers": {"enabled": True, "root": self.root}}

    def add(self, identifier: str, *, service: str = "web", name: str = "dify-web-1", project: str = "dify"):
        """Create a container, or write its configuration anew; return its log's path."""
        folder = self.root / (identifier * 64)[:64]
        folder.mkdir(exist_ok=True)
        labels = {"com.docker.compose.service": service, "com.docker.compose.project": project}
        config = {"Name": f"/{name}", "Config": {"Image": "langgenius/some:1.2", "Labels": labels, "Env": []}}
        (folder / "config.v2.json").write_bytes(orjson.dumps(config))
        return folder / f"{folder.name}-json.log"

    def write(self, path, *records: str) -> None:
        """Append records to a log."""
        with path.open("a") as file:
            file.write("".join(records))


@pytest.fixture
def containers(site):
    """Give Docker's folder."""
    return Containers(site)


def test_case_081_the_parts_of_a_split_line_are_one_event_with_the_first_time(site, containers):
    """A line in 16 KiB parts, the last with a newline: one event, with the time of the first part."""
    log = containers.add("a")
    text = "x" * 40_000
    times = [f"2025-11-20T08:00:0{second}Z" for second in range(3)]
    parts = split(text + "\n")
    containers.write(log, *(record(part, time=time) for part, time in zip(parts, times, strict=True)))
    site.run(**containers.options())
    site.check([text])
    assert site.documents()[0].body["@timestamp"].startswith("2025-11-20T08:00:00")


def test_case_082_the_parts_of_one_stream_are_not_mixed_with_the_other(site, containers):
    """Between the parts of a line of stdout stand whole lines of stderr: one event of stdout, each of stderr alone."""
    log = containers.add("a")
    parts = split("x" * 50_000 + "\n")
    for number, part in enumerate(parts):
        containers.write(log, record(part), record(f"error {number}\n", "stderr"))
    site.run(**containers.options())
    texts = sorted(site.messages())
    assert [*(f"error {number}" for number in range(len(parts))), "x" * 50_000] == texts
    site.check_books()


def test_case_083_nineteen_parts_over_ten_seconds_are_one_event(site, containers):
    """A message of 300 kB comes in 19 parts within ten seconds: one event."""
    log = containers.add("a")
    parts = split("x" * 300_000 + "\n")
    assert 19 == len(parts)
    with site.agent(**containers.options()) as agent:
        for part in parts:
            containers.write(log, record(part))
            agent.poll(10 / 19)
        agent.settle()
    site.check(["x" * 300_000])


def test_case_084_a_part_whose_container_died_is_emitted_and_says_so(site, containers):
    """The container ends within a split line: after a while its part is an event marked incomplete."""
    log = containers.add("a")
    containers.write(log, record("whole\n"), record("only a part"))
    with site.agent(**containers.options()) as agent:
        agent.settle()
        for path in (log, log.parent / "config.v2.json"):
            path.unlink()
        log.parent.rmdir()
        agent.rest()
    site.check(["whole", "only a part"])
    assert "incomplete" in site.documents()[1].body["log"]["flags"]


def test_case_085_the_parts_on_both_sides_of_a_rotation_are_joined(site, containers):
    """A part at the end of a log and the rest at the beginning of the next one are one event."""
    log = containers.add("a")
    with site.agent(**containers.options()) as agent:
        containers.write(log, record("before\n"), record("first half, "))
        agent.poll()
        log.rename(log.with_name(f"{log.name}.1"))
        containers.write(log, record("second half\n"), record("after\n"))
        agent.settle()
    assert ["before", "first half, second half", "after"] == site.messages()
    site.check_books()


def test_case_086_rotations_at_full_speed_while_the_sink_is_away_are_read_or_reported(site, containers):
    """
    Files of 1 MB, three of them, rotate while the sink is away: all is read to the ledger.

    In spirit: 20 MB; every fifth rotation comes without a look at the files before it.
    """
    log = containers.add("a")
    written: list[str] = []
    with site.agent(**containers.options()) as agent:
        for turn in range(20):
            batch = [text.rstrip() for text in lines(f"turn {turn}", 1000, size=900)]
            containers.write(log, *(record(f"{text}\n") for text in batch))
            written += batch
            if turn % 5 != 4:
                agent.poll()
            for number in (1, 0):
                old = log.with_name(f"{log.name}.{number}") if number else log
                if old.exists():
                    old.rename(log.with_name(f"{log.name}.{number + 1}"))
        agent.rest()
    assert sorted(written) == sorted(site.messages())
    assert [] == [gap for gap in site.lost() if gap[2] is not None]
    site.check_books()


def test_case_087_a_record_that_is_half_written_is_parsed_once(site, containers):
    """Half a record stands at the end of the log and is completed later: one event."""
    log = containers.add("a")
    whole = record("the record\n")
    with site.agent(**containers.options()) as agent:
        containers.write(log, record("first\n"), whole[:30])
        agent.settle()
        containers.write(log, whole[30:])
        agent.settle()
    site.check(["first", "the record"])


def test_case_088_attributes_of_a_record_are_fields(site, containers):
    """Labels and variables that the log driver adds (`attrs`) are in the document."""
    log = containers.add("a")
    containers.write(log, record("line\n", attrs={"com.example.team": "search", "REGION": "eu"}))
    site.run(**containers.options())
    assert {"com.example.team": "search", "REGION": "eu"} == site.documents()[0].body["container"]["labels"]


def test_case_089_names_come_from_docker_s_files_and_the_id_is_always_there(site, containers):
    """
    Name, image, project and service are read without a socket; a rename of the container shows after a restart.

    In spirit: a name is read when the container's folder changes, not in the middle of a log.
    """
    log = containers.add("a")
    containers.write(log, record("one\n"))
    site.run(**containers.options())
    body = site.documents()[0].body
    assert ("dify-web-1", "web", "dify") == (
        body["container"]["name"], body["service"]["name"], body["orchestrator"]["namespace"],
    )  # fmt: skip
    assert {"name": "langgenius/some", "tag": ["1.2"]} == body["container"]["image"]
    bare = containers.root / ("b" * 64)
    bare.mkdir()
    containers.write(bare / f"{bare.name}-json.log", record("two\n"))
    site.run(**containers.options())
    assert "b" * 64 == site.documents()[-1].body["container"]["id"]
    site.check(["one"], ["two"])


def test_case_090_a_container_that_is_made_anew_under_its_name_is_told_from_the_old_one(site, containers):
    """Two containers have had one name: both logs are delivered, told apart by id."""
    with site.agent(**containers.options()) as agent:
        for identifier in ("a", "b"):
            log = containers.add(identifier)
            containers.write(log, record(f"of {identifier}\n"))
            agent.settle()
            if identifier == "a":
                log.unlink()
                (log.parent / "config.v2.json").unlink()
                log.parent.rmdir()
        agent.rest()
    found = {(body["container"]["name"], body["container"]["id"][0], body["message"]) for body in
             (document.body for document in site.documents())}  # fmt: skip
    assert {("dify-web-1", "a", "of a"), ("dify-web-1", "b", "of b")} == found
    site.check(["of a"], ["of b"])


def test_case_091_a_clock_that_steps_back_drops_nothing(site, containers):
    """The stamps of the records go back by five minutes: every line is there, in the order of the file."""
    log = containers.add("a")
    times = [f"2025-11-20T08:0{minute}:00Z" for minute in (5, 6, 1, 2)]
    with site.agent(**containers.options()) as agent:
        for number, time in enumerate(times):
            containers.write(log, record(f"line {number}\n", time=time))
            agent.settle()
    site.check(lines("line", 4))
    assert times == [document.body["@timestamp"].replace(".000Z", "Z") for document in site.documents()]


def test_case_092_a_terminal_s_line_ends_are_taken_off(site, containers):
    r"""A container with a tty writes \r\n on one stream: clean events."""
    log = containers.add("a")
    containers.write(log, *(record(f"line {number}\r\n") for number in range(3)))
    site.run(**containers.options())
    site.check(lines("line", 3))


def test_case_093_the_agent_s_own_container_is_not_read(site, containers):
    """A container whose service is logship is left out, so that the agent's log does not feed itself."""
    own = containers.add("a", service="logship", name="dify-logship-1")
    containers.write(own, record("own\n"))
    containers.write(containers.add("b"), record("other\n"))
    site.run(**containers.options())
    site.check(["other"])
