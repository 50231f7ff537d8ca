"""Discoveries of what an operator names: paths on the command line, files and Dify's LOG_FILE."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from logship.errors import ConfigError
from logship.model import Envelope
from logship.sources.discovery import PathPatterns
from logship.sources.docker import DockerContainers

Discovery = PathPatterns | DockerContainers
#: How lines are wrapped; `auto`: told by each file's first bytes.
Wrapping = Envelope | Literal["auto"]

_COMPRESSED = ("*.gz", "*.zst", "*.bz2", "*.xz")


def given(paths: Sequence[str], *, service: str, envelope: Wrapping, zone: str) -> PathPatterns:
    """Find the files of a command line; raises ConfigError when one that is no glob does not exist."""
    missing = [path for path in paths if not any(mark in path for mark in "*?[") and not Path(path).exists()]
    if missing:
        raise ConfigError(f"no such file: {', '.join(missing)}", "quote a glob that is to match files made later")
    return PathPatterns([_absolute(path) for path in paths], service=service, envelope=_known(envelope), zone=zone)


def files(path: str, exclude: Sequence[str], *, service: str, envelope: Wrapping, zone: str) -> PathPatterns:
    """Find the files of one entry of `files`."""
    patterns, without = [_absolute(path)], [*exclude, *_COMPRESSED]
    return PathPatterns(patterns, without, service=service, envelope=_known(envelope), zone=zone)


def log_file(path: Path, *, service: str, zone: str) -> PathPatterns:
    """Find the file that Dify writes, and its rotations."""
    name = _absolute(path)
    return PathPatterns([name, f"{name}.*"], _COMPRESSED, service=service, envelope="plain", zone=zone)


def _absolute(path: str | Path) -> str:
    return os.path.normpath(Path(path).absolute())


def _known(envelope: Wrapping) -> Envelope | None:
    return None if envelope == "auto" else envelope
