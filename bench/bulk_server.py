"""A bulk endpoint that answers at once: takes what it is given, counts it, and is not counted itself."""

from __future__ import annotations

import socketserver
import sys
from http.server import BaseHTTPRequestHandler

import orjson
from isal import igzip


class Handler(BaseHTTPRequestHandler):
    """Answer `_bulk` with 201 for each document."""

    protocol_version = "HTTP/1.1"
    taken = 0

    def _answer(self, body: bytes) -> None:
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nX-Elastic-Product: Elasticsearch\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )

    def _bulk(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = igzip.decompress(body)
        count = body.count(b"\n") // 2
        type(self).taken += count
        self._answer(b'{"took":1,"errors":false,"items":[%b]}' % b",".join([b'{"create":{"status":201}}'] * count))

    def do_GET(self) -> None:
        """Answer with the number of documents taken, or with what an Elasticsearch says of itself."""
        self._answer(orjson.dumps({"version": {"number": "9.5.3"}, "taken": type(self).taken}))

    def do_PUT(self) -> None:
        """Take a bulk request, or anything else."""
        self._bulk()

    def do_POST(self) -> None:
        """Take a bulk request."""
        self._bulk()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
