"""Puts the agent together: here and in `connections` settings become arguments, and nowhere else."""

from __future__ import annotations

import gc
import glob
import os
import secrets
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from logship.agent import Agent
from logship.config.settings import Settings
from logship.connections import elasticsearch, forward, retention
from logship.data import data_path
from logship.delivery.sink import Sink, under_way
from logship.errors import ConfigError
from logship.ingest import Ingest
from logship.ledger import doubts
from logship.ledger.budget import Budget
from logship.ledger.first_starts import FirstStarts
from logship.ledger.gaps import Gaps
from logship.ledger.ledger import Ledger
from logship.ledger.oldest import DropOldest
from logship.ledger.recovery import open_whole
from logship.ledger.unpaired import Unpaired
from logship.lines.join import Joiner, Starts, compile_starts
from logship.model import FileRef
from logship.pipeline.columns import Enrich
from logship.pipeline.compiled import Compiled, compile_pipeline
from logship.pipeline.dropping import shares
from logship.pipeline.encoder import Encoder
from logship.pipeline.enrichment.origin import constants, with_version
from logship.pipeline.enrichment.user_agent import UserAgents
from logship.pipeline.logformat import understand
from logship.pipeline.redaction import Redactor
from logship.pipeline.spec import Pipelines, PipelineSpec
from logship.pipeline.twins import Twins, once
from logship.report import Reporter
from logship.rotation.managed import Managed
from logship.rotation.rotator import LEAST, Policy, Rotator
from logship.sources import configured
from logship.sources.configured import Discovery, Wrapping
from logship.sources.docker import CONTAINERS_HINT, DockerContainers, unreadable
from logship.sources.tailer import Tailer
from logship.sources.watcher import Watcher
from logship.store.archiver import Archiver
from logship.store.describe import describe


def build(settings: Settings, *, paths: Sequence[str] = (), service: str = "", envelope: Wrapping = "auto") -> Agent:
    """
    Put an agent together from settings; `paths` are read in place of what they name.

    Raises LedgerLocked and the other LedgerErrors, PipelineError and ConfigError.
    """
    sources = discoveries(settings, paths, service, envelope)
    _tame_collector()
    pipelines = pipelines_of(settings)
    ledger = open_whole(settings.state_dir, describe, archive=settings.store.enabled)
    try:
        redactor = Redactor.load(
            data_path("pipelines") / "redaction.yaml",
            policies=policies(settings),
            key=_installation_key(settings.state_dir),
            cache=settings.state_dir / "redaction.scan",
        )
        options = settings.ingest
        bell = threading.Event()
        watcher = Watcher(bell)
        unpaired = Unpaired(ledger)
        bind = Binder(settings, pipelines, redactor)
        gaps = Gaps(ledger, bind.constants, settings.namespace)
        twins = [] if paths else _twins(settings, sources, unpaired)
        tailer = Tailer(
            ledger,
            lambda: (found for source in sources for found in source()),
            chunk=options.chunk_bytes,
            line_limit=options.max_line_bytes,
            quiet=options.linger_seconds,
            watcher=watcher,
            directories=lambda: {directory for source in sources for directory in source.directories()},
            rotator=Rotator(ledger, None if paths else managed(settings)),
            gaps=gaps,
            starts=FirstStarts(ledger, [one.path for one in settings.files if one.start == "end" and not paths]),
        )
        budget = Budget(ledger, max_size=settings.state.max_size, min_free=settings.state.min_free)
        sinks, archiver = _sinks(settings, ledger), _archiver(settings, ledger, budget)
        ingest = Ingest(
            ledger,
            tailer,
            once(bind, twins),
            quiet=options.quiet_seconds,
            scan_every=options.scan_seconds,
            room=budget.room,
            unpaired=unpaired,
        )
        return Agent(
            ledger,
            tailer,
            ingest,
            watcher,
            sinks,
            archiver,
            bell=bell,
            relief=DropOldest(
                ledger,
                gaps,
                budget,
                under_way=under_way(sinks),
                # A disk on which nothing can be sealed must not keep the oldest for ever.
                sealed_only=lambda: archiver is not None and not archiver.resting,
            )
            if settings.state.when_full == "drop_oldest"
            else None,
            reporter=_reporter(settings, ledger),
            drain_seconds=settings.shutdown.drain_seconds,
        )
    except BaseException:
        ledger.close()
        raise


