"""
Kill the agent at each call of a rotation that changes a file, on one file system.

`python -m rotation.crash_points SITE COMPRESS STEP`: SITE/logs is a disk that can remove the head of a file. For each
point: a file is read by one cycle of the agent, a second cycle that rotates it is killed by strace at its n-th change,
a third goes on with the same file. STEP 3 leaves out two of three. Prints a line of JSON for each: whether it was
killed, and what was wrong afterwards.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
from conformance import crash_points
from conformance.harness import Site
from rotation.conftest import numbered, whole
from rotation.writer import line

from logship.agent import Agent
from logship.app import build
from logship.config.settings import FileSource, Rotation

CALLS = "write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink,copy_file_range,fallocate,fchmod,fchown"
#: Lines that each cycle finds.
LINES = 1100
BACKUPS = 3


def made(site: Site, name: str, *, rotate: bool, compress: str) -> Agent:
    """Put the agent together."""
    rotation = "managed" if rotate else "none"
    source = FileSource(path=str(site.logs / f"{name}*"), service="app", envelope="plain", rotation=rotation)
    options = Rotation(max_size=65536, backup_count=BACKUPS, compress=compress, assume_append=True)
    return build(site.settings(source, rotation=options))


def cycle(site: Site, name: str, *, rotate: bool, compress: str) -> None:
    """Read everything there is, as `logship tail --once` does."""
    made(site, name, rotate=rotate, compress=compress).once()


def killed_at(number: int, site: Site, name: str, compress: str) -> bool:
    """Rotate in a process of its own that ends at its n-th change; return whether it did."""
    return crash_points.killed_at(number, lambda: made(site, name, rotate=True, compress=compress).once, CALLS)


def append(site: Site, name: str, first: int, last: int) -> None:
    """Append numbered lines."""
    site.write(name, *(line(number).decode() for number in range(first, last)))


def wrong(site: Site, name: str, lines: int) -> list[str]:
    """Return what is not as if nothing had happened."""
    live = site.logs / name
    everything = b"".join(line(number) for number in range(lines))
    expected, offset = [], 0
    for number in range(lines):
        expected.append((offset, line(number).decode().rstrip("\n")))
        offset += len(line(number))
    found = [(document.offset, document.message) for document in site.documents()]
    complaints = []
    if found != expected:
        complaints.append(f"{len(found)} documents instead of {len(expected)}, or others")
    left = whole(live)
    if not everything.endswith(left):
        complaints.append("backups and file are not the end of what was written")
    if len(numbered(live)) > BACKUPS:
        complaints.append(f"{len(numbered(live))} backups")
    if len(left) < BACKUPS * 65536:
        complaints.append(f"only {len(left)} bytes are left")
    if [one for one in site.logs.iterdir() if one.name.endswith(".logship")]:
        complaints.append("an unfinished backup was left behind")
    if not site.books().closes:
        complaints += site.books().problems
    return complaints


def main(folder: Path, compress: str, step: int) -> None:
    """Try the points, one after the other on one file, until a cycle ends by itself."""
    site, name, lines = Site(folder), "app.log", 0
    for _ in range(3):  # backups to be renumbered, and one to be deleted
        append(site, name, lines, lines + LINES)
        lines += LINES
        cycle(site, name, rotate=True, compress=compress)
    number, killed = 1 - step, True
    while killed:
        number += step
        append(site, name, lines, lines + LINES)
        cycle(site, name, rotate=False, compress=compress)
        killed = killed_at(number, site, name, compress)
        append(site, name, lines + LINES, lines + LINES + 10)
        lines += LINES + 10
        cycle(site, name, rotate=True, compress=compress)
        result = {"point": number, "killed": killed, "wrong": wrong(site, name, lines)}
        sys.stdout.buffer.write(orjson.dumps(result) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
