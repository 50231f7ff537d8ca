"""A bulk endpoint that answers at once: takes what it is given, counts it, and is not counted itself."""

from __future__ import annotations

import socketserver
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import orjson
from isal import igzip


class Handler(BaseHTTPRequestHandler):
    """Answer `_bulk` with 201 for each document."""

    protocol_version = "HTTP/1.1"
    taken = 0

    def _answer(self, body: bytes, status: bytes = b"200 OK") -> None:
        self.wfile.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"content-length: %d\r\n\r\n%b" % (status, len(body), body)
        )

    def do_GET(self) -> None:
        """Answer with the number of documents taken, and with what an Elasticsearch says of itself; no templates."""
        if self.path.startswith("/_index_template?"):
            self._answer(b'{"index_templates":[]}')
        elif self.path.startswith(("/_index_template", "/_component_template", "/_ilm")):
            self._answer(b"{}", b"404 Not Found")
        else:
            self._answer(orjson.dumps({"version": {"number": "9.5.3"}, "taken": type(self).taken}))

    def do_PUT(self) -> None:
        """Take a template."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer(b'{"acknowledged":true}')

    def do_POST(self) -> None:
        """Take a bulk request, and answer one item a document."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = igzip.decompress(body)
        count = body.count(b"\n") // 2
        type(self).taken += count
        self._answer(b'{"took":1,"errors":false,"items":[%b]}' % b",".join([b'{"create":{"status":201}}'] * count))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection."""

    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def serving(port: int = 0) -> Iterator[str]:
    """Start the endpoint in a process of its own, on a free port or a given one; give its address."""
    with subprocess.Popen([sys.executable, "-m", "bench.bulk_server", str(port)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def taken(url: str) -> int:
    """Return how many documents the endpoint has taken."""
    return orjson.loads(urllib.request.urlopen(url).read())["taken"]


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
