"""
A TCP proxy that misbehaves by a script, one letter for each HTTP answer.

p  pass the answer on
c  cut: the server has done its work, the client hears nothing
h  half of the answer, then the end of the connection
s  stall: neither an answer nor an end, until the proxy is closed
n  no: end the connection before the request reaches the server
f  end our half only (FIN) in place of the answer, and go on taking what the client sends
e  pass the answer on, then end our half: the next request goes into a connection that is half closed
r  reset (RST): the server has done its work, the client hears an error

When the script is used up, everything passes.
"""

import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit


class Proxy:
    """Stands on a free port of loopback while the context lasts."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = {self._listener}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._script = ""
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def play(self, script: str) -> None:
        """Misbehave from the next request on."""
        with self._lock:
            self._script = script

    @property
    def rest(self) -> str:
        """What of the script was not used yet."""
        with self._lock:
            return self._script

    def __enter__(self) -> "Proxy":
        self._start(self._accept)
        return self

    def __exit__(self, *_) -> None:
        self._closing.set()
        with self._lock:
            sockets = list(self._open)
        for one in sockets:
            self._end(one)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            with self._lock:
                self._open |= {client, server}
            self._start(self._serve, client, server)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """Relay one connection, a request and its answer at a time (clients here do not pipeline)."""
        with contextlib.suppress(OSError, ValueError):
            while not self._closing.is_set():
                request = _message(client)
                if not request:
                    break
                with self._lock:
                    action, self._script = self._script[:1] or "p", self._script[1:]
                if action == "n":
                    break
                server.sendall(request)
                answer = _message(server)
                if action == "s":
                    self._closing.wait()
                elif action in "fe":
                    client.sendall(answer if action == "e" else b"")
                    client.shutdown(socket.SHUT_WR)
                    _swallow(client)
                    break
                elif action == "r":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                    break
                elif action == "h":
                    client.sendall(answer[: len(answer) // 2])
                    break
                elif action == "c" or not answer:
                    break
                else:
                    client.sendall(answer)
        self._end(client)
        self._end(server)

    def _end(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in accept or recv
        one.close()
        with self._lock:
            self._open.discard(one)


def _swallow(connection: socket.socket) -> None:
    """Take what still comes, until the other side ends too."""
    while connection.recv(65536):
        pass


def _message(connection: socket.socket) -> bytes:
    """Read one HTTP message with a Content-Length, or in chunks; nothing when the other side has ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        while not data.endswith(b"\r\n0\r\n\r\n"):
            more = connection.recv(65536)
            if not more:
                break
            data += more
        return data
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = (int(lengths[0].split(b":")[1]) if lengths else 0) - len(body)
    parts = [data]
    while missing > 0:
        more = connection.recv(min(missing, 1 << 20))
        if not more:
            return b"".join(parts)
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)
