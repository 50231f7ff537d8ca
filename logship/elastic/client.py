"""
HTTP to Elasticsearch 8 and 9 and OpenSearch: connections, TLS and who we are.

Bytes go out and come back as they are: a batch is already gzip, and an answer
is read only as far as needed. So this is the `elasticsearch` client's own
transport without the client around it, whose major version decides which
servers it speaks to and which refuses OpenSearch; the plain media types used
here are understood by all of them. Nothing is repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from elastic_transport import ConnectionError as NotConnected
from elastic_transport import ConnectionTimeout, Serializer, Transport, TransportError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from logship import __version__
from logship.elastic.identity import Identity
from logship.elastic.nodes import ProxiedNode, Tls, nodes
from logship.errors import ConfigError


class _Bytes(Serializer):
    """Leave bodies alone."""

    mimetype: ClassVar[str] = "*/*"

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data


_AS_IT_IS = {
    name: _Bytes()
    for name in ("application/json", "application/x-ndjson", "application/*", "text/*", "text/plain", "multipart/*")
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401  # JSON
        """Parse the body; None when it is not JSON."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None

    def error(self, *, innermost: bool = False) -> str:
        """Return why a request failed, in one line; the innermost cause may quote what was sent."""
        answer = self.json()
        error = answer.get("error") if isinstance(answer, dict) else None
        while innermost and isinstance(error, dict) and isinstance(error.get("caused_by"), dict):
            error = error["caused_by"]
        if isinstance(error, dict):
            return f"HTTP {self.status} {error.get('type', '')}: {error.get('reason', '')}"
        said = answer.get("message") if isinstance(answer, dict) else None  # Kibana and Grafana
        known = [text for text in (said, error) if isinstance(text, str)]
        text = known[0] if known else self.body[:200].decode(errors="replace")
        return f"HTTP {self.status} {' '.join(text.split())}".strip()


class Client:
    """A connection to one cluster; threads may share it."""

    def __init__(
        self, transport: Transport, headers: dict[str, str], authorization: Callable[[], str], timeout: float
    ) -> None:
        self._transport = transport
        self._headers = headers
        self._authorization = authorization
        self._timeout = timeout

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        media_type: str = "application/json",
        gzipped: bool = False,
    ) -> Answer:
        """
        Send one request and return the answer, whatever its status; raises elastic_transport.TransportError.

        A host that nobody listens at has not seen the request, so that the next host is asked at once.
        """
        headers = dict(self._headers)
        if authorization := self._authorization():
            headers["authorization"] = authorization
        if body is not None:
            headers = headers | {"content-type": media_type}
            if gzipped:
                headers["content-encoding"] = "gzip"
        for others in range(len(self._transport.node_pool) - 1, -1, -1):
            try:
                meta, data = self._transport.perform_request(
                    method, path, body=body, headers=headers, request_timeout=self._timeout
                )
            except (NotConnected, ConnectionTimeout) as error:
                if others and unsent(error):
                    continue
                raise
            return Answer(meta.status, data or b"")
        raise NotConnected("no host is configured")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def unsent(error: TransportError) -> bool:
    """Return whether the request surely did not reach the server: no connection came about."""
    return isinstance(error.__cause__, NewConnectionError | ConnectTimeoutError)


def connect(
    hosts: Sequence[str],
    *,
    cloud_id: str = "",
    identity: Identity | None = None,
    tls: Tls | None = None,
    proxy: str = "",
    timeout: float = 60.0,
    connections: int = 4,
    headers: Mapping[str, str] | None = None,
) -> Client:
    """
    Prepare a connection; nothing is sent yet.

    `connections` are those to one host at a time, `timeout` is in seconds, `headers` go with every request.
    Raises ConfigError when an address or a certificate cannot be used.
    """
    sent = {"accept": "application/json", "user-agent": f"logship/{__version__}", **(headers or {})}
    try:
        transport = Transport(
            nodes(hosts, cloud_id, tls or Tls(), proxy, connections),
            node_class=ProxiedNode if proxy else "urllib3",
            serializers=_AS_IT_IS,
            max_retries=0,
            retry_on_status=(),
            meta_header=False,
        )
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(f"cannot connect to Elasticsearch: {error}") from error
    return Client(transport, sent, (identity or Identity()).authorization, timeout)
