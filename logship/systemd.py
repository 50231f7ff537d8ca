"""What a service tells systemd: sd_notify(3) and sd_watchdog_enabled(3), one datagram each; silent without systemd."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


def notify(*assignments: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send assignments such as `READY=1` to the service manager; False when there is none, or it does not listen."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    if address[0] == "@":  # an abstract socket (unix(7))
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto("\n".join(assignments).encode(), socket.MSG_NOSIGNAL, address)
    except OSError:
        return False
    return True


def reloading() -> bool:
    """Say that the configuration is being read anew; READY=1 says that it was (Type=notify-reload needs the time)."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float:
    """Return after how many seconds without WATCHDOG=1 the service manager ends this process; 0: never."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0
