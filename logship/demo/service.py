"""
One service of the demo's stack, as a process: `python -m logship.demo.service NAME --seconds N --written FILE`.

It writes what the service of that name writes, until the time is up or SIGTERM
comes, and leaves the number of events it wrote in FILE.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Protocol

from logship.demo import dify, dify_logging, others


class Service(Protocol):
    """What a service does: `step` writes a few events and returns how many, and how long to wait then."""

    def start(self) -> int:
        """Write what is written once, at the start."""

    def step(self, number: int) -> tuple[int, float]:
        """Write the next events."""


SERVICES: dict[str, type[Service]] = {
    "api": dify.Api,
    "api_websocket": dify.Websocket,
    "worker": dify.Worker,
    "nginx": others.Nginx,
    "plugin_daemon": others.PluginDaemon,
    "redis": others.Redis,
}


def main() -> None:
    """Run one service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SERVICES)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--written", type=Path, required=True)
    arguments = parser.parse_args()
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    dify_logging.configure(os.environ)
    service = SERVICES[arguments.name]()
    deadline = time.monotonic() + arguments.seconds
    events = service.start()
    number = 0
    while not stop.is_set() and time.monotonic() < deadline:
        written, pause = service.step(number)
        events += written
        number += 1
        sys.stdout.flush()
        stop.wait(pause)
    arguments.written.write_text(json.dumps({"service": arguments.name, "events": events}), encoding="utf-8")


if __name__ == "__main__":
    main()
