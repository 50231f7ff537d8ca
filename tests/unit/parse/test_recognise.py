"""Whose lines these are."""

import pytest

from logship.data import data_path
from logship.pipeline.recognise import Recogniser
from logship.pipeline.spec import Pipelines

PIPELINES = Pipelines.load([data_path("pipelines")])
RECOGNISER = Recogniser(PIPELINES)
API = "2025-11-20 08:00:07.412 INFO [MainThread] [app.py:12]  - cache warmed"
ACCESS = '203.0.113.9 - - [20/Nov/2025:08:03:10 +0000] "GET / HTTP/1.1" 200 97 "-" "curl/8" "-"'


def lines_of(name: str) -> list[str]:
    """Return all sample lines of a pipeline."""
    return [line for sample in PIPELINES.specs[name].samples for line in sample.input.rstrip("\n").split("\n")]


@pytest.mark.parametrize("name", sorted(PIPELINES.specs))
def test_a_pipelines_own_samples_are_recognised(name):
    """The samples of each pipeline, taken together, are best read by it, those of small services also by the api."""
    assert RECOGNISER.guess(lines_of(name)).pipeline in ({name, "api"} if name == "misc" else {name})


def test_it_says_how_sure_it_is():
    """Plain lines of a well-known format are sure; what hardly any pipeline reads is not recognised."""
    assert "sure" == RECOGNISER.guess([API, API.replace("cache", "cash"), *lines_of("api")]).sure
    assert "not recognised" == RECOGNISER.guess(["lorem ipsum", "dolor sit amet"]).sure
    assert "not recognised" == RECOGNISER.guess([]).sure


def test_a_files_name_helps():
    """A name that fits one of several likely pipelines decides, one that does not fit the lines is not believed."""
    assert "worker" == RECOGNISER.guess([API], "worker").service
    assert "nginx" == RECOGNISER.guess([ACCESS] * 5, "redis").service


def test_the_generic_pipeline_is_the_last_choice():
    """It reads nearly everything, and yet it is named only if no other does."""
    assert "api" == RECOGNISER.guess([API] * 5).pipeline
    assert "nginx" == RECOGNISER.guess([ACCESS] * 5).pipeline


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (
            "minio",
            "API: PutObject(bucket=a)\nTime: 03:06:02 UTC 05/08/2025\nError: no space left (cmd.X)\n  1: cmd/a.go:1",
        ),
        ("iris", "05/08/25-03:05:02:123 (501) 0 [Generic.Event] Allocated 1000MB shared memory"),
        ("matrixone", "2025/05/08 03:05:02.123456 +0000 INFO cn-service cnservice/server.go:100 start"),
        ("kibana", "[2024-08-01T08:00:00.000+00:00][INFO ][root] Kibana is starting"),
    ],
)
def test_one_of_a_pipelines_several_services_is_named(service, line):
    """Where a format is one service's only, that is the one."""
    assert service == RECOGNISER.guess(line.split("\n") * 3).service


def test_an_event_of_many_lines_counts_for_all_of_them():
    """A pipeline that takes a traceback apart does not win by having more events."""
    lines = [
        "Running migrations",
        "Traceback (most recent call last):",
        *['  File "a.py", line 1, in f'] * 3,
        "OSError: no",
    ]
    assert "api" == RECOGNISER.guess(lines).pipeline
