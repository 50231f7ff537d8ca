"""Docker's folder: can it be read, do the containers write what logship reads, who limits their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import orjson

from logship.doctor.finding import Finding
from logship.sources.docker import CONTAINERS_HINT, unreadable

#: Log drivers that write the file that logship reads.
_READ = ("json-file", "")


@dataclass(frozen=True, slots=True)
class Container:
    """What Docker's files say of one container."""

    name: str
    service: str
    #: Its log driver.
    driver: str


def containers(root: Path) -> Iterator[Container]:
    """Read the containers' `hostconfig.json` and `config.v2.json`."""
    for directory in sorted(root.iterdir()):
        host, own = _json(directory / "hostconfig.json"), _json(directory / "config.v2.json")
        if host:
            log = _mapping(host.get("LogConfig"))
            labels = _mapping(_mapping(own.get("Config")).get("Labels"))
            yield Container(
                str(own.get("Name") or directory.name[:12]).removeprefix("/"),
                str(labels.get("com.docker.compose.service") or ""),
                str(log.get("Type") or ""),
            )


def docker(root: Path, enabled: object, exclude: Sequence[str]) -> Iterator[Finding]:
    """Look at Docker's folder, and at the log driver of each container that is not excluded."""
    if not enabled:
        yield Finding("ok", "containers", "are not read (containers.enabled is false)")
        return
    error = unreadable(root)
    if isinstance(error, FileNotFoundError) and enabled == "auto":
        yield Finding("ok", str(root), "is not there: no containers are read")
        return
    if error is not None:
        yield Finding("problem", str(root), f"cannot be read: {error.strerror}", CONTAINERS_HINT)
        return
    found = [
        one for one in containers(root)
        if not any(fnmatch(name, pattern) for name in (one.service, one.name) if name for pattern in exclude)
    ]  # fmt: skip
    for one in found:
        if one.driver not in _READ:
            what = f"uses the log driver {one.driver}, which writes no json-file: none of its lines reach logship"
            step = "set `logging: {driver: json-file}` for it in the compose file, and recreate it"
            yield Finding("problem", f"container {one.name}", what, step)
    read = sum(one.driver in _READ for one in found)
    yield Finding("ok", str(root), f"can be read; {read} of {len(found)} containers write json-files")


def _json(path: Path) -> dict[str, Any]:
    try:
        return _mapping(orjson.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
