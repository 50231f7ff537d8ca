"""Lines of Dify's api, and the documents they must become."""

import json

LINES = [
    "2025-11-20 08:00:07.412 INFO [MainThread] [app.py:12]  - cache warmed",
    "2025-11-20 08:00:08.412 ERROR [Dummy-3] [app.py:13] 33aac1d2e3f40516273849a0b1c2d3e4 - boom",
    "Traceback (most recent call last):",
    '  File "/app/api/x.py", line 1, in f',
    "    return 1 / 0",
    "ZeroDivisionError: division by zero",
    "2025-11-20 08:00:09.000 WARNING [MainThread] [app.py:14]  - slow",
]
STAMPS = [f"2025-11-20T08:00:{10 + number}.123456789Z" for number in range(len(LINES))]
#: Time, level, message and error of the documents.
EXPECTED = [
    ("2025-11-20T08:00:07.412Z", "info", "cache warmed", None),
    ("2025-11-20T08:00:08.412Z", "error", "boom", "ZeroDivisionError"),
    ("2025-11-20T08:00:09.000Z", "warning", "slow", None),
]


def record(text: str, stamp: str, stream: str = "stdout") -> str:
    """Return a line as Docker's json-file driver keeps it."""
    return json.dumps({"log": text + "\n", "stream": stream, "time": stamp}, separators=(",", ":"))


def summary(documents) -> list[tuple]:
    """Return time, level, message and error of documents."""
    return [
        (
            one["@timestamp"],
            one.get("log", {}).get("level"),
            one["message"],
            one.get("error", {}).get("type"),
        )
        for one in documents
    ]
