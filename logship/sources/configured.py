"""Discoveries of what an operator names: paths on the command line, files and Dify's LOG_FILE."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from logship.errors import ConfigError
from logship.model import Envelope
from logship.sources.discovery import COMPRESSED, PathPatterns
from logship.sources.docker import DockerContainers

Discovery = PathPatterns | DockerContainers
#: How lines are wrapped; `auto`: told by each file's first bytes.
Wrapping = Envelope | Literal["auto"]

_COMPRESSED = ("*.zst", "*.bz2", "*.xz")


def given(paths: Sequence[str], *, service: str, envelope: Wrapping, zone: str) -> PathPatterns:
    """Find the files of a command line; raises ConfigError when one that is no glob does not exist, or is no file."""
    named = [path for path in paths if Path(path).exists()]
    missing = [path for path in paths if path not in named and not glob.has_magic(path)]
    if missing:
        raise ConfigError(f"no such file: {', '.join(missing)}", "quote a glob that is to match files made later")
    others = [path for path in named if not Path(path).is_file()]
    if others:
        raise ConfigError(f"not a file: {', '.join(others)}", "name files, or a glob such as 'logs/*.log'")
    # A name that exists is not a glob, whatever its signs.
    patterns = [glob.escape(_absolute(path)) if path in named else _absolute(path) for path in paths]
    return PathPatterns(patterns, service=service, envelope=_known(envelope), zone=zone)


def require(paths: Sequence[str]) -> None:
    """Raise ConfigError when a glob matches nothing, for a reader that does not wait for files made later."""
    absent = [path for path in paths if not Path(path).exists() and not glob.glob(path, recursive=True)]  # noqa: PTH207
    if absent:
        raise ConfigError(f"no file matches: {', '.join(absent)}", "without --once the agent waits for one")


def unread(paths: Sequence[str]) -> list[str]:
    """Return which of the named files are compressed in a way that is not read."""
    return [path for path in paths if path.endswith(COMPRESSED) and not glob.has_magic(path)]


def files(
    path: str,
    exclude: Sequence[str],
    *,
    service: str,
    envelope: Wrapping,
    zone: str,
    encoding: str = "auto",
    delimiter: str = "\n",
    at_end: bool = False,
) -> PathPatterns:
    """Find the files of one entry of `files`; with an encoding or delimiter of its own they are plain text."""
    special = encoding not in ("auto", "utf-8") or delimiter != "\n"
    return PathPatterns(
        named(path),
        [*exclude, *_COMPRESSED],
        service=service,
        envelope="plain" if special and envelope == "auto" else _known(envelope),
        zone=zone,
        encoding=encoding,
        delimiter=delimiter,
        entry=path if at_end else "",
    )


def log_file(path: Path, *, service: str, zone: str) -> PathPatterns:
    """Find the file that Dify writes, and its rotations."""
    return PathPatterns(
        rotated(path), _COMPRESSED, service=service, envelope="plain", zone=zone, encoding="utf-8"
    )


def named(path: str) -> list[str]:
    """Return the patterns of one entry of `files`."""
    return [_absolute(path)]


def rotated(path: Path) -> list[str]:
    """Return the patterns of the file that Dify writes, and of its rotations."""
    name = _absolute(path)
    return [name, f"{name}.*"]


def has_output(sources: Sequence[Discovery], services: Collection[str]) -> bool:
    """Return whether the output of a container of one of these services is read."""
    files = (file.source for source in sources for file in source())
    return any(file.envelope != "plain" and file.service in services for file in files)


def _absolute(path: str | Path) -> str:
    return os.path.normpath(Path(path).absolute())


def _known(envelope: Wrapping) -> Envelope | None:
    return None if envelope == "auto" else envelope