def _twins(settings: Settings, sources: Sequence[Discovery], unpaired: Unpaired) -> list[Twins]:
    """Return what is in LOG_FILE, or in a file as it, and in the output of containers too."""
    log_file = settings.log_file
    found = [(one.copy_of, configured.named(one.path)) for one in settings.files if one.copy_of]
    if log_file.path and log_file.copy_of != []:
        services = [log_file.service] if log_file.copy_of is None else log_file.copy_of
        found.append((services, configured.rotated(log_file.path)))
    key = _installation_key(settings.state_dir) if found else b""
    outputs = partial(configured.has_output, sources)
    return [Twins(services, paths, key=key, unpaired=unpaired, outputs=outputs) for services, paths in found]


def _reporter(settings: Settings, ledger: Ledger) -> Reporter | None:
    if not settings.report_seconds:
        return None
    return Reporter(
        ledger,
        every=settings.report_seconds,
        namespace=settings.namespace,
        constants=constants(os.uname().nodename, settings.fields, settings.labels),
    )


def check_settings(
    settings: Settings, *, paths: Sequence[str] = (), service: str = "", envelope: Wrapping = "auto"
) -> None:
    """
    Make all that `build` makes but what needs the state directory; raises ConfigError or PipelineError as it would.

    A running agent holds the state directory, so this is what a reload can know before it stops.
    """
    discoveries(settings, paths, service, envelope)
    pipelines_of(settings)
    if settings.elasticsearch.named:
        elasticsearch(settings).close()


def pipelines_of(settings: Settings) -> Pipelines:
    """Return the pipelines, the shipped ones and the operator's, with what LOG_FORMAT says; raises PipelineError."""
    loaded = Pipelines.load_for_use(data_path("pipelines"), settings.pipelines)
    return understand(loaded, settings.log_file.format, settings.log_file.date_format)


def _tame_collector() -> None:
    """
    Let the cyclic collector run rarely.

    Batches are thousands of objects that reference counting frees; looking
    through them for cycles cost some 2 % of the CPU time.
    """
    gc.freeze()
    gc.set_threshold(200_000, 50, 50)


class Binder:
    """Gives each file its encoder and joiner."""

    def __init__(self, settings: Settings, pipelines: Pipelines, redactor: Redactor) -> None:
        self._settings = settings
        self._pipelines = pipelines
        self._redactor = redactor
        self._starts: dict[str, tuple[Starts | None, Starts | None]] = {}
        self._compiled: dict[tuple[str, str], Compiled] = {}
        self._keep = shares(pipelines, settings.drop)
        #: ECS fields of every document.
        self.constants = constants(os.uname().nodename, settings.fields, settings.labels)
        self._enrich: dict[str, Enrich] = {}
        if settings.enrich.user_agent:
            self._enrich["user_agent.original"] = UserAgents()
        if settings.enrich.geoip_databases:
            from logship.pipeline.enrichment.geo import Places

            copies = settings.state_dir if os.access(settings.state_dir, os.W_OK) else None
            self._enrich["source.ip"] = Places(settings.enrich.geoip_databases, copies=copies)

    def __call__(self, file: FileRef) -> tuple[Encoder, Joiner]:
        """Return what turns the file's lines to documents."""
        spec = self._pipelines.for_source(file.source)
        encoder = Encoder(
            spec,
            file.source,
            self._redactor,
            key=file.key,
            compiled=self._compile(spec, file.source.zone),
            constants=with_version(self.constants, file.source.image),
            namespace=self._settings.namespace,
            keep_original=self._settings.keep_original,
            # A container's file is named by its id, which is in the document anyway.
            path="" if file.source.envelope == "docker" and "container" in file.source.fields else file.path,
            enrich=self._enrich,
            keep=self._keep,
        )
        # A record with a delimiter of its own is an event.
        starts, alone = self._patterns(spec) if file.source.delimiter == "\n" else (None, None)
        options = self._settings.ingest
        joiner = Joiner(starts, alone, max_lines=options.max_event_lines, max_bytes=options.max_event_bytes)
        return encoder, joiner

    def _compile(self, spec: PipelineSpec, zone: str) -> Compiled:
        if (spec.name, zone) not in self._compiled:
            self._compiled[spec.name, zone] = compile_pipeline(spec, zone)
        return self._compiled[spec.name, zone]

    def _patterns(self, spec: PipelineSpec) -> tuple[Starts | None, Starts | None]:
        if spec.name not in self._starts:
            self._starts[spec.name] = compile_starts(spec.starts), compile_starts(spec.alone)
        return self._starts[spec.name]


