"""What the settings name outside this machine: Elasticsearch, Kibana, Grafana and the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from logship.config.settings import Settings
from logship.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from logship.archive.place import Place
    from logship.delivery.sinks.forward import ForwardSink
    from logship.elastic.client import Client
    from logship.elastic.grafana import Reader
    from logship.elastic.nodes import Tls


def elasticsearch(settings: Settings, *, reading: bool = False) -> Client:
    """Return a connection to the Elasticsearch that the settings name; `reading`: as who may read there."""
    from logship.elastic.client import connect
    from logship.elastic.identity import Identity, Secret

    options = settings.elasticsearch
    key, key_file = options.api_key, options.api_key_file
    if reading and options.read_api_key:
        key, key_file = options.read_api_key, options.read_api_key_file
    other = key is None or not (reading and options.read_api_key)
    return connect(
        options.hosts,
        cloud_id=options.cloud_id,
        identity=Identity(
            api_key=Secret(_secret(key), key_file) if key else None,
            username=options.username or "" if other else "",
            password=Secret(_secret(options.password), options.password_file) if options.password and other else None,
            bearer=Secret(_secret(options.bearer), options.bearer_file) if options.bearer and other else None,
        ),
        tls=_tls(settings),
        proxy=options.proxy,
        timeout=options.request_timeout,
        connections=options.in_flight + 1,
    )


def forward(settings: Settings) -> ForwardSink:
    """Return the sink for the Fluentd or Fluent Bit that the settings name; raises ConfigError for its certificates."""
    import ssl

    from logship.delivery.sinks.forward import ForwardSink

    there = settings.forward
    tls = None
    if there.tls:
        try:
            tls = ssl.create_default_context(cafile=there.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"forward.ca_file: cannot read {there.ca_file}: {error}", "it must be PEM") from error
    return ForwardSink(
        there.host,
        there.port,
        state=settings.state_dir / "forward.json",
        tag=there.tag,
        shared_key=_secret(there.shared_key),
        user=(there.username, _secret(there.password)) if there.username else None,
        tls=tls,
        timeout=there.timeout,
    )


def kibana(settings: Settings) -> Client:
    """Return a connection to the Kibana that the settings name; by Elasticsearch's key or user, where it has none."""
    from logship.elastic.client import connect
    from logship.elastic.identity import Identity, Secret
    from logship.elastic.kibana import HEADERS

    options, elastic = settings.kibana, settings.elasticsearch
    key = options.api_key or elastic.api_key
    identity = Identity(
        api_key=Secret(_secret(key)) if key else None,
        username=elastic.username or "",
        password=Secret(_secret(elastic.password)) if elastic.password else None,
        bearer=Secret(_secret(elastic.bearer)) if elastic.bearer else None,
    )
    return connect([options.url], identity=identity, tls=_tls(settings), headers=HEADERS)


def grafana(settings: Settings) -> Client:
    """Return a connection to the Grafana that the settings name."""
    from logship.elastic.client import connect
    from logship.elastic.identity import Identity, Secret

    options = settings.grafana
    identity = Identity(bearer=Secret(_secret(options.token)) if options.token else None)
    return connect([options.url], identity=identity, tls=_tls(settings))


def grafanas_reader(settings: Settings) -> Reader:
    """Return how Grafana is to read Elasticsearch; raises ConfigError where the settings name no way to read it."""
    from logship.elastic.grafana import Reader
    from logship.elastic.identity import Identity, Secret
    from logship.elastic.nodes import addresses

    options = settings.elasticsearch
    if not options.named:
        raise ConfigError(
            "Grafana's data sources need an Elasticsearch",
            "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS, or take files with --to DIR",
        )
    user = bool(options.username and options.password) and not options.read_api_key
    if options.api_key and not (options.read_api_key or user or options.bearer):
        raise ConfigError(
            "Grafana has no key to read Elasticsearch with: elasticsearch.api_key is the one that writes",
            "set elasticsearch.read_api_key or LOGSHIP_ELASTICSEARCH__READ_API_KEY; "
            "`logship setup --only keys` makes one",
        )
    try:
        (url, *_) = addresses(options.hosts, options.cloud_id)
        ca = options.ca_file.read_text("ascii") if options.ca_file else ""
    except (ValueError, OSError) as error:
        raise ConfigError(f"cannot tell Grafana where Elasticsearch is: {error}") from error
    identity = Identity(
        api_key=Secret(_secret(options.read_api_key)) if options.read_api_key else None,
        bearer=Secret(_secret(options.bearer)) if options.bearer and not user else None,
    )
    return Reader(
        url,
        authorization=identity.authorization(),
        user=options.username or "" if user else "",
        password=_secret(options.password) if user else "",
        ca=ca,
        verify=options.verify,
        mark=identity.key_id(),
    )


def _tls(settings: Settings) -> Tls:
    from logship.elastic.nodes import Tls

    options = settings.elasticsearch
    return Tls(options.ca_file, options.fingerprint or "", options.verify, options.client_cert, options.client_key)


def longest_retention(settings: Settings) -> int:
    """Return for how many days Elasticsearch keeps anything."""
    return max(retention(settings).values())


def retention(settings: Settings) -> dict[str, int]:
    """Return the days that Elasticsearch keeps documents, by lifecycle policy."""
    options = settings.elasticsearch
    return {"logship-logs": options.retention_days, "logship-audit": options.audit_retention_days}


def archive(settings: Settings, at: str | None = None) -> Place:
    """Return the archive of that name, or the one that the settings name; raises ConfigError when there is none."""
    from logship.archive.directory import Directory

    options = settings.archive
    where = at or options.at
    if not where:
        raise ConfigError("no archive is named", "give --at DIR or --at s3://bucket/prefix, or set archive.at")
    if "://" not in where:
        return Directory(Path(where))
    from logship.archive.bucket import Access, Bucket

    return Bucket(
        where,
        Access(
            endpoint=options.endpoint,
            region=options.region,
            access_key_id=options.access_key_id,
            secret_access_key=_secret(options.secret_access_key),
            session_token=_secret(options.session_token),
            ca_file=options.ca_file,
            path_style=options.path_style,
        ),
    )


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value is not None else ""
