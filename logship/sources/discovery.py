"""Which files to read: paths and patterns given by the operator."""

from __future__ import annotations

import codecs
import errno
import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath

from logship.model import Envelope, Source
from logship.sources import kubernetes
from logship.sources.unpacked import Unpacked

GZIP = ".gz"
#: Compressed files that are not read.
COMPRESSED = (".zst", ".bz2", ".xz", ".zip")
_DOCKER_RECORD = b'{"log":'
_CRI_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) std(?:out|err) [PF][: \n]")
_CRI_START = re.compile(rb"\d{4}-\d\d-\d\dT[\dZ:.+-]*(?: [a-z]*(?: [PF]?)?)?")
#: Longer than all that stands before a CRI line's text.
_LOOK = 64
#: Encodings that a file's byte order mark tells, and what is meant where there is none.
_BY_MARK = {"auto": "utf-8", "utf-16": "utf-16-le"}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read, and what is known about its lines."""

    path: Path
    source: Source
    #: The entry of `files` that begins at the end of what is there at its first start; empty: any other.
    entry: str = ""


class PathPatterns:
    """
    Find the files that match patterns, each time it is called.

    `*`, `?`, `[…]` and `**` are understood. A pattern without a slash in
    `exclude` is compared with the file's name, any other with its whole path.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        exclude: Sequence[str] = (),
        *,
        service: str = "",
        envelope: Envelope | None = None,
        zone: str = "UTC",
        encoding: str = "auto",
        delimiter: str = "\n",
        entry: str = "",
    ) -> None:
        self._patterns = [os.path.normpath(pattern) for pattern in patterns]
        self._exclude = [os.path.normpath(pattern) for pattern in exclude]
        self._service = service
        self._envelope = envelope
        self._zone = zone
        self._encoding = encoding
        self._delimiter = delimiter
        self._entry = entry
        self._settled: dict[str, Found | None] = {}

    def __call__(self) -> list[Found]:
        """Return what matches now; a file that was seen before is not opened again."""
        before, self._settled = self._settled, {}
        found: dict[str, Found] = {}
        for path in self._matches():
            if path in before:
                self._settled[path] = file = before[path]
            else:
                file = self._look(path)
            if file is not None:
                found[path] = file
        return list(found.values())

    def directories(self) -> set[Path]:
        """Return the directories in which a matching file, or a directory on the way to one, may appear."""
        found: set[Path] = set()
        for pattern in self._patterns:
            way, here = PurePath(pattern), True
            while way != way.parent:
                if here or glob.has_magic(way.name):
                    there = {Path(name) for name in _expand(str(way.parent)) if os.path.isdir(name)}  # noqa: PTH112  # False where it may not be looked at
                    found |= there
                    here = not there  # as long as it is not there, the directory in which it will appear
                way = way.parent
        return found

    def _matches(self) -> Iterator[str]:
        for pattern in self._patterns:
            yield from _expand(pattern)

    def _look(self, path: str) -> Found | None:
        if path.endswith(COMPRESSED) or self._excluded(path):
            self._settled[path] = None
            return None
        start = _first_bytes(path) if self._envelope is None or self._encoding in _BY_MARK else b""
        envelope = self._envelope or _envelope_of(start)
        encoding = _encoding_of(start, self._encoding)
        container, fields = kubernetes.describe(path)
        source = Source(
            self._service or container or service_of(path),
            envelope or "plain",
            zone=self._zone,
            encoding=encoding or _BY_MARK[self._encoding],
            delimiter=self._delimiter,
            fields=fields,
        )
        found = Found(Path(path), source, self._entry)
        if envelope is not None and encoding is not None:
            self._settled[path] = found
        return found

    def _excluded(self, path: str) -> bool:
        name = PurePath(path).name
        return any(fnmatch(path if "/" in pattern else name, pattern) for pattern in self._exclude)


def _expand(pattern: str) -> Iterator[str]:
    return glob.iglob(pattern, recursive=True) if glob.has_magic(pattern) else iter([pattern])  # noqa: PTH207  # absolute patterns


def service_of(path: str) -> str:
    """Derive a service name from a file's name: `api.log.1` is of `api`."""
    name = PurePath(path).name
    return re.sub(r"[^a-z0-9_-]+", "-", name.lstrip(".").partition(".")[0].lower()).strip("-") or "unknown"


def detect_envelope(path: str) -> Envelope | None:
    """Tell by its first bytes how a file's lines are wrapped; None while there are too few, or none can be read."""
    return _envelope_of(_first_bytes(path))


def _first_bytes(path: str) -> bytes:
    """Return a file's first bytes, unpacked; none when they cannot be had."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return b""
    try:
        return Unpacked(descriptor).take(_LOOK) if path.endswith(GZIP) else os.pread(descriptor, _LOOK, 0)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _encoding_of(start: bytes, named: str) -> str | None:
    """Tell a file's encoding by its first bytes, where it is not named; None while there are too few."""
    if named not in _BY_MARK:
        return named
    few = any(len(start) < len(mark) and mark.startswith(start) for mark in _MARKS)
    return None if few else _MARKS.get(start[:2], _BY_MARK[named])


def _envelope_of(start: bytes) -> Envelope | None:
    if start.startswith(_DOCKER_RECORD):
        return "docker"
    if _CRI_LINE.match(start):
        return "cri"
    few = _DOCKER_RECORD.startswith(start) or (len(start) < _LOOK and _CRI_START.fullmatch(start))
    return None if few else "plain"


def open_regular(path: str | Path) -> int:
    """Open a file for reading, without ever waiting; raises OSError for anything but a regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor
