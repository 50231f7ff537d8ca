"""`logship tail` as a service: a real process with a configuration file and a service manager's socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

from logship.delivery.bulk import documents
from logship.ledger.ledger import Ledger


class Service:
    """One agent in `folder`, reading `logs/*.log*`; its log is kept, and what it tells the service manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.state = folder / "state"
        self.config = folder / "logship.yaml"
        self.logs.mkdir()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(30)
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, more: str = "", *, store: bool = False) -> None:
        """Write the configuration."""
        text = f"state_dir: {self.state}\nfiles:\n  - {{path: '{self.logs}/*.log*', service: api}}\n"
        enabled = str(store).lower()
        self.config.write_text(f"{text}containers: {{enabled: false}}\nstore: {{enabled: {enabled}}}\n{more}")

    def start(self, **environment: str) -> None:
        """Start it, and wait until it says that it is ready."""
        env = os.environ | {"NOTIFY_SOCKET": str(self.folder / "notify"), **environment}
        words = [sys.executable, "-m", "logship", "--config", str(self.config), "tail", "--output", "none"]
        with (self.folder / "agent.log").open("ab") as output:
            self.process = subprocess.Popen(words, env=env, stdout=output, stderr=output)
        while "READY=1" not in self.told():
            pass  # the watchdog may be told first

    def told(self) -> list[str]:
        """Return what it tells the service manager next."""
        return self.manager.recv(4096).decode().split("\n")

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        assert self.process is not None
        self.signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.manager.close()

    def log(self, message: str) -> list[dict]:
        """Return what it logged under a message."""
        lines = (self.folder / "agent.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["message"] == message]

    def messages(self) -> Counter:
        """Count the texts of the documents in the ledger."""
        found: Counter = Counter()
        if (self.state / "ledger.db").exists():
            with Ledger.open(self.state, readonly=True) as ledger:
                for batch in ledger.after(0, limit=1 << 30):
                    found.update(json.loads(body)["message"] for _, body in documents(batch))
        return found
