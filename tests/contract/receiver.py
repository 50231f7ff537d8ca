"""A receiver of the forward protocol, as an aggregator is one: takes messages, keeps records, acknowledges."""

import gzip
import hashlib
import socketserver
import threading
from contextlib import contextmanager

import msgpack


class Receiver(socketserver.ThreadingTCPServer):
    """Keeps records by their `_id`, as what stands behind an aggregator does with `id_key _id`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *, shared_key="", user=(), keepalive=True, context=None, script=""):
        self.shared_key, self.user, self.keepalive = shared_key.encode(), user, keepalive
        self.context = context
        #: What to do with the next messages: L(ose the answer), C(lose before taking), W(rong answer), S(ay nothing).
        self.script = list(script)
        self.records, self.times, self.tags, self.connections = {}, {}, [], 0
        super().__init__(("127.0.0.1", 0), Conversation)

    def get_request(self):
        """Take a connection, with TLS if there is a certificate."""
        connection, address = super().get_request()
        self.connections += 1
        return (self.context.wrap_socket(connection, server_side=True) if self.context else connection), address

    def handle_error(self, request, client_address):
        """Let a connection that broke go."""


class Conversation(socketserver.BaseRequestHandler):
    """One connection."""

    def setup(self):
        """Begin to read."""
        self.objects = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=1 << 30)

    def read(self):
        """Return the next object, or None at the end."""
        while True:
            for one in self.objects:
                return one
            data = self.request.recv(1 << 16)
            if not data:
                return None
            self.objects.feed(data)

    def write(self, message):
        """Send an object."""
        self.request.sendall(msgpack.packb(message))

    def handle(self):
        """Take messages until the other side has enough."""
        if self.server.shared_key and not self.greet():
            return
        while (message := self.read()) is not None:
            step = self.server.script.pop(0) if self.server.script else ""
            if step == "C":
                return
            tag, entries, options = message
            self.server.tags.append(tag)
            unpacked = msgpack.Unpacker(raw=False, max_buffer_size=1 << 30)
            unpacked.feed(gzip.decompress(entries))
            found = list(unpacked)
            assert len(found) == options["size"]
            for time, record in found:
                self.server.times[record["_id"]] = (time.code, time.data)
                self.server.records.setdefault(record.pop("_id"), record)
            if step == "L":
                return
            if step != "S":
                self.write({"ack": "another" if step == "W" else options["chunk"]})

    def greet(self):
        """Ask who it is; return whether it may go on."""
        key, nonce, auth = self.server.shared_key, b"nonce-0123456789", b"salt" if self.server.user else b""
        self.write(["HELO", {"nonce": nonce, "auth": auth, "keepalive": self.server.keepalive}])
        kind, name, salt, digest, user, password = self.read()
        salt, name = (part if isinstance(part, bytes) else part.encode() for part in (salt, name))
        right = kind == "PING" and digest == hashlib.sha512(salt + name + nonce + key).hexdigest()
        if self.server.user:
            known, secret = (part.encode() for part in self.server.user)
            user = user if isinstance(user, bytes) else user.encode()
            right = right and user == known and password == hashlib.sha512(auth + known + secret).hexdigest()
        own = b"receiver"
        proof = hashlib.sha512(salt + own + nonce + key).hexdigest() if right else ""
        self.write(["PONG", right, "" if right else "shared_key mismatch", own, proof])
        return right


@contextmanager
def receiving(**options):
    """Run a receiver."""
    with Receiver(**options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
