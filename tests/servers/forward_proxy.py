"""An HTTP proxy as companies have them: CONNECT, whole addresses, and a password."""

import base64
import select
import socket
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@contextmanager
def proxying(user: str, password: str, seen: list):
    """Give the proxy's address with its password; `seen` gets the method and the target of each request."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def _allowed(self) -> bool:
            seen.append((self.command, self.path))
            if self.headers.get("proxy-authorization") == expected:
                return True
            self.send_error(407)
            return False

        def do_CONNECT(self):
            if not self._allowed():
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port)), 10) as server:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: server, server: self.connection}
                while ready := select.select(list(ends), [], [], 20)[0]:
                    for one in ready:
                        data = one.recv(65536)
                        if not data:
                            return
                        ends[one].sendall(data)

        def do_POST(self):
            if not self._allowed():
                return
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = HTTPConnection(target.hostname, target.port, timeout=10)
            kept = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
            connection.request(self.command, f"{target.path}?{target.query}", body, kept)
            answer = connection.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            connection.close()

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{user}:{password}@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
