"""A seeded Docker json-file of Dify api lines: what the benchmark reads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

_FILES = ["app.py:875", "login_service.py:88", "ext_request_logging.py:73", "workflow_engine.py:412", "rag_retriever.py:201"]
_WORDS = "workflow node started finished dataset document segment indexing retrieval model provider quota tokens cache".split()
_TRACE = [
    "Traceback (most recent call last):",
    '  File "/app/api/.venv/lib/python3.12/site-packages/flask/app.py", line 917, in full_dispatch_request',
    "    rv = self.dispatch_request()",
    "         ^^^^^^^^^^^^^^^^^^^^^^^",
    '  File "/app/api/services/app_generate_service.py", line 101, in generate',
    "    return rate_limit.generate(app_model, user=user, args=args)",
    'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "db_postgres" failed',
]


def records(lines: int, seed: int = 7) -> Iterator[tuple[str, str]]:
    """Give (text, docker time) for each line; about 5 % of them belong to tracebacks."""
    chance = random.Random(seed)
    clock = datetime(2025, 11, 20, 8, tzinfo=UTC)
    done = 0
    while done < lines:
        clock += timedelta(milliseconds=chance.randrange(1, 9))
        stamp = clock.strftime("%Y-%m-%d %H:%M:%S.") + f"{clock.microsecond // 1000:03d}"
        time = clock.strftime("%Y-%m-%dT%H:%M:%S.") + f"{clock.microsecond:06d}{chance.randrange(1000):03d}Z"
        failed = chance.random() < 0.0078
        level = "ERROR" if failed else chance.choice(("INFO", "INFO", "INFO", "INFO", "WARNING", "DEBUG"))
        trace = f"{chance.getrandbits(128):032x}" if chance.random() < 0.9 else ""
        words = " ".join(chance.choices(_WORDS, k=chance.randrange(4, 12)))
        yield (
            f"{stamp} {level} [Dummy-{chance.randrange(60)}] [{chance.choice(_FILES)}] {trace} - "
            f"{words} id={chance.getrandbits(48):012x} took {chance.randrange(2000)} ms",
            time,
        )
        done += 1
        if failed:
            for text in _TRACE[: lines - done]:
                yield text, time
                done += 1


def write_docker(path: Path, lines: int, seed: int = 7) -> int:
    """Write the corpus as a Docker json-file; return how many events it holds."""
    events = 0
    with path.open("wb", buffering=1 << 20) as file:
        for text, time in records(lines, seed):
            events += text[:2] == "20"
            file.write(orjson.dumps({"log": text + "\n", "stream": "stdout", "time": time}) + b"\n")
    return events
