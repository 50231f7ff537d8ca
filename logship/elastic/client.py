"""
HTTP to Elasticsearch 8 and 9 and OpenSearch: connections, TLS and who we are.

Bytes go out and come back as they are: a batch is already gzip, and an answer
is read only as far as needed. So this is the `elasticsearch` client's own
transport without the client around it, whose major version decides which
servers it speaks to and which refuses OpenSearch; the plain media types used
here are understood by all of them. Nothing is repeated here.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import orjson
from elastic_transport import NodeConfig, Serializer, Transport
from elastic_transport.client_utils import basic_auth_to_header, url_to_node_config

from logship import __version__
from logship.errors import ConfigError


class _Bytes(Serializer):
    """Leave bodies alone."""

    mimetype: ClassVar[str] = "*/*"

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data


_AS_IT_IS = {
    name: _Bytes() for name in ("application/json", "application/x-ndjson", "application/*", "text/*", "text/plain")
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
        text = error if isinstance(error, str) else self.body[:200].decode(errors="replace")
        return f"HTTP {self.status} {' '.join(text.split())}".strip()


class Client:
    """A connection to one cluster; threads may share it."""

    def __init__(self, transport: Transport, headers: dict[str, str], timeout: float) -> None:
        self._transport = transport
        self._headers = headers
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
        """Send one request and return the answer, whatever its status; raises elastic_transport.TransportError."""
        headers = self._headers
        if body is not None:
            headers = headers | {"content-type": media_type}
            if gzipped:
                headers["content-encoding"] = "gzip"
        meta, data = self._transport.perform_request(
            method, path, body=body, headers=headers, request_timeout=self._timeout
        )
        return Answer(meta.status, data or b"")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def connect(
    hosts: Sequence[str],
    *,
    api_key: str = "",
    basic: tuple[str, str] | None = None,
    bearer: str = "",
    ca_file: Path | None = None,
    fingerprint: str = "",
    verify: bool = True,
    timeout: float = 60.0,
) -> Client:
    """
    Prepare a connection; nothing is sent yet.

    `api_key` is the encoded key or `id:key`; `fingerprint` is the SHA-256 of
    the server's or its authority's certificate, and replaces `ca_file`.
    """
    headers = {"accept": "application/json", "user-agent": f"logship/{__version__}"}
    if api_key:
        headers["authorization"] = f"ApiKey {_encoded(api_key)}"
    elif basic:
        headers["authorization"] = basic_auth_to_header(basic)
    elif bearer:
        headers["authorization"] = f"Bearer {bearer}"
    try:
        nodes = [_node(host, ca_file, fingerprint, verify=verify) for host in hosts]
        transport = Transport(nodes, serializers=_AS_IT_IS, max_retries=0, retry_on_status=(), meta_header=False)
    except (ValueError, OSError) as error:
        raise ConfigError(f"cannot connect to Elasticsearch: {error}") from error
    return Client(transport, headers, timeout)


def _node(host: str, ca_file: Path | None, fingerprint: str, *, verify: bool) -> NodeConfig:
    node = url_to_node_config(host, use_default_ports_for_scheme=True)
    if node.scheme != "https":
        return node
    return node.replace(
        ca_certs=str(ca_file) if ca_file else None,
        ssl_assert_fingerprint=fingerprint or None,
        verify_certs=verify,
        ssl_show_warn=False,
    )


def _encoded(api_key: str) -> str:
    return base64.b64encode(api_key.encode()).decode() if ":" in api_key else api_key
