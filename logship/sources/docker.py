"""
Which containers to read, from Docker's own directory; no socket.

`<root>/<id>/<id>-json.log*` are the lines, `config.v2.json` says whose they are.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from logship.model import Source
from logship.sources.discovery import COMPRESSED, Found

ROOT = Path("/var/lib/docker/containers")
EXCLUDE = ("logship*",)
EXCLUDE_LABEL = "logship.exclude"
#: What to do where the folder of containers cannot be read.
CONTAINERS_HINT = (
    "run as root; in a container, mount Docker's folder read-only at containers.root; "
    "for no containers, containers.enabled: false"
)
#: A directory that changed less than this many seconds ago is listed again: two changes can have one time stamp.
_FRESH = 2.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A container's directory as it was listed."""

    changed: float
    files: list[Found]


class DockerContainers:
    """Find the log files of containers, each time it is called; a directory that did not change is not listed again."""

    def __init__(
        self, root: Path = ROOT, exclude_names: Sequence[str] = EXCLUDE, keep_labels: Sequence[str] = ()
    ) -> None:
        self._root = root
        self._exclude = exclude_names
        #: Names of labels that documents carry; `*` stands for anything.
        self._keep = keep_labels
        self._seen: dict[str, _Seen] = {}

    def __call__(self) -> list[Found]:
        """Return the log files of every container that is not excluded."""
        before, self._seen = self._seen, {}
        now = time.time()
        for entry in _list(self._root):
            try:
                changed = os.stat(entry.path).st_mtime  # noqa: PTH116  # no Path for each of many
            except OSError:
                continue
            seen = before.get(entry.name)
            if seen is None or seen.changed != changed or now - changed < _FRESH:
                seen = _Seen(changed, self._files(entry.name, Path(entry.path)))
            self._seen[entry.name] = seen
        return [file for seen in self._seen.values() for file in seen.files]

    def directories(self) -> set[Path]:
        """Return the directory in which a container may appear, and those of the containers."""
        if unreadable(self._root):
            return {next(parent for parent in self._root.absolute().parents if os.path.isdir(parent))}  # noqa: PTH112  # as above
        return {self._root, *(self._root / name for name in self._seen)}

    def _files(self, identifier: str, directory: Path) -> list[Found]:
        prefix = f"{identifier}-json.log"
        names = [
            entry.name
            for entry in _list(directory)
            if entry.name.startswith(prefix) and not entry.name.endswith(COMPRESSED)
        ]
        if not names:
            return []
        source = self._source(identifier, directory / "config.v2.json")
        return [Found(directory / name, source) for name in sorted(names)] if source is not None else []

    def _source(self, identifier: str, path: Path) -> Source | None:
        """Describe a container, with its id alone when its configuration cannot be read; None when it is excluded."""
        try:
            loaded = orjson.loads(path.read_bytes())
        except (OSError, ValueError):
            loaded = None
        config = _mapping(loaded)
        name = _text(config.get("Name")).removeprefix("/")
        details = _mapping(config.get("Config"))
        labels = _mapping(details.get("Labels"))
        service = _text(labels.get("com.docker.compose.service"))
        if _text(labels.get(EXCLUDE_LABEL)).lower() in ("1", "true", "yes"):
            return None
        if any(fnmatch(label, pattern) for label in (service, name) if label for pattern in self._exclude):
            return None
        image = _text(details.get("Image"))
        container: dict[str, Any] = {"id": identifier, "runtime": "docker"}
        if name:
            container["name"] = name
        if image:
            container["image"] = image_fields(image)
        fields: dict[str, Any] = {"container": container}
        project = _text(labels.get("com.docker.compose.project"))
        if project:
            fields["orchestrator"] = {
                "type": "docker-compose",
                "namespace": project,
                "resource": {"name": service, "type": "service"},
            }
        kept = {
            # ECS wants no dots in a label's name.
            label.replace(".", "_"): _text(value)
            for label, value in labels.items()
            if any(fnmatch(label, pattern) for pattern in self._keep)
        }
        if kept:
            fields["labels"] = kept
        return Source(service or name or identifier[:12], "docker", image, _zone(details.get("Env")), fields)


def unreadable(root: Path) -> OSError | None:
    """Return why a folder of containers cannot be listed; None when it can."""
    try:
        os.scandir(root).close()
    except OSError as error:
        return error
    return None


def _list(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def image_fields(image: str) -> dict[str, Any]:
    """Split an image's reference into ECS's name and tags; a digest is no tag."""
    name = image.partition("@")[0]
    tag = re.search(r":([^:/]+)$", name)
    if tag is None:
        return {"name": name}
    return {"name": name[: tag.start()], "tag": [tag[1]]}


def _zone(environment: object) -> str:
    """Return the zone that a container's stamps are in: LOG_TZ, else TZ, else UTC."""
    items = environment if isinstance(environment, list) else []
    values = dict(item.split("=", 1) for item in items if isinstance(item, str) and "=" in item)
    for name in ("LOG_TZ", "TZ"):
        zone = values.get(name, "").removeprefix(":")
        try:
            if zone:
                return ZoneInfo(zone).key
        except (OSError, ValueError, ZoneInfoNotFoundError):
            continue
    return "UTC"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
