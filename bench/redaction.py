"""
What the first look for secrets costs, and how many ordinary lines it names.

    python -m bench.redaction
"""

# ruff: noqa: E501  # log lines are as long as they are

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from bench.corpus import records
from logship.data import data_path
from logship.pipeline.redaction import Redactor

#: Shapes of ordinary lines of the stack; `{n}` is a number that differs.
ORDINARY = [
    '172.18.0.1 - - [20/Nov/2025:08:03:12 +0000] "GET /console/api/apps?page={n}&limit=30 HTTP/1.1" 200 5312 "http://dify/apps" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" "203.0.113.9"',
    '{{"ts":"2025-11-20T08:03:12.901Z","severity":"INFO","service":"langgenius/dify","caller":"ext_request_logging.py:73","message":"DELETE /console/api/apps/0b5c7a10-1111-4222-8333-9444559{n} 204 31.482 ","trace_id":"9ab4c1d2e3f40516273849a0b1c2d3e4"}}',
    "2025-11-20 08:14:09.412 INFO [Dummy-7] [llm.py:310] 6f1e0c1e9a3b5d1f8a7c4b2d9e0f1a2b - usage prompt_tokens={n} completion_tokens=33 total_tokens=153 latency=1.2 model gpt-4o-2024-08-06",
    '2025-11-20 08:14:09.412 DEBUG [Dummy-7] [llm.py:311] - {{"usage": {{"prompt_tokens": {n}, "completion_tokens": 33, "total_tokens": 153}}, "model": "claude-3-5-sonnet-20241022"}}',
    "[2025-11-20 08:00:01 +0000] [1] [INFO] Booting worker with pid: {n}",
    "2025-11-20 08:10:00.101 UTC [812] LOG:  checkpoint complete: wrote {n} buffers (0.1%); 0 WAL file(s) added, 0 removed",
    "1:M 20 Nov 2025 08:10:00.101 * Background saving terminated with success after {n} ms",
    "1763625600.412    {n} 172.18.0.5 TCP_TUNNEL/200 5312 CONNECT api.openai.com:443 - HIER_DIRECT/203.0.113.7 -",
    "[GIN] 2025/11/20 - 08:03:12 | 200 |  {n}.121µs |      172.18.0.5 | POST     \"/v1/sandbox/run\"",
    "[2025-11-20 08:00:07,412: INFO/MainProcess] Task schedule.queue_monitor_task[0b5c7a10-1111-4222-8333-94445590{n}] succeeded in 0.02s: None",
    '2025-11-20T08:03:12.901Z INFO dify-plugin-daemon controller.go:41 trace_id=9ab4c1d2e3f40516273849a0b1c2d3e4 POST /plugin/tenant/dispatch/llm/invoke status=200 took={n}ms',
    "2025-11-20T08:10:00.101Z  INFO actix_web::middleware::logger: 172.18.0.5 \"PUT /collections/x/points?wait=true HTTP/1.1\" 200 {n} \"-\" \"python-httpx/0.27\" 0.0021",
]


def lines(count: int) -> list[str]:
    """Return api lines of about 200 characters, as the other benchmarks read them."""
    return [(text + " " * 200)[:200].rstrip() + " padding" * 10 for text, _ in records(count)]


def microseconds(redactor: Redactor, texts: Sequence[str], batch: int = 5000) -> float:
    """Return CPU microseconds a text, the best of five rounds."""
    best = 1e9
    for _ in range(5):
        begin = time.process_time()
        for start in range(0, len(texts), batch):
            redactor.suspects(texts[start : start + batch])
        best = min(best, time.process_time() - begin)
    return best / len(texts) * 1e6


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=50_000)
    count = parser.parse_args().lines
    redactor = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"benchmark")
    api = [text[:200] for text in lines(count)]
    mixed = [shape.format(n=1000 + number) for number in range(count // len(ORDINARY)) for shape in ORDINARY]
    for name, texts in (("api lines of 200 characters", api), ("lines of all services", mixed)):
        mean = sum(map(len, texts)) / len(texts)
        share = len(redactor.suspects(texts)) / len(texts)
        print(f"{name}: {microseconds(redactor, texts):.2f} µs a text of {mean:.0f} characters, {share:.1%} suspect")
    secret = [f"{text} password=example-{number}" for number, text in enumerate(api[:5000])]
    begin = time.process_time()
    for text in secret:
        redactor.redact(text)
    print(f"exact redaction: {(time.process_time() - begin) / len(secret) * 1e6:.0f} µs a suspect text")


if __name__ == "__main__":
    main()
