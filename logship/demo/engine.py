"""
What a Docker Engine does with the output of its containers, without one: `python -m logship.demo.engine DIRECTORY`.

Reads a list of containers from standard input (`Container` as JSON), starts each
as a process, and writes what it prints into `DIRECTORY/<id>/<id>-json.log`, as the
json-file driver does: one record a line, cut at 16 KiB, both streams, rotated by
size; beside it `config.v2.json` and `hostconfig.json`. SIGTERM stops the containers.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO

import orjson

#: Bytes after which the json-file driver begins a new record.
PART = 16 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """A container to run."""

    id: str
    service: str
    image: str
    command: list[str]
    environment: dict[str, str]
    #: Rotation, as `max-size` and `max-file` of the driver.
    max_size: int
    max_file: int
    project: str = "dify"

    @property
    def name(self) -> str:
        """Return the name that compose gives it."""
        return f"{self.project}-{self.service}-1"


class JsonFile:
    """The json-file driver's log of one container; both streams write it."""

    def __init__(self, path: Path, max_size: int, max_file: int) -> None:
        self._path = path
        self._max_size = max_size
        self._max_file = max_file
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)

    def write(self, text: bytes, stream: str) -> None:
        """Append one record."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        record = {"log": text.decode("utf-8", "replace"), "stream": stream, "time": stamp}
        with self._lock:
            if self._file.tell() >= self._max_size:
                self._rotate()
            self._file.write(orjson.dumps(record) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._max_file - 1, 1, -1):
            older = self._path.with_name(f"{self._path.name}.{number - 1}")
            if older.exists():
                older.rename(self._path.with_name(f"{self._path.name}.{number}"))
        self._path.rename(self._path.with_name(f"{self._path.name}.1"))
        self._file = self._path.open("ab", buffering=0)


def copy(stream: IO[bytes], name: str, log: JsonFile) -> None:
    """Copy a container's stream, record by record, until it ends."""
    rest = b""
    while read := os.read(stream.fileno(), PART):
        rest += read
        while b"\n" in rest[:PART] or len(rest) >= PART:
            end = rest.find(b"\n", 0, PART) + 1 or PART
            log.write(rest[:end], name)
            rest = rest[end:]
    if rest:
        log.write(rest, name)


def prepare(directory: Path, container: Container) -> JsonFile:
    """Make a container's folder; its configuration is there before its log."""
    folder = directory / container.id
    folder.mkdir(parents=True, mode=0o710)
    path = folder / f"{container.id}-json.log"
    _write(folder / "config.v2.json", _config(container, path), 0o600)
    driver = {"Type": "json-file", "Config": {"max-size": str(container.max_size), "max-file": str(container.max_file)}}
    _write(folder / "hostconfig.json", {"Binds": None, "LogConfig": driver, "NetworkMode": "default"}, 0o644)
    return JsonFile(path, container.max_size, container.max_file)


def _write(path: Path, content: dict[str, object], mode: int) -> None:
    path.touch(mode=mode)
    path.write_bytes(orjson.dumps(content))


def _config(container: Container, log: Path) -> dict[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    labels = {
        "com.docker.compose.project": container.project,
        "com.docker.compose.service": container.service,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.version": "5.6.1",
    }
    return {
        "StreamConfig": {},
        "State": {"Running": True, "Paused": False, "Restarting": False, "OOMKilled": False, "Dead": False,
                  "ExitCode": 0, "Error": "", "StartedAt": now, "FinishedAt": "0001-01-01T00:00:00Z", "Health": None},
        "ID": container.id,
        "Created": now,
        "Managed": False,
        "Path": container.command[0],
        "Args": container.command[1:],
        "Config": {"Hostname": container.id[:12], "User": "", "Tty": False, "OpenStdin": False,
                   "Env": [f"{name}={value}" for name, value in container.environment.items()],
                   "Cmd": container.command, "Image": container.image, "Volumes": None, "WorkingDir": "",
                   "Entrypoint": None, "OnBuild": None, "Labels": labels},
        "Image": f"sha256:{container.id[::-1]}",
        "LogPath": str(log),
        "Name": f"/{container.name}",
        "Driver": "overlay2",
        "OS": "linux",
        "RestartCount": 0,
        "HasBeenStartedBefore": True,
        "HasBeenManuallyStopped": False,
        "MountPoints": {},
    }  # fmt: skip


def main() -> int:
    """Run the containers until the last one ends."""
    directory = Path(sys.argv[1])
    containers = [Container(**one) for one in orjson.loads(sys.stdin.buffer.read())]
    logs = [prepare(directory, container) for container in containers]
    processes: list[subprocess.Popen[bytes]] = []

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, on_signal)
    threads = []
    for container, log in zip(containers, logs, strict=True):
        process = subprocess.Popen(
            container.command,
            env={**os.environ, **container.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            if stream is not None:
                threads.append(threading.Thread(target=copy, args=(stream, name, log)))
                threads[-1].start()
    for thread in threads:
        thread.join()
    failed = [process.wait() for process in processes]
    for log in logs:
        log.close()
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
