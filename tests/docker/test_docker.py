"""A container's lines, through a real Docker Engine, to the search; with the agent on the host and in a container."""

import json
import time
from collections import Counter

import engine as docker
import pytest
import yaml
from project import EACH, LONG, TRACEBACK

pytestmark = pytest.mark.timeout(900)

EVENTS = 2 * EACH + 2
PATIENCE = 120


def documents(output):
    """Return the documents of `logship search --json`."""
    return [json.loads(line) for line in output.splitlines()]


def field(document, name):
    """Return a field by its dotted name, whether the document nests it or not."""
    for part in name.split(".") if name not in document else [name]:
        document = document[part]
    return document


def check(found, compose):
    """Assert that all the api printed is there once, by stream, with what is known of its container."""
    container = compose.container("api")
    numbered = [f"{word} {number}" for word in ("out", "err") for number in range(1, EACH + 1)]
    message, _, stack = TRACEBACK.rstrip("\n").partition("\n")
    message = message.partition(" - ")[2]
    texts = Counter((field(one, "stream"), field(one, "message")) for one in found)
    expected = Counter(("stdout" if text.startswith("out") else "stderr", text) for text in numbered)
    expected[("stdout", "long " + "x" * LONG)] = 1
    expected[("stdout", message)] = 1
    assert expected - texts == Counter(), "lost"
    assert texts - expected == Counter(), "more than was printed"
    (failure,) = [one for one in found if field(one, "message") == message]
    assert field(failure, "error.stack_trace").rstrip("\n") == stack
    about = {
        (
            field(one, "container.id"),
            field(one, "container.name"),
            field(one, "container.image.name"),
            tuple(field(one, "container.image.tag")),
            field(one, "service.name"),
            field(one, "orchestrator.namespace"),
        )
        for one in found
    }
    assert about == {
        (container["Id"], f"{compose.project}-api-1", "logship-test/busybox", ("latest",), "api", compose.project)
    }
    assert len({one["_id"] for one in found}) == EVENTS


def counted(compose):
    """Return how many events of the api the agent's container finds; -1 while it is not ready to be asked."""
    if not compose.container("logship")["State"]["Running"]:
        return -1
    command = f"logship search '{compose.query}' --count 2>/dev/null || echo -1"
    return int(compose("exec", "--no-TTY", "logship", "sh", "-c", command))


def test_lines_of_a_container_arrive_once_with_the_agent_on_the_host(compose, logship, tmp_path):
    """10,002 events of both streams, one of 300 kB and one a traceback, arrive once and with their container."""
    compose("up", "--detach")
    compose.engine.run("wait", f"{compose.project}-api-1")
    config = tmp_path / "logship.yaml"
    config.write_text(yaml.safe_dump({"containers": {"enabled": True, "root": str(compose.engine.containers)}}))
    logship("tail", "--once", "--config", str(config))
    check(documents(logship("search", compose.query, "--json", "--limit", "20000")), compose)


def test_lines_of_a_container_arrive_once_with_the_agent_in_a_container(compose):
    """The image and the overlay read Docker's folder live, as uid 0 with no capability, no socket, a read-only root."""
    docker.build_logship(compose.engine)
    compose.files.append(docker.CHECKOUT / "compose" / "logship.yaml")
    compose.environment.update(LOGSHIP_IMAGE=docker.LOGSHIP, LOGSHIP_DOCKER_CONTAINERS=str(compose.engine.containers))
    compose("up", "--detach")
    inside = ("exec", "--no-TTY", "logship", "logship")
    deadline = time.monotonic() + PATIENCE
    while (count := counted(compose)) != EVENTS:
        assert time.monotonic() < deadline, f"{count} of {EVENTS} after {PATIENCE} s: {compose('logs', 'logship')}"
    check(documents(compose(*inside, "search", compose.query, "--json", "--limit", "20000")), compose)
    assert json.loads(compose(*inside, "search", "service.name:logship", "--count", "--json")) == {"count": 0}

    agent = compose.container("logship")
    assert agent["Config"]["Healthcheck"]["Test"] == ["CMD", "logship", "status", "--json"]
    assert json.loads(compose(*inside, "status", "--json"))["closes"] is True
    assert (agent["HostConfig"]["ReadonlyRootfs"], agent["HostConfig"]["CapDrop"], agent["HostConfig"]["CapAdd"]) == (
        True, ["ALL"], None,
    )  # fmt: skip
    assert "no-new-privileges:true" in agent["HostConfig"]["SecurityOpt"]
    mounts = {mount["Destination"]: mount["RW"] for mount in agent["Mounts"]}
    assert mounts == {"/var/lib/docker/containers": False, "/var/lib/logship": True}

    compose("stop", "logship")
    assert compose.container("logship")["State"]["ExitCode"] == 0