def discoveries(
    settings: Settings, paths: Sequence[str] = (), service: str = "", envelope: Wrapping = "auto"
) -> list[Discovery]:
    """Return what finds the files to read; raises ConfigError when there is nothing to look for."""
    log_file, docker = settings.log_file, settings.containers
    if paths:
        return [configured.given(paths, service=service, envelope=envelope, zone=log_file.zone)]
    found: list[Discovery] = []
    why = "containers.enabled is false"
    if docker.enabled:
        error = unreadable(docker.root)
        if error is None:
            found.append(DockerContainers(docker.root, docker.exclude, settings.enrich.container_labels))
        else:
            why = f"containers.root {docker.root}: {error.strerror}"
            if docker.enabled is True:
                raise ConfigError(why, CONTAINERS_HINT)
            if isinstance(error, PermissionError):
                structlog.get_logger().warning("containers are not read", reason=why)
    if log_file.path:  # before a glob that finds it too
        found.append(configured.log_file(log_file.path, service=log_file.service, zone=log_file.zone))
    found += [
        configured.files(
            one.path,
            one.exclude,
            service=one.service,
            envelope=one.envelope,
            zone=one.zone,
            encoding=one.encoding,
            delimiter=one.delimiter,
            at_end=one.start == "end",
        )
        for one in settings.files
    ]
    if not found:
        raise ConfigError(
            f"nothing to read: {why}; no files and no LOG_FILE",
            "name files (`logship tail PATH`), or set files or log_file.path; containers: run as root, or mount "
            "Docker's folder at containers.root",
        )
    return found


def managed(settings: Settings) -> Managed | None:
    """Return which files logship rotates, and how; None when there are none."""
    log_file, options = settings.log_file, settings.rotation
    patterns = [one.path for one in settings.files if one.rotation == "managed"]
    if log_file.path and log_file.rotation == "managed":
        patterns.append(glob.escape(str(log_file.path)))
    policy = Policy(
        max(options.max_size or log_file.max_size, LEAST),
        log_file.backup_count if options.backup_count is None else options.backup_count,
        options.every,
        options.total_size,
        compress=options.compress == "gzip",
        truncate=options.allow_truncate,
        assume_append=options.assume_append,
    )
    return Managed(patterns, policy, docker=options.docker_json_files) or None


def policies(settings: Settings) -> dict[str, str]:
    """Return what becomes of personal data, by kind."""
    return {name: str(value) for name, value in settings.redaction.model_dump().items()}


def _installation_key(state_dir: Path) -> bytes:
    """Return this installation's key for keyed hashes, made at the first start."""
    path = state_dir / "redaction.key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    if len(key) < 16:
        raise ConfigError(f"{path} is not a key", "remove it: a new one is made at the next start")
    return key


def _sinks(settings: Settings, ledger: Ledger) -> list[Sink]:
    sinks: list[Sink] = []
    if settings.elasticsearch.named:
        from logship.delivery.sinks.elastic import ElasticsearchSink
        from logship.delivery.sinks.prepared import Prepared
        from logship.elastic.installer import ensure_templates
        from logship.elastic.keys import only_writes

        client = elasticsearch(settings)
        in_flight = settings.elasticsearch.in_flight
        sink = ElasticsearchSink(
            client,
            namespace=settings.namespace,
            in_flight=in_flight,
            reader=elasticsearch(settings, reading=True) if settings.elasticsearch.read_api_key else None,
            doubtful=doubts.take(ledger, "elasticsearch", in_flight),
        )
        prepare = partial(ensure_templates, client, retention(settings))
        sinks.append(Prepared(sink, prepare, partial(only_writes, client)))
    if settings.file_sink.path:
        from logship.delivery.sinks.file import FileSink

        options = settings.file_sink
        sinks.append(FileSink(settings.file_sink.path, max_size=options.max_size, backups=options.backups))
    if settings.forward.host:
        sinks.append(forward(settings))
    return sinks



def _archiver(settings: Settings, ledger: Ledger, budget: Budget) -> Archiver | None:
    store = settings.store
    if not store.enabled:
        return None
    limits = [size for size in (store.retention_size, settings.state.max_size // 2) if size]
    return Archiver(
        settings.state_dir,
        ledger,
        max_bytes=store.seal_bytes,
        max_age=store.seal_seconds,
        keep_age=timedelta(days=store.retention_days) if store.retention_days else None,
        keep_bytes=min(limits, default=None),
        hurry=lambda: bool(budget.reason),
    )
