"""What nginx, plugin_daemon and redis write: formats that are not Python's."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime

_ACCESS = (
    ("POST /v1/chat-messages HTTP/1.1", 200, 5120),
    ("GET /console/api/apps?page=1&limit=30 HTTP/1.1", 200, 8211),
    ("POST /console/api/login HTTP/1.1", 401, 97),
    ("GET /apps HTTP/1.1", 304, 0),
    ("GET /console/api/oauth/authorize/github?code=4f1c0ffee&state=9a8b HTTP/1.1", 302, 0),
    ("DELETE /console/api/apps/0b5c7a10-1111-4222-8333-944455556666 HTTP/1.1", 204, 0),
)


def _now() -> datetime:
    return datetime.now(UTC)


class _Plain:
    """A service that writes lines to stdout and stderr."""

    def __init__(self) -> None:
        self.chance = random.Random(type(self).__name__)  # noqa: S311  # not for secrets

    def out(self, line: str) -> int:
        """Write a line to stdout; returns 1, the number of events."""
        sys.stdout.write(line + "\n")
        return 1

    def err(self, line: str) -> int:
        """Write a line to stderr; returns 1, the number of events."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
        return 1


class Nginx(_Plain):
    """Access lines on stdout, error lines on stderr, as in the official image."""

    def start(self) -> int:
        """Write the notice of the start."""
        return self.err(f'{_now():%Y/%m/%d %H:%M:%S} [notice] 1#1: using the "epoll" event method')

    def step(self, number: int) -> tuple[int, float]:
        """Answer a request; now and then the upstream does not answer in time."""
        client = f"203.0.113.{self.chance.randrange(1, 40)}"
        pause = self.chance.uniform(0.05, 0.25)
        if number % 11 == 6:
            events = self.err(
                f"{_now():%Y/%m/%d %H:%M:%S} [error] 29#29: *{number} upstream timed out (110: Operation timed out) "
                f'while reading response header from upstream, client: {client}, server: _, request: "POST '
                '/v1/chat-messages HTTP/1.1", upstream: "http://172.18.0.9:5001/v1/chat-messages", '
                'host: "dify.example.com"'
            )
            return events + self._access(client, "POST /v1/chat-messages HTTP/1.1", 504, 167), pause
        return self._access(client, *self.chance.choice(_ACCESS)), pause

    def _access(self, client: str, request: str, status: int, size: int) -> int:
        return self.out(
            f'{client} - - [{_now():%d/%b/%Y:%H:%M:%S +0000}] "{request}" {status} {size} '
            '"http://dify.example.com/apps" "Mozilla/5.0 (X11; Linux x86_64)" "-"'
        )


class PluginDaemon(_Plain):
    """The text form of its Go logger, with nanoseconds whose trailing zeros are cut."""

    def start(self) -> int:
        """Write that a plugin is being started."""
        return self._line("INFO", "logger.go:15 local runtime starting plugin=langgenius/openai:0.2.1@6b494d16")

    def step(self, number: int) -> tuple[int, float]:
        """Answer a request of the api; sometimes a plugin does not start."""
        pause = self.chance.uniform(0.5, 1.2)
        if number % 5 == 3:
            text = 'logger.go:24 local runtime start failed plugin=acme/tool:0.0.2@aa error="exit status 1"'
            return self._line("ERROR", text), pause
        trace = f"{self.chance.getrandbits(128):032x}"
        text = (
            f"middleware.go:83 trace_id={trace} tenant_id=aaaaaaaa-1111-4222-8333-444455556666 HTTP request status=200 "
            f"latency_ms={self.chance.randrange(3, 90)} client_ip=172.18.0.9 method=POST "
            "path=/plugin/aaaaaaaa-1111-4222-8333-444455556666/dispatch/llm/invoke"
        )
        return self._line("INFO", text), pause

    def _line(self, level: str, text: str) -> int:
        nanoseconds = f"{_now():%f}000".rstrip("0") or "0"
        return self.out(f"{_now():%Y-%m-%dT%H:%M:%S}.{nanoseconds}Z {level} dify-plugin-daemon {text}")


class Redis(_Plain):
    """Redis 6, with its day-first stamps."""

    def start(self) -> int:
        """Write that it is ready."""
        return self._line("1:M", "*", "Ready to accept connections")

    def step(self, number: int) -> tuple[int, float]:
        """Save in the background."""
        events = self._line("1:M", "*", f"Background saving started by pid {45 + number}")
        events += self._line(f"{45 + number}:C", "*", "DB saved on disk")
        return events, self.chance.uniform(1.5, 3.0)

    def _line(self, who: str, level: str, text: str) -> int:
        now = _now()
        stamp = f"{now:%d %b %Y %H:%M:%S}.{now.microsecond // 1000:03d}"
        return self.out(f"{who} {stamp} {level} {text}")
