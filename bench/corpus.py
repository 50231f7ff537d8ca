"""Seeded Docker json-files of Dify api and nginx lines: what the benchmark reads."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson

_FILES = [
    "app.py:875",
    "login_service.py:88",
    "ext_request_logging.py:73",
    "workflow_engine.py:412",
    "rag_retriever.py:201",
]
_WORDS = [
    *("workflow", "node", "started", "finished", "dataset", "document", "segment"),
    *("indexing", "retrieval", "model", "provider", "quota", "tokens", "cache"),
]
_REQUESTS = [
    ("GET", "/console/api/apps?page=1&limit=30&id={0:012x}"),
    ("POST", "/v1/chat-messages"),
    ("GET", "/v1/messages?limit=20&last_id={0:012x}"),
    ("DELETE", "/console/api/apps/0b5c7a10-1111-4222-8333-{0:012x}"),
    ("GET", "/_next/static/chunks/{0:012x}.js"),
]
_STATUSES = (200, 200, 200, 201, 204, 401, 502)
_AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "python-requests/2.32.3",
    "curl/8.5.0",
]
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


def access(lines: int, seed: int = 7) -> Iterator[tuple[str, str]]:
    """Give (text, docker time) of nginx access lines in the format of Dify's template."""
    chance = random.Random(seed)
    clock = datetime(2025, 11, 20, 8, tzinfo=UTC)
    for _ in range(lines):
        clock += timedelta(milliseconds=chance.randrange(1, 9))
        method, path = chance.choice(_REQUESTS)
        yield (
            f"172.18.{chance.randrange(4)}.{chance.randrange(1, 255)} - - [{clock:%d/%b/%Y:%H:%M:%S +0000}] "
            f'"{method} {path.format(chance.getrandbits(48))} HTTP/1.1" {chance.choice(_STATUSES)} '
            f'{chance.randrange(20_000)} "{chance.choice(("-", "http://dify.example.com/apps"))}" '
            f'"{chance.choice(_AGENTS)}" "{chance.choice(("-", "203.0.113.9", "198.51.100.7"))}"',
            f"{clock:%Y-%m-%dT%H:%M:%S.%f}{chance.randrange(1000):03d}Z",
        )


def json_mode(lines: int, seed: int = 7) -> Iterator[tuple[str, str]]:
    """Give (text, docker time) of api lines as LOG_OUTPUT_FORMAT=json writes them; some hold a traceback."""
    chance = random.Random(seed)
    clock = datetime(2025, 11, 20, 8, tzinfo=UTC)
    people = [str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(500)]
    for _ in range(lines):
        clock += timedelta(milliseconds=chance.randrange(1, 9))
        failed = chance.random() < 0.0078
        words = " ".join(chance.choices(_WORDS, k=chance.randrange(4, 12)))
        record: dict[str, object] = {
            "ts": f"{clock:%Y-%m-%dT%H:%M:%S}.{clock.microsecond // 1000:03d}Z",
            "severity": "ERROR" if failed else chance.choice(("INFO", "INFO", "INFO", "INFO", "WARN", "DEBUG")),
            "service": "langgenius/dify",
            "caller": chance.choice(_FILES),
            "message": f"{words} id={chance.getrandbits(48):012x} took {chance.randrange(2000)} ms",
        }
        if chance.random() < 0.9:
            record["trace_id"] = f"{chance.getrandbits(128):032x}"
        if chance.random() < 0.5:
            record["identity"] = {
                "tenant_id": chance.choice(people[:20]),
                "user_id": chance.choice(people),
                "user_type": chance.choice(("account", "end_user")),
            }
        if failed:
            record |= {"error_source": "system", "stack_trace": "\n".join(_TRACE) + "\n"}
        yield orjson.dumps(record).decode(), f"{clock:%Y-%m-%dT%H:%M:%S.%f}{chance.randrange(1000):03d}Z"


#: What can be generated: api text lines, nginx access lines, api JSON lines.
KINDS: dict[str, Callable[[int, int], Iterator[tuple[str, str]]]] = {"api": records, "nginx": access, "json": json_mode}


def write_docker(path: Path, lines: int, seed: int = 7, kind: str = "api") -> int:
    """Write the corpus as a Docker json-file; return how many events it holds."""
    events = 0
    with path.open("wb", buffering=1 << 20) as file:
        for text, time in KINDS[kind](lines, seed):
            events += kind != "api" or text[:2] == "20"
            file.write(orjson.dumps({"log": text + "\n", "stream": "stdout", "time": time}) + b"\n")
    return events
