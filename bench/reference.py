"""
The bare reference loop: what Python alone costs for the same work.

orjson decode, tracebacks joined, one regular expression, orjson encode, and
nothing else: no positions, redaction, ledger, compression or delivery.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import orjson

_START = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").match
_LINE = re.compile(
    r"(?P<time>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})(?:,\d{3})?\.(?P<fraction>\d{3}) (?P<level>[A-Z]+) "
    r"\[(?P<thread>[^\]]*)\] \[(?P<file>[^\]]+?):(?P<line>\d+)\] (?:(?P<trace>[0-9a-f]{10,32}) | )?- (?P<message>(?s:.*))"
).match


def run(path: Path) -> int:
    """Parse the file and return the number of events."""
    count = 0
    current: str | None = None

    def emit(text: str) -> bytes:
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


if __name__ == "__main__":
    events = run(Path(sys.argv[1]))
    sys.stdout.write(f"{events} {time.process_time()}\n")
