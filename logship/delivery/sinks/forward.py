"""
Deliver to Fluentd or Fluent Bit: forward protocol, version 1 (fluent/fluentd, wiki).

A message is `[tag, entries, options]`: gzip of msgpack, some hundred documents.
With the option `chunk` the other side answers `{"ack": chunk}` when it has taken
them, and only then do they count as delivered. Each record carries the document's
`_id`, so that what is sent again, as its answer was lost, can be told.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import select
import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgpack
import orjson
from fluent.sender import EventTime
from isal import igzip

from logship.delivery.bulk import Document, documents
from logship.delivery.sink import SinkUnavailable
from logship.model import Receipt, StoredBatch

#: Bytes of documents in a message, about; Fluent Bit takes six times as many.
_MESSAGE = 1 << 20
_ANSWER = 64 << 10
_KEYS = "set forward.shared_key_file to the key of its <security> section"


class _RefusedError(Exception):
    """It does not believe us, or we do not believe it."""


class _Connection:
    """Objects to and from the other side."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._answers = msgpack.Unpacker(raw=True, max_buffer_size=_ANSWER)

    def close(self) -> None:
        """Close it, whatever has become of it."""
        with contextlib.suppress(OSError):
            self._socket.close()

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to read: between two messages that would be its end."""
        return not select.select([self._socket], [], [], 0)[0]

    def write(self, message: Sequence[object]) -> None:
        """Send an object."""
        self._socket.sendall(msgpack.packb(message))

    def read(self) -> object:
        """Return the next object."""
        while True:
            for answer in self._answers:
                return answer
            data = self._socket.recv(4096)
            if not data:
                raise ConnectionResetError("closed the connection without an answer")
            self._answers.feed(data)


class ForwardSink:
    """Deliver over one connection, which is kept."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        state: Path,
        tag: str = "logship",
        shared_key: str = "",
        user: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 30.0,
        name: str = "forward",
    ) -> None:
        self._address = (host, port)
        self._state = state
        self._tag = tag
        self._shared_key = shared_key.encode()
        self._user = user
        self._tls = tls
        self._timeout = timeout
        self._name = name
        self._connection: _Connection | None = None
        self._keep = True

    @property
    def name(self) -> str:
        """Name of the sink's cursor."""
        return self._name

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def greet(self) -> None:
        """Connect, and prove that we have the shared key; raises SinkUnavailable."""
        with self._told():
            self._connect()

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """Send a batch in messages, and return when the last of them is acknowledged."""
        pairs = documents(batch, only)
        digest = hashlib.sha256(b"%b%d" % (batch.body, len(pairs))).digest()
        known = self._acknowledged(digest)
        tag = f"{self._tag}.{batch.dataset}"
        for begin, end in _messages(pairs, known):
            with self._told():
                connection = self._connect()
            with self._told(unknown=True):
                _deliver(connection, tag, pairs[begin:end], base64.b64encode(digest[:12] + begin.to_bytes(4)).decode())
                self._remember(digest, end)
            if not self._keep:
                self.close()
        return Receipt(delivered=len(pairs) - known, duplicate=[name for name, _ in pairs[:known]])

    @contextlib.contextmanager
    def _told(self, *, unknown: bool = False) -> Iterator[None]:
        """Close the connection on any error, and name the place in it; `unknown`: something may have arrived."""
        where = f"{self._address[0]}:{self._address[1]}"
        try:
            yield
        except _RefusedError as error:
            self.close()
            raise SinkUnavailable(f"{where} {error}", hint=_KEYS, pause=30.0, alarm=True) from error
        except (OSError, ValueError, msgpack.UnpackException) as error:
            self.close()
            reason = "gave no answer in time" if isinstance(error, TimeoutError) else str(error)
            raise SinkUnavailable(f"{where}: {reason}", unknown=unknown) from error

    def _connect(self) -> _Connection:
        if self._connection is not None and self._connection.is_quiet:
            return self._connection
        self.close()
        plain = socket.create_connection(self._address, self._timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            made = self._tls.wrap_socket(plain, server_hostname=self._address[0]) if self._tls else plain
        except OSError:
            plain.close()
            raise
        self._connection = _Connection(made)
        if self._shared_key:
            self._introduce(self._connection)
        return self._connection

    def _introduce(self, connection: _Connection) -> None:
        """Prove that we have the shared key, and have the other side prove it."""
        kind, options = _list_of(connection.read(), 2)
        if kind != b"HELO" or not isinstance(options, dict):
            raise ValueError("did not begin with HELO")
        nonce, auth = options.get(b"nonce", b""), options.get(b"auth", b"")
        self._keep = bool(options.get(b"keepalive", True))
        salt, own = secrets.token_hex(16), socket.gethostname()
        user, password = self._user or ("", "")
        proof = _digest(salt.encode(), own.encode(), nonce, self._shared_key)
        secret = _digest(auth, user.encode(), password.encode()) if user and auth else ""
        connection.write(["PING", own, salt, proof, user, secret])
        kind, taken, reason, other, theirs = _list_of(connection.read(), 5)
        if kind != b"PONG" or not taken:
            why = bytes(reason or b"").decode(errors="replace")
            raise _RefusedError(f"refuses who we are: {why}")
        if theirs != _digest(salt.encode(), other, nonce, self._shared_key).encode():
            raise _RefusedError("does not know the shared key itself")

    def _acknowledged(self, digest: bytes) -> int:
        """Return how many documents of a batch are acknowledged."""
        try:
            state = orjson.loads(self._state.read_bytes())
            return int(state["documents"]) if state["batch"] == digest.hex() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _remember(self, digest: bytes, count: int) -> None:
        new = self._state.with_name(f"{self._state.name}.new")
        new.write_bytes(orjson.dumps({"batch": digest.hex(), "documents": count}))
        new.replace(self._state)


def _deliver(connection: _Connection, tag: str, pairs: Sequence[Document], chunk: str) -> None:
    packer = msgpack.Packer()
    entries = igzip.compress(b"".join([packer.pack(_entry(name, document)) for name, document in pairs]), 1)
    connection.write([tag, entries, {"chunk": chunk, "size": len(pairs), "compressed": "gzip"}])
    answer = connection.read()
    if isinstance(answer, list) and answer[:1] == [b"HELO"]:
        raise _RefusedError("wants a shared key")
    if not isinstance(answer, dict) or answer.get(b"ack") != chunk.encode():
        raise ValueError(f"answered {str(answer)[:100]} instead of an acknowledgement")


def _messages(pairs: Sequence[Document], begin: int) -> Iterator[tuple[int, int]]:
    """Give the places where messages begin and end."""
    size = 0
    for place in range(begin, len(pairs)):
        size += len(pairs[place][1])
        if size > _MESSAGE:
            yield begin, place + 1
            begin, size = place + 1, 0
    if begin < len(pairs):
        yield begin, len(pairs)


def _entry(name: str, document: bytes) -> tuple[EventTime, dict[str, Any]]:
    record = orjson.loads(document)
    stamp = record["@timestamp"]
    digits = stamp[20:-1] if stamp[19:20] == "." else ""
    seconds = int(datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp())
    return EventTime(seconds, int(digits[:9].ljust(9, "0"))), {"_id": name, **record}


def _digest(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


def _list_of(answer: object, size: int) -> list[Any]:
    if not isinstance(answer, list) or len(answer) < size:
        raise ValueError(f"answered {str(answer)[:100]}")
    return answer[:size]
