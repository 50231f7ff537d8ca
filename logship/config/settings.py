"""Every option with its type, default and limits; what `config/logship.yaml` explains and the JSON schema states."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from logship.config.archive import Archive
from logship.config.forward import Forward
from logship.config.section import Section
from logship.config.values import (
    DateLayout,
    Drop,
    Encoding,
    Fields,
    Host,
    Layout,
    Limit,
    Namespace,
    Rotated,
    Seconds,
    Size,
    SizeOrNone,
    Switch,
    Treatment,
    Zone,
)
from logship.pipeline.layout import DIFY_DATE_FORMAT, DIFY_FORMAT


def default_state_dir() -> Path:
    """Return where the ledger lives unless told otherwise: the system's place for root, the user's own for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/logship")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "logship"


class Containers(Section):
    """Docker's json-files, found by their folder; no socket."""

    enabled: Switch = Field(default="auto", description="Read containers' logs; auto: if the folder exists.")
    root: Path = Field(default=Path("/var/lib/docker/containers"), description="Docker's folder of containers.")
    exclude: list[str] = Field(
        default=["logship", "logship-*"],
        description="Compose services, container names or images that are not read; * stands for anything.",
    )


class Enrich(Section):
    """What documents get that their lines do not say."""

    user_agent: bool = Field(default=True, description="Parse user agents into name, version, system and device.")
    geoip_databases: list[Path] = Field(
        default=[], description="MaxMind DB files (*.mmdb) for place and network of source.ip."
    )
    container_labels: list[str] = Field(
        default=[], description="Labels of containers that documents carry; * stands for anything."
    )


#: Compressed, and not read.
_UNREAD = (".zst", ".bz2", ".xz", ".zip")


class FileSource(Section):
    """Plain files to read, by a glob."""

    path: str = Field(description="Path of the files; may hold *, ? and **.", min_length=1)
    service: str = Field(default="", description="Service they belong to; empty: told from the path.")
    envelope: Literal["auto", "plain", "docker", "cri"] = Field(
        default="auto", description="How lines are wrapped on disk."
    )
    zone: Zone = Field(default="UTC", description="Zone of time stamps that carry none.")
    exclude: list[str] = Field(default=[], description="Globs of files not to read after all.")
    start: Literal["beginning", "end"] = Field(
        default="beginning", description="end: at the entry's first start, pass over what is in the files already."
    )
    encoding: Encoding = Field(
        default="auto", description="Encoding of the text; auto: UTF-8, or UTF-16 by its byte order mark."
    )
    delimiter: str = Field(default="\n", min_length=1, max_length=64, description="What ends a record.")
    copy_of: list[str] = Field(default=[], description="Services whose output they hold too, as a LOG_FILE does.")
    rotation: Rotated = Field(default="none", description="managed: logship rotates them, as `rotation` says.")

    @model_validator(mode="after")
    def _encodable(self) -> FileSource:
        special = self.encoding not in ("auto", "utf-8") or self.delimiter != "\n"
        if special and self.envelope in ("docker", "cri"):
            raise ValueError(f"has an encoding or a delimiter, which envelope {self.envelope} does not leave open")
        try:
            self.delimiter.encode("utf-8" if self.encoding == "auto" else self.encoding)
        except UnicodeEncodeError:
            raise ValueError(f"has a delimiter that cannot be written in {self.encoding}") from None
        if self.path.endswith(_UNREAD):  # of what a pattern matches they are passed over
            raise ValueError("names a compressed file, of which only .gz is read: unpack it first")
        return self


class LogFile(Section):
    """Dify's LOG_FILE with the variables that belong to it, in Dify's meaning."""

    path: Path | None = Field(default=None, description="LOG_FILE: the file Dify writes; its rotations are followed.")
    service: str = Field(default="api", description="The service that writes it.", min_length=1)
    max_size: Size = Field(
        default=ByteSize(20 * 1024**2), description="LOG_FILE_MAX_SIZE: size at which Dify rotates it."
    )
    backup_count: int = Field(default=5, ge=0, description="LOG_FILE_BACKUP_COUNT: rotated files that Dify keeps.")
    format: Layout = Field(default=DIFY_FORMAT, description="LOG_FORMAT: Python's format of a line.", min_length=1)
    date_format: DateLayout = Field(
        default=DIFY_DATE_FORMAT, description="LOG_DATEFORMAT: format of its time.", min_length=1
    )
    zone: Zone = Field(default="UTC", description="LOG_TZ: zone of its time stamps.")
    output_format: Literal["text", "json"] = Field(default="text", description="LOG_OUTPUT_FORMAT: text or json.")
    copy_of: list[str] | None = Field(default=None, description="Services whose output it holds too; empty: service.")
    rotation: Rotated = Field(default="none", description="managed: logship rotates it (plugin_daemon never does).")


