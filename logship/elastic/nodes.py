"""Where a cluster is reached: addresses, Elastic Cloud ids, TLS, and a proxy in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from elastic_transport import NodeConfig, Urllib3HttpNode
from elastic_transport.client_utils import parse_cloud_id, url_to_node_config


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom we believe, and how we are believed."""

    ca_file: Path | None = None
    #: SHA-256 of the server's or its authority's certificate; replaces `ca_file`.
    fingerprint: str = ""
    verify: bool = True
    client_cert: Path | None = None
    client_key: Path | None = None


class ProxiedNode(Urllib3HttpNode):
    """A node behind an HTTP proxy: CONNECT for https, absolute addresses for http (RFC 9112, 3.2.2)."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        proxy = config._extras["proxy"]
        user = urlsplit(proxy)
        headers = {}
        if user.username:
            pair = f"{unquote(user.username)}:{unquote(user.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=pair)
        manager = urllib3.ProxyManager(
            proxy, maxsize=config.connections_per_node, block=True, proxy_headers=headers, **_tls(config)
        )
        pool = manager.connection_from_host(config.host, config.port, scheme=config.scheme)
        # The node uses urlopen and close only.
        self.pool = pool if config.scheme == "https" else _Absolute(pool, config, headers)  # type: ignore[assignment]


class _Absolute:
    """Asks a proxy for whole addresses."""

    def __init__(self, pool: urllib3.HTTPConnectionPool, config: NodeConfig, headers: dict[str, str]) -> None:
        self._pool = pool
        self._origin = f"http://{config.host}:{config.port}"
        self._headers = headers

    def urlopen(self, method: str, target: str, **options: Any) -> Any:  # noqa: ANN401  # urllib3's own
        options["headers"] = {**options["headers"], **self._headers}
        return self._pool.urlopen(method, self._origin + target, assert_same_host=False, **options)

    def close(self) -> None:
        self._pool.close()


def _tls(config: NodeConfig) -> dict[str, Any]:
    if config.scheme != "https":
        return {}
    own = {"cert_file": config.client_cert, "key_file": config.client_key}
    if config.ssl_assert_fingerprint:
        believed = {"assert_fingerprint": config.ssl_assert_fingerprint, "assert_hostname": False}
        return own | believed | {"cert_reqs": "CERT_NONE"}
    if not config.verify_certs:
        return own | {"cert_reqs": "CERT_NONE"}
    return own | {"cert_reqs": "CERT_REQUIRED", "ca_certs": config.ca_certs}


def nodes(hosts: Sequence[str], cloud_id: str, tls: Tls, proxy: str, connections: int) -> list[NodeConfig]:
    """Return the nodes to connect to; raises ValueError when an address is none."""
    return [_node(host, tls, proxy, connections) for host in addresses(hosts, cloud_id)]


def addresses(hosts: Sequence[str], cloud_id: str) -> list[str]:
    """Return the URLs of a cluster; raises ValueError when the cloud id is none."""
    if not cloud_id:
        return list(hosts)
    address = parse_cloud_id(cloud_id).es_address
    if address is None:
        raise ValueError("the cloud id names no Elasticsearch")
    return [f"https://{address[0]}:{address[1]}"]


def _node(host: str, tls: Tls, proxy: str, connections: int) -> NodeConfig:
    node = url_to_node_config(host, use_default_ports_for_scheme=True).replace(connections_per_node=connections)
    if proxy:
        node = node.replace(_extras={"proxy": proxy})
    if node.scheme != "https":
        return node
    return node.replace(
        ca_certs=str(tls.ca_file) if tls.ca_file else None,
        ssl_assert_fingerprint=tls.fingerprint or None,
        verify_certs=tls.verify,
        ssl_show_warn=False,
        client_cert=str(tls.client_cert) if tls.client_cert else None,
        client_key=str(tls.client_key) if tls.client_key else None,
    )
