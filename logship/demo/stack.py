"""The demo's stack: which containers it has, where they write, and how the agent is told to read them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from logship.demo.engine import Container
from logship.errors import LogshipError

#: Service and image. All are read from their container's log but the worker, which is read from its LOG_FILE.
SERVICES = {
    "api": "langgenius/dify-api:1.13.3",
    "api_websocket": "langgenius/dify-api:1.13.3",
    "worker": "langgenius/dify-api:1.13.3",
    "nginx": "nginx:latest",
    "plugin_daemon": "langgenius/dify-plugin-daemon:0.5.3-local",
    "redis": "redis:6-alpine",
}
#: Seconds that the processes get to end after they were told to.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the demo's files are."""

    root: Path

    @property
    def containers(self) -> Path:
        """Return what stands for Docker's folder of containers."""
        return self.root / "containers"

    @property
    def log_file(self) -> Path:
        """Return the worker's LOG_FILE."""
        return self.root / "logs" / "worker" / "server.log"

    @property
    def config(self) -> Path:
        """Return the agent's configuration."""
        return self.root / "logship.yaml"

    @property
    def state(self) -> Path:
        """Return the agent's state directory."""
        return self.root / "state"

    def prepare(self) -> None:
        """Write the agent's configuration."""
        settings = {
            "state_dir": str(self.state),
            "containers": {"enabled": True, "root": str(self.containers), "exclude": ["worker"]},
            "log_file": {"path": str(self.log_file), "service": "worker"},
        }
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        self.containers.mkdir()
        (self.root / "written").mkdir()

    @contextmanager
    def running(self, seconds: float, *, long_lines: bool) -> Iterator[subprocess.Popen[bytes]]:
        """Start every container for so many seconds; what still runs at the end is stopped."""
        # A session of its own: Ctrl-C ends the stream on the terminal, and the stack is then stopped in order.
        engine = subprocess.Popen(
            [sys.executable, "-m", "logship.demo.engine", str(self.containers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            if engine.stdin is not None:
                engine.stdin.write(orjson.dumps([self._container(name, seconds, long_lines) for name in SERVICES]))
                engine.stdin.close()
            yield engine
        finally:
            end(engine)
            if engine.stderr is not None:
                engine.stderr.close()

    def written(self) -> dict[str, int]:
        """Return how many events each service says that it wrote; raises LogshipError when one did not say."""
        found = {}
        for service in SERVICES:
            path = self.root / "written" / f"{service}.json"
            try:
                found[service] = int(orjson.loads(path.read_bytes())["events"])
            except OSError:
                raise LogshipError(f"the demo's {service} ended before its time", f"see {self.root}") from None
        return found

    def _container(self, service: str, seconds: float, long_lines: bool) -> Container:
        environment = {"LOG_LEVEL": "INFO", "LOG_TZ": "UTC", "PYTHONUNBUFFERED": "1"}
        if service == "worker":
            # Small enough to be rotated while one looks on; enough backups that none is evicted.
            environment |= {
                "LOG_FILE": str(self.log_file),
                "LOG_FILE_MAX_SIZE": "0.01",
                "LOG_FILE_BACKUP_COUNT": "50",
            }
        elif service == "api_websocket":
            environment["LOG_OUTPUT_FORMAT"] = "json"
        if long_lines:
            environment["DEMO_LONG_LINES"] = "1"
        command = [sys.executable, "-m", "logship.demo.service", service, "--seconds", str(seconds)]
        return Container(
            id=hashlib.sha256(f"{self.root}/{service}".encode()).hexdigest(),
            service=service,
            image=SERVICES[service],
            command=[*command, "--written", str(self.root / "written" / f"{service}.json")],
            environment=environment,
            # nginx's log is rotated while one looks on; its events are single lines, which no rotation can divide.
            max_size=6_000 if service == "nginx" else 10_000_000,
            max_file=50,
        )


def end(process: subprocess.Popen[bytes]) -> int:
    """Stop a process in order, or else at once; returns its exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
