"""Containers, from Docker's directory alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from logship.model import Source
from logship.sources.docker import DockerContainers, image_fields

ID = "4f6c" * 16


def container(root: Path, identifier: str, config: dict[str, Any] | str | None, *names: str) -> Path:
    """Create a container's directory."""
    directory = root / identifier
    directory.mkdir(parents=True)
    if config is not None:
        (directory / "config.v2.json").write_text(config if isinstance(config, str) else json.dumps(config))
    (directory / "hostconfig.json").write_text('{"LogConfig":{"Type":"json-file"}}')
    for suffix in ("", *names):
        (directory / f"{identifier}-json.log{suffix}").write_text("")
    return directory


def config(service: str = "api", *, env: list[str] | None = None, **labels: str) -> dict[str, Any]:
    """Return what Docker writes about a container."""
    compose = {"com.docker.compose.service": service, "com.docker.compose.project": "dify"} if service else {}
    return {
        "Name": f"/dify-{service}-1",
        "Driver": "overlay2",
        "Config": {"Image": "langgenius/dify-api:1.13.3", "Env": env, "Labels": compose | labels},
    }


def test_a_compose_container(tmp_path: Path) -> None:
    """Service, image, name and project are known, for the file and its rotated ones."""
    container(tmp_path, ID, config(env=["PATH=/bin", "LOG_TZ=Asia/Shanghai", "TZ=UTC"]), ".1", ".2.gz")
    found = DockerContainers(tmp_path)()
    assert [file.path.name for file in found] == [f"{ID}-json.log", f"{ID}-json.log.1", f"{ID}-json.log.2.gz"]
    assert found[0].source == Source(
        "api",
        "docker",
        "langgenius/dify-api:1.13.3",
        "Asia/Shanghai",
        {
            "container": {
                "id": ID,
                "runtime": "docker",
                "name": "dify-api-1",
                "image": {"name": "langgenius/dify-api", "tag": ["1.13.3"]},
            },
            "orchestrator": {
                "type": "docker-compose",
                "namespace": "dify",
                "resource": {"name": "api", "type": "service"},
            },
        },
    )


@pytest.mark.parametrize("broken", [None, "", "{", "[]", '{"Config": {"Labels": null, "Env": [1]}, "Name": 3}'])
def test_without_a_readable_configuration(tmp_path: Path, broken: str | None) -> None:
    """A container whose configuration cannot be read is known by its id."""
    container(tmp_path, ID, broken)
    assert [file.source for file in DockerContainers(tmp_path)()] == [
        Source(ID[:12], "docker", fields={"container": {"id": ID, "runtime": "docker"}})
    ]


def test_chosen_labels_are_kept(tmp_path: Path) -> None:
    """Labels that the operator names are fields, without dots in their names; all others are not."""
    labels = {"com.example.team": "search", "com.example.cost.center": "7", "maintainer": "somebody"}
    container(tmp_path, ID, config(**labels))
    found = DockerContainers(tmp_path, keep_labels=["com.example.team", "*.cost.*"])()
    assert found[0].source.fields["labels"] == {"com_example_team": "search", "com_example_cost_center": "7"}
    assert "labels" not in DockerContainers(tmp_path)()[0].source.fields


def test_without_compose(tmp_path: Path) -> None:
    """A container outside compose is known by its name."""
    container(tmp_path, ID, config("") | {"Name": "/lonely"})
    source = DockerContainers(tmp_path)()[0].source
    assert (source.service, "orchestrator" in source.fields) == ("lonely", False)


def test_excluded(tmp_path: Path) -> None:
    """Containers are left out by service, by name and by label."""
    container(tmp_path, "a" * 64, config("logship-es"))
    container(tmp_path, "b" * 64, config("") | {"Name": "/logship"})
    container(tmp_path, "c" * 64, config("api", **{"logship.exclude": "true"}))
    container(tmp_path, "d" * 64, config("api"))
    assert [file.path.parent.name for file in DockerContainers(tmp_path)()] == ["d" * 64]


def test_changes_are_seen(tmp_path: Path) -> None:
    """A container that is renamed, rotated or removed is seen, though an unchanged directory is not listed again."""
    directory = container(tmp_path, ID, config("") | {"Name": "/before"})
    containers = DockerContainers(tmp_path)
    assert [file.source.service for file in containers()] == ["before"]
    os.utime(directory, (1, 1))
    assert containers()[0] is containers()[0]
    (directory / "new").write_text(json.dumps(config("") | {"Name": "/after"}))
    (directory / "new").rename(directory / "config.v2.json")
    assert [file.source.service for file in containers()] == ["after"]
    (directory / f"{ID}-json.log").rename(directory / f"{ID}-json.log.1")
    assert [file.path.name for file in containers()] == [f"{ID}-json.log.1"]
    directory.rename(tmp_path.with_name("removed"))
    assert containers() == []


def test_no_directory(tmp_path: Path) -> None:
    """Where Docker is not installed nothing is found, and its directory is waited for."""
    containers = DockerContainers(tmp_path / "missing" / "containers")
    assert (containers(), containers.directories()) == ([], {tmp_path})


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", ":", ""])
def test_an_unknown_zone(tmp_path: Path, zone: str) -> None:
    """A zone that does not exist is UTC."""
    container(tmp_path, ID, config(env=[f"TZ={zone}"]))
    assert DockerContainers(tmp_path)()[0].source.zone == "UTC"


@pytest.mark.parametrize(
    ("image", "fields"),
    [
        ("nginx", {"name": "nginx"}),
        ("nginx:latest", {"name": "nginx", "tag": ["latest"]}),
        ("host:5000/a/b", {"name": "host:5000/a/b"}),
        ("host:5000/a/b:1@sha256:00", {"name": "host:5000/a/b", "tag": ["1"]}),
    ],
)
def test_image(image: str, fields: dict[str, Any]) -> None:
    """A port is no tag, and neither is a digest."""
    assert image_fields(image) == fields