class Rotation(Section):
    """How logship rotates the files whose `rotation` is `managed`."""

    max_size: Size | None = Field(default=None, description="Size at which they are rotated; empty: log_file.max_size.")
    backup_count: int | None = Field(default=None, ge=0, description="Backups kept; empty: log_file.backup_count.")
    every: Literal["never", "hourly", "daily"] = Field(default="never", description="Rotate at these times too.")
    total_size: SizeOrNone = Field(default=ByteSize(0), description="Size of a file and its backups; 0: no limit.")
    compress: Literal["none", "gzip"] = Field(default="none", description="Compress backups.")
    allow_truncate: bool = Field(
        default=False,
        description="Copy and empty files where the file system cannot remove their head; can lose lines.",
    )
    assume_append: bool = Field(
        default=False, description="Trust that writers which cannot be seen open the files with O_APPEND."
    )
    docker_json_files: bool = Field(
        default=False, description="Rotate Docker's json-files too; `docker logs` then shows only what is left."
    )


class Elasticsearch(Section):
    """Where documents are delivered; off while `hosts` is empty."""

    hosts: list[Host] = Field(default=[], description="URLs of the cluster; empty: no delivery to Elasticsearch.")
    cloud_id: str = Field(default="", description="Cloud id of an Elastic Cloud deployment, in place of hosts.")
    api_key: SecretStr | None = Field(default=None, description="API key (the encoded form).")
    api_key_file: Path | None = Field(default=None, description="File that holds the API key.")
    username: str | None = Field(default=None, description="User, if no API key is used.")
    password: SecretStr | None = Field(default=None, description="The user's password.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    bearer: SecretStr | None = Field(default=None, description="Bearer token, if neither key nor user is used.")
    bearer_file: Path | None = Field(default=None, description="File that holds the bearer token.")
    read_api_key: SecretStr | None = Field(default=None, description="API key for reading, if another one writes.")
    read_api_key_file: Path | None = Field(default=None, description="File that holds the API key for reading.")
    ca_file: Path | None = Field(default=None, description="Certificate authorities to trust, PEM.")
    fingerprint: str | None = Field(
        default=None,
        pattern=r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$",
        description="SHA-256 of the cluster's certificate authority, in place of ca_file.",
    )
    verify: bool = Field(default=True, description="Check the server's certificate.")
    client_cert: Path | None = Field(default=None, description="Our own certificate, PEM.")
    client_key: Path | None = Field(default=None, description="The key of our own certificate, PEM.")
    proxy: str = Field(
        default="", pattern=r"^(https?://[^/\s]+/?)?$", description="URL of an HTTP proxy to the cluster."
    )
    request_timeout: Seconds = Field(default=30.0, description="Seconds until a request is given up and repeated.")
    in_flight: int = Field(default=2, ge=1, le=16, description="Requests under way at a time, at most.")
    retention_days: int = Field(default=30, ge=1, description="Days that the cluster keeps logs.")
    audit_retention_days: int = Field(default=400, ge=1, description="Days that the cluster keeps audit events.")

    @model_validator(mode="after")
    def _one_identity(self) -> Elasticsearch:
        ways = [name for name in ("api_key", "username", "bearer") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"has {' and '.join(ways)}; must have one of api_key, username or bearer")
        if (self.username is None) != (self.password is None):
            raise ValueError("needs username and password together")
        if self.hosts and self.cloud_id:
            raise ValueError("has hosts and cloud_id; must have one of them")
        if ways and not self.named:
            raise ValueError(f"has {ways[0]} but no hosts; set elasticsearch.hosts")
        if self.client_key and not self.client_cert:
            raise ValueError("has client_key but no client_cert")
        return self

    @property
    def named(self) -> bool:
        """Whether there is a cluster to deliver to."""
        return bool(self.hosts or self.cloud_id)


class Kibana(Section):
    """Where `logship setup` puts dashboards, searches and rules."""

    url: str = Field(default="", pattern=r"^(https?://\S+)?$", description="Address of Kibana, with its space if any.")
    api_key: SecretStr | None = Field(default=None, description="API key; without, that of Elasticsearch is used.")
    api_key_file: Path | None = Field(default=None, description="File that holds the API key.")


class Grafana(Section):
    """Where `logship setup` puts dashboards and data sources."""

    url: str = Field(default="", pattern=r"^(https?://\S+)?$", description="Address of Grafana.")
    token: SecretStr | None = Field(default=None, description="Token of a service account.")
    token_file: Path | None = Field(default=None, description="File that holds the token.")


class FileSink(Section):
    """Documents as NDJSON in a file; off while `path` is empty."""

    path: Path | None = Field(default=None, description="File to write; empty: no file sink.")
    max_size: Size = Field(default=ByteSize(100 * 1024**2), description="Size at which it is rotated.")
    backups: int = Field(default=5, ge=0, description="Rotated files kept.")


class Store(Section):
    """The embedded archive and search."""

    enabled: bool = Field(default=True, description="Keep segments to search, also of what is delivered elsewhere.")
    retention_days: int = Field(default=30, ge=0, description="Days a segment is kept; 0: for ever.")
    retention_size: SizeOrNone = Field(default=ByteSize(10 * 1024**3), description="Size of all segments; 0: no limit.")
    seal_bytes: Size = Field(
        default=ByteSize(16 * 1024**2), description="Compressed documents in the ledger that are sealed into segments."
    )
    seal_seconds: Seconds = Field(default=3600.0, description="Age at which a smaller segment is made.")


class Ingest(Section):
    """How files are read."""

    chunk_bytes: Limit = Field(
        default=ByteSize(128 * 1024), description="Bytes read from one file before the next has its turn."
    )
    quiet_seconds: Seconds = Field(
        default=1.0, description="An event that could go on is complete after this long without."
    )
    linger_seconds: Seconds = Field(
        default=60.0, description="A rotated file is closed after this long without growth."
    )
    scan_seconds: Seconds = Field(default=1.0, description="Time between two looks at all files, at most.")
    max_line_bytes: Limit = Field(default=ByteSize(1024**2), description="Longer lines are cut and marked.")
    max_event_lines: int = Field(default=5000, ge=1, description="Lines joined to one event at most.")
    max_event_bytes: Limit = Field(default=ByteSize(4 * 1024**2), description="Bytes joined to one event at most.")


class Redaction(Section):
    """Personal data; keys, tokens and passwords are always masked."""

    email: Treatment = Field(default="keep", description="E-mail addresses.")
    ip: Treatment = Field(default="keep", description="IP addresses.")
    phone: Treatment = Field(default="hash", description="Chinese mobile numbers.")
    identity: Treatment = Field(default="hash", description="Chinese identity numbers, by their check digit.")
    card: Treatment = Field(default="hash", description="Card numbers, by their check digit.")
    bodies: Literal["keep", "drop"] = Field(
        default="drop", description="Bodies of requests and responses, which Dify logs at DEBUG."
    )


class State(Section):
    """How much of the disk the state directory may take, and what happens at its end."""

    max_size: SizeOrNone = Field(
        default=ByteSize(0), description="Ledger and segments together, about; 0: as much as the disk gives."
    )
    min_free: SizeOrNone = Field(
        default=ByteSize(256 * 1024**2),
        description="Bytes of the disk that are left to others; at most 5 % of the file system count.",
    )
    when_full: Literal["block", "drop_oldest"] = Field(
        default="block",
        description="block: nothing more is read, and files stay open; drop_oldest: the oldest documents that some "
        "sink has not taken leave the ledger, and gaps name their bytes.",
    )


class Shutdown(Section):
    """How the agent ends."""

    drain_seconds: float = Field(
        default=5.0, ge=0, le=3600, description="Seconds in which a stop (SIGTERM) delivers what still waits."
    )


class AgentLog(Section):
    """The agent's own log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What is logged at least.")
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else json."
    )


class Settings(BaseSettings):
    """All options; `Settings()` holds the defaults and reads nothing, `load()` reads everything."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="LOGSHIP_", env_nested_delimiter="__", title="logship"
    )

    state_dir: Path = Field(default_factory=default_state_dir, description="The ledger and the segments.")
    containers: Containers = Field(default=Containers(), description="Docker's json-files.")
    files: list[FileSource] = Field(default=[], description="Other files to read.")
    log_file: LogFile = Field(default=LogFile(), description="Dify's LOG_FILE.")
    rotation: Rotation = Field(default=Rotation(), description="How files are rotated that nobody rotates.")
    keep_original: Literal["never", "unparsed", "always"] = Field(
        default="unparsed", description="When a document also holds its lines as they were (event.original)."
    )
    namespace: Namespace = Field(default="default", description="Last part of the data streams' names.")
    labels: dict[str, str] = Field(default={}, description="Labels on every document.")
    fields: Fields = Field(default={}, description="Fields on every document, by their dotted names.")
    enrich: Enrich = Field(default=Enrich(), description="What documents get that their lines do not say.")
    drop: Drop = Field(default={}, description="Rules whose events are dropped (true), or kept in part (0.1).")
    pipelines: list[Path] = Field(default=[], description="Directories with pipelines of your own; they win by name.")
    elasticsearch: Elasticsearch = Field(default=Elasticsearch(), description="Delivery to Elasticsearch.")
    kibana: Kibana = Field(default=Kibana(), description="Kibana, for `logship setup`.")
    grafana: Grafana = Field(default=Grafana(), description="Grafana, for `logship setup`.")
    file_sink: FileSink = Field(default=FileSink(), description="Delivery to a file.")
    forward: Forward = Field(default=Forward(), description="Delivery to Fluentd or Fluent Bit.")
    store: Store = Field(default=Store(), description="The embedded archive and search.")
    archive: Archive = Field(default=Archive(), description="Copies of segments, for longer.")
    ingest: Ingest = Field(default=Ingest(), description="How files are read.")
    state: State = Field(default=State(), description="Disk budget of the state directory.")
    shutdown: Shutdown = Field(default=Shutdown(), description="How the agent ends.")
    redaction: Redaction = Field(default=Redaction(), description="Personal data.")
    report_seconds: float = Field(
        default=60.0, ge=0, le=86_400, description="Time between two reports of the agent on itself; 0: none."
    )
    log: AgentLog = Field(default=AgentLog(), description="The agent's own log.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing by itself: `load()` merges the layers, so that it can say where each value came from."""
        return (init_settings,)
