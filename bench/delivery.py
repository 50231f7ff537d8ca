"""
Measure delivery alone: batches that lie in a ledger, brought to a bulk endpoint.

`python -m bench.delivery STATE URL` empties a ledger and prints documents and
CPU seconds, of which starting Python is no part.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.bulk_server import serving, taken
from bench.corpus import write_docker
from bench.runs import tail


def report(folder: Path, lines: int, url: str) -> str:
    """Return a table: documents per CPU second, to an endpoint that answers at once, and to a real server."""
    path = folder / "api-json.log"
    events = write_docker(path, lines)
    table = ["| to | documents | CPU s | documents per CPU s | seconds |", "|---|---|---|---|---|"]
    with serving() as endpoint:
        table.append(_row("an endpoint that answers at once", path, endpoint, events))
        if taken(endpoint) != events:
            raise SystemExit(f"the endpoint has {taken(endpoint):,} documents instead of {events:,}")
    if url:
        table.append(_row("a real server on the same machine", path, url, events))
    return "\n".join(table)


def _row(name: str, path: Path, url: str, events: int) -> str:
    with tempfile.TemporaryDirectory(dir=path.parent) as state:
        kept = {"LOGSHIP_STORE__ENABLED": "false"}
        subprocess.run([*tail([str(path)], state, "api"), "--once"], check=True, env={**os.environ, **kept})
        command = [sys.executable, "-m", "bench.delivery", state, url]
        count, cpu, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if int(count) != events:
        raise SystemExit(f"{name}: {count} documents instead of {events:,}")
    return f"| {name} | {events:,} | {float(cpu):.2f} | {events / float(cpu):,.0f} | {float(seconds):.1f} |"


def empty(state: Path, url: str) -> None:
    """Deliver everything that a ledger holds."""
    from logship.delivery.courier import Courier
    from logship.delivery.sinks.elastic import ElasticsearchSink
    from logship.elastic.client import connect
    from logship.elastic.installer import ensure_templates
    from logship.ledger.ledger import Ledger

    with Ledger.open(state) as ledger:
        client = connect([url])
        ensure_templates(client)
        sink = ElasticsearchSink(client, namespace=f"bench{int(time.time())}", in_flight=2)
        courier = Courier(ledger, sink, threading.Event())
        cpu, began = time.process_time(), time.monotonic()
        if not courier.drain(began + 600):
            raise SystemExit("not everything was delivered")
        cpu, seconds = time.process_time() - cpu, time.monotonic() - began
        (count,) = ledger.connection.execute("SELECT sum(delivered) FROM outcome").fetchone()
        sink.close()
    print(count, cpu, seconds)


if __name__ == "__main__":
    empty(Path(sys.argv[1]), sys.argv[2])
