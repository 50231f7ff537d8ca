"""
The bare reference loops: what Python alone costs for the same work.

orjson decode, tracebacks joined, one regular expression (or the inner JSON),
orjson encode, and nothing else: no positions, redaction, ledger, compression
or delivery.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

_START = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").match
_LINE = re.compile(
    r"(?P<time>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})(?:,\d{3})?\.(?P<fraction>\d{3}) (?P<level>[A-Z]+) "
    r"\[(?P<thread>[^\]]*)\] \[(?P<file>[^\]]+?):(?P<line>\d+)\] (?:(?P<trace>[0-9a-f]{10,32}) | )?- "
    r"(?P<message>(?s:.*))"
).match
_ACCESS = re.compile(
    r"(?P<message>(?:(?P<ip>[0-9a-fA-F.:]+)|(?P<address>\S+)) - (?:-|(?P<user>[^\[]*)) "
    r"\[(?P<time>\d\d/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    r'"(?:(?P<method>[A-Z][A-Z_-]*) (?P<url>[^"]*?)(?: HTTP/(?P<version>[\d.]+))?|[^"]*)" '
    r"(?P<status>\d{3}) (?:-|(?P<bytes>\d+))"
    r'(?: "(?:-|(?P<referer>[^"]*))" "(?:-|(?P<ua>[^"]*))"(?: "(?:-|(?P<forwarded>[0-9a-fA-F.:]+)?[^"]*)")?)?(?s:.*))'
).match


def _texts(path: Path) -> Iterator[str]:
    with path.open("rb", buffering=1 << 20) as file:
        for raw in file:
            yield orjson.loads(raw)["log"].rstrip("\n")


def api(path: Path) -> int:
    """Join and parse text lines of the api; return the number of events."""
    count = 0
    current: str | None = None

    def emit(text: str) -> bytes:
        """Parse and encode one event."""
        found = _LINE(text)
        assert found
        return orjson.dumps(
            {
                "@timestamp": f"{found['time']}.{found['fraction']}",
                "level": found["level"],
                "thread": found["thread"],
                "file": found["file"],
                "line": found["line"],
                "trace": found["trace"],
                "message": found["message"],
            }
        )

    with path.open("rb", buffering=1 << 20) as file:
        for raw in file:
            text = orjson.loads(raw)["log"].rstrip("\n")
            if _START(text):
                if current is not None:
                    emit(current)
                    count += 1
                current = text
            else:
                current = f"{current}\n{text}"
    if current is not None:
        emit(current)
        count += 1
    return count


def nginx(path: Path) -> int:
    """Parse access lines; return the number of events."""
    count = 0
    for text in _texts(path):
        found = _ACCESS(text)
        assert found
        fields: dict[str, Any] = found.groupdict()
        fields["status"] = int(fields["status"])
        fields["bytes"] = int(fields["bytes"])
        orjson.dumps(fields)
        count += 1
    return count


def json(path: Path) -> int:
    """Decode the api's JSON lines; return the number of events."""
    count = 0
    for text in _texts(path):
        found = orjson.loads(text)
        file, _, line = found["caller"].rpartition(":")
        orjson.dumps(
            {
                "@timestamp": found["ts"],
                "level": found["severity"],
                "service": found["service"],
                "file": file,
                "line": line,
                "message": found["message"],
                "trace": found.get("trace_id"),
                "identity": found.get("identity"),
                "source": found.get("error_source"),
                "stack": found.get("stack_trace"),
            }
        )
        count += 1
    return count


LOOPS: dict[str, Callable[[Path], int]] = {"api": api, "nginx": nginx, "json": json}


if __name__ == "__main__":
    events = LOOPS[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.write(f"{events} {time.process_time()}\n")
