"""Which files hold copies of which containers' output, as the settings say it."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from conformance.harness import Site

from logship.cli import main
from logship.config import load
from logship.config.settings import FileSource
from logship.ledger.recovery import recover

LINE = "2025-11-20 08:00:07.412 INFO [T] [a.py:1]  - {}"


class Stack:
    """Containers and their LOG_FILEs."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.root = folder / "containers"
        self.log_file = self.site.logs / "server.log"

    def print(self, service: str, *texts: str) -> None:
        """Write lines to the stdout of a container."""
        folder = self.root / (service[0] * 64)
        folder.mkdir(parents=True, exist_ok=True)
        labels = {"com.docker.compose.service": service}
        (folder / "config.v2.json").write_bytes(orjson.dumps({"Config": {"Labels": labels}}))
        with (folder / f"{folder.name}-json.log").open("ab") as file:
            for text in texts:
                record = {"log": f"{LINE.format(text)}\n", "stream": "stdout", "time": "2025-11-20T08:00:07.5Z"}
                file.write(orjson.dumps(record) + b"\n")

    def log(self, name: str, *texts: str) -> None:
        """Write lines to a file of `logs`."""
        self.site.write(name, *(f"{LINE.format(text)}\n" for text in texts))

    def read(self, *files: FileSource, **log_file: object) -> list[str]:
        """Return the texts that are delivered, in alphabetical order."""
        found = files or (FileSource(path=str(self.site.folder / "none")),)
        containers = {"enabled": True, "root": self.root}
        self.site.run(*found, containers=containers, log_file={"path": self.log_file, **log_file})
        self.site.check_books()
        return sorted(self.site.messages())


@pytest.fixture
def stack(tmp_path):
    """Return a stack of its own."""
    return Stack(tmp_path)


def test_log_file_is_that_of_its_service(stack):
    """What the api writes twice is delivered once; the worker's output is another's."""
    stack.print("api", "both", "only printed")
    stack.print("worker", "both")
    stack.log("server.log", "both", "only in the file")
    assert ["both", "both", "only in the file", "only printed"] == stack.read()
    shown = CliRunner().invoke(main, ["status", "--state-dir", str(stack.site.state)]).output
    assert "copy: 1 events of api were in stdout and in LOG_FILE; each was delivered once" in shown
    assert "dropped:" not in shown


def test_both_are_delivered_where_that_is_wanted(stack):
    """With `copy_of: []` the two copies are two documents."""
    stack.print("api", "both")
    stack.log("server.log", "both")
    assert ["both", "both"] == stack.read(copy_of=[])


def test_one_log_file_of_several_services(stack):
    """A LOG_FILE that the api and the worker share holds the events of both."""
    stack.print("api", "of api", "of all")
    stack.print("worker", "of worker", "of all")
    stack.log("server.log", "of api", "of all", "of worker", "of all")
    assert ["of all", "of all", "of api", "of worker"] == stack.read(copy_of=["api", "worker"])


def test_a_glob_that_finds_log_file_too(stack):
    """LOG_FILE and its rotations stay what they are where an entry of `files` finds them as well."""
    stack.print("api", "one", "two", "three")
    stack.log("server.log.1", "one")
    stack.log("server.log", "two", "three")
    stack.log("other.log", "one")
    both = FileSource(path=str(stack.site.logs / "*.log*"), service="worker")
    assert ["one", "one", "three", "two"] == stack.read(both)


def test_the_log_file_of_another_service(stack):
    """An entry of `files` says whose output it holds; each LOG_FILE has events of its own."""
    stack.print("api", "same text")
    stack.print("worker", "same text", "of worker")
    stack.log("server.log", "same text")
    (stack.site.logs / "worker").mkdir()
    stack.log("worker/server.log", "same text", "of worker")
    workers = FileSource(path=str(stack.site.logs / "worker/*.log*"), service="worker", copy_of=["worker"])
    assert ["of worker", "same text", "same text"] == stack.read(workers)


def test_what_one_copy_is_ahead_survives_the_recovery_of_the_ledger(stack):
    """A ledger that was read as far as it could be still knows what was delivered of one copy."""
    stack.log("server.log")
    stack.print("api", "printed long before")
    stack.read()
    recover(stack.site.state, "as a test", archive=False)
    stack.log("server.log", "printed long before")
    assert ["printed long before"] == stack.read()


@pytest.mark.parametrize(("given", "services"), [("api,worker", ["api", "worker"]), ("[]", []), ('["api"]', ["api"])])
def test_a_variable_says_whose_it_is(given, services):
    """LOGSHIP_LOG_FILE__COPY_OF takes names with commas, or JSON; [] is none."""
    assert services == load(environ={"LOGSHIP_LOG_FILE__COPY_OF": given}).settings.log_file.copy_of
