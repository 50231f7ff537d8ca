"""
Puts the agent together: the only place that sees settings.

`Agent.run` is the service: an ingest loop, one courier for each sink, a
housekeeper. `Agent.once` reads what there is, delivers it, and ends.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from logship import __version__
from logship.config.settings import Settings
from logship.data import data_path
from logship.delivery.courier import Courier
from logship.delivery.replay import Replay
from logship.delivery.sink import Sink
from logship.errors import AccountingError, ConfigError, DeliveryError, LogshipError
from logship.ingest import Ingest
from logship.ledger import rejects
from logship.ledger.ledger import Ledger
from logship.ledger.status import status
from logship.lines.join import Joiner, compile_starts
from logship.model import FileRef, StoredBatch
from logship.pipeline.encoder import Encoder
from logship.pipeline.redaction import Redactor
from logship.pipeline.spec import Pipelines, PipelineSpec
from logship.sources.discovery import Found, PathPatterns
from logship.sources.docker import DockerContainers
from logship.sources.tailer import Tailer
from logship.sources.watcher import Watcher
from logship.store.archiver import Archiver

if TYPE_CHECKING:
    from logship.elastic.client import Client

log = structlog.get_logger()

OnBatch = Callable[[StoredBatch], None]
_ECS = "9.2.0"


class Agent:
    """One ledger, what fills it, and what empties it."""

    def __init__(
        self,
        ledger: Ledger,
        tailer: Tailer,
        ingest: Ingest,
        watcher: Watcher,
        sinks: Sequence[Sink],
        archiver: Archiver | None,
        *,
        directories: Callable[[], Iterable[Path]],
        bell: threading.Event,
    ) -> None:
        self.ledger = ledger
        self._tailer = tailer
        self._ingest = ingest
        self._watcher = watcher
        self._sinks = sinks
        self._archiver = archiver
        self._directories = directories
        self._bell = bell
        self._fault: BaseException | None = None

    def run(self, stop: threading.Event, on_batch: OnBatch | None = None) -> None:
        """Work until told to stop; raises the first error that ended a part."""
        couriers = [self._courier(sink, stop) for sink in self._sinks]
        works = [courier.run for courier in couriers] + [lambda: self._keep_house(stop)]
        if on_batch:
            begin = self._newest()
            works.append(lambda: self._show(begin, on_batch, stop))
        threads = [threading.Thread(target=self._guarded, args=(work, stop), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        wake = threading.Thread(target=self._wake_at, args=(stop,), daemon=True)
        wake.start()
        log.info("agent started", version=__version__, state_dir=str(self.ledger.directory), sinks=[s.name for s in self._sinks])
        try:
            self._guarded(lambda: self._ingest.run(stop, self._bell), stop)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            self.close()
        if self._fault:
            raise self._fault
        log.info("agent stopped")

    def once(self, on_batch: OnBatch | None = None, *, deadline: float = 60.0) -> None:
        """
        Read all there is, deliver it, and end.

        Raises DeliveryError when a sink did not take everything within
        `deadline` seconds or refused documents, AccountingError when the books
        do not close.
        """
        stop = threading.Event()
        begin = self._newest()
        try:
            self._tailer.scan(time.monotonic())
            couriers = [self._courier(sink, stop) for sink in self._sinks]
            while self._ingest.step(time.monotonic()):
                for courier in couriers:
                    courier.step()
                self._seal(wait=False)
                if on_batch:
                    begin = self._show_new(begin, on_batch)
            self._tailer.stopping()
            while self._ingest.step(time.monotonic(), scan=True, flush=True):
                pass
            self._ingest.step(time.monotonic(), flush=True)
            if on_batch:
                self._show_new(begin, on_batch)
            late = [courier.sink.name for courier in couriers if not courier.drain(time.monotonic() + deadline)]
            self._seal(wait=True)
            self._settle_accounts(late)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of files, connections and the ledger."""
        self._watcher.close()
        for sink in self._sinks:
            sink.close()
        if self._archiver:
            self._archiver.close()
        self._tailer.close()
        self.ledger.close()

    def _courier(self, sink: Sink, stop: threading.Event) -> Courier:
        return Courier(self.ledger, sink, stop, replay=Replay(self.ledger, sink))

    def _seal(self, *, wait: bool) -> None:
        """Seal what is due, and let go of what nobody needs any more."""
        if self._archiver:
            self._archiver.step()
            while wait and self._archiver.busy:
                time.sleep(0.05)
                self._archiver.step()
        self.ledger.prune(archive=self._archiver is not None)

    def _settle_accounts(self, late: Sequence[str]) -> None:
        books = status(self.ledger.directory)
        if late:
            waiting = {sink.name: sink for sink in books.sinks}
            reasons = [f"{name}: {waiting[name].pending} documents wait ({waiting[name].last_error})" for name in late]
            raise DeliveryError("; ".join(reasons))
        refused = [f"{sink.name} refused {sink.rejected} documents" for sink in books.sinks if sink.rejected]
        if refused:
            raise DeliveryError("; ".join(refused), "see `logship rejected list`")
        if not books.closes:
            raise AccountingError("; ".join(books.problems))

    def _guarded(self, work: Callable[[], Any], stop: threading.Event) -> None:
        try:
            work()
        except BaseException as error:
            self._fault = self._fault or error
            stop.set()
            self._bell.set()

    def _wake_at(self, stop: threading.Event) -> None:
        stop.wait()
        self._bell.set()  # the ingest loop may wait for it

    def _keep_house(self, stop: threading.Event) -> None:
        """Seal, prune and carry out requests, every two seconds."""
        archive = self._archiver is not None
        while not stop.is_set():
            self._watcher.watch(self._directories())
            try:
                rejects.requests(self.ledger)
                if self._archiver:
                    self._archiver.step()
            except LogshipError as error:
                log.error("housekeeping failed", reason=str(error), hint=error.hint)
            self.ledger.prune(archive=archive)
            stop.wait(2.0)

    def _newest(self) -> int:
        row = self.ledger.connection.execute("SELECT coalesce(max(seq), 0) FROM leaf").fetchone()
        return int(row[0])

    def _show(self, seq: int, on_batch: OnBatch, stop: threading.Event) -> None:
        while not stop.is_set():
            seq = self._show_new(seq, on_batch)
            stop.wait(0.1)
        self._show_new(seq, on_batch)

    def _show_new(self, seq: int, on_batch: OnBatch) -> int:
        while found := self.ledger.after(seq, limit=1):
            on_batch(found[0])
            seq = found[0].seq
        return seq


def build(
    settings: Settings, *, paths: Sequence[str] = (), service: str = "", envelope: str = "auto"
) -> Agent:
    """
    Put an agent together from settings; `paths` are read in place of what they name.

    Raises LedgerLocked and the other LedgerErrors, PipelineError and ConfigError.
    """
    discoveries = _discoveries(settings, paths, service, envelope)
    if not discoveries:
        raise ConfigError(
            "nothing to read: no containers folder, no files and no LOG_FILE",
            "name files (`logship tail PATH`), or set files, log_file.path or containers.root",
        )
    pipelines = Pipelines.load_for_use(data_path("pipelines"), settings.pipelines)
    ledger = Ledger.open(settings.state_dir)
    try:
        redactor = Redactor.load(
            data_path("pipelines") / "redaction.yaml",
            policies=policies(settings),
            key=_installation_key(settings.state_dir),
        )
        options = settings.ingest
        tailer = Tailer(
            ledger,
            lambda: (found for discovery in discoveries for found in discovery()),
            chunk=options.chunk_bytes,
            line_limit=options.max_line_bytes,
            quiet=options.linger_seconds,
        )
        bind = Binder(settings, pipelines, redactor)
        ingest = Ingest(ledger, tailer, bind, quiet=options.quiet_seconds, scan_every=options.scan_seconds)
        bell = threading.Event()
        watcher = Watcher(bell)
        return Agent(
            ledger,
            tailer,
            ingest,
            watcher,
            _sinks(settings),
            _archiver(settings, ledger),
            directories=lambda: {directory for discovery in discoveries for directory in discovery.directories()},
            bell=bell,
        )
    except BaseException:
        ledger.close()
        raise


class Binder:
    """Gives each file its encoder and joiner."""

    def __init__(self, settings: Settings, pipelines: Pipelines, redactor: Redactor) -> None:
        self._settings = settings
        self._pipelines = pipelines
        self._redactor = redactor
        self._starts: dict[str, tuple[Any, Any]] = {}
        self._constants: dict[str, Any] = {
            "ecs": {"version": _ECS},
            "host": {"name": os.uname().nodename},
        }
        if settings.labels:
            self._constants["labels"] = dict(settings.labels)

    def __call__(self, file: FileRef) -> tuple[Encoder, Joiner]:
        """Return what turns the file's lines to documents."""
        spec = self._pipelines.for_source(file.source)
        encoder = Encoder(
            spec,
            file.source,
            self._redactor,
            key=file.key,
            constants=self._constants,
            namespace=self._settings.namespace,
            keep_original=self._settings.keep_original,
            # A container's file is named by its id, which is in the document anyway.
            path="" if file.source.envelope == "docker" and "container" in file.source.fields else file.path,
        )
        starts, alone = self._patterns(spec)
        options = self._settings.ingest
        joiner = Joiner(starts, alone, max_lines=options.max_event_lines, max_bytes=options.max_event_bytes)
        return encoder, joiner

    def _patterns(self, spec: PipelineSpec) -> tuple[Any, Any]:
        if spec.name not in self._starts:
            self._starts[spec.name] = compile_starts(spec.starts), compile_starts(spec.alone)
        return self._starts[spec.name]


def _discoveries(
    settings: Settings, paths: Sequence[str], service: str, envelope: str
) -> list[PathPatterns | DockerContainers]:
    if paths:
        missing = [path for path in paths if not any(mark in path for mark in "*?[") and not Path(path).exists()]
        if missing:
            raise ConfigError(f"no such file: {', '.join(missing)}", "quote a glob that is to match files made later")
        zone = settings.log_file.zone
        return [PathPatterns([os.path.abspath(path) for path in paths], service=service, envelope=_envelope(envelope), zone=zone)]
    found: list[PathPatterns | DockerContainers] = []
    containers = settings.containers
    if containers.enabled is True or (containers.enabled == "auto" and containers.root.is_dir()):
        found.append(DockerContainers(containers.root, tuple(containers.exclude)))
    for source in settings.files:
        found.append(
            PathPatterns(
                [os.path.abspath(source.path)],
                [*source.exclude, *_COMPRESSED],
                service=source.service,
                envelope=_envelope(source.envelope),
                zone=source.zone,
            )
        )
    if settings.log_file.path:
        path = os.path.abspath(settings.log_file.path)
        found.append(PathPatterns([path, f"{path}.*"], _COMPRESSED, service=settings.log_file.service, envelope="plain", zone=settings.log_file.zone))
    return found


_COMPRESSED = ("*.gz", "*.zst", "*.bz2", "*.xz")


def _envelope(name: str) -> Any:
    return None if name == "auto" else name


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


def _sinks(settings: Settings) -> list[Sink]:
    sinks: list[Sink] = []
    if settings.elasticsearch.hosts:
        from logship.delivery.sinks.elastic import ElasticsearchSink
        from logship.delivery.sinks.prepared import Prepared
        from logship.elastic.installer import ensure_templates

        client = elasticsearch(settings)
        sink = ElasticsearchSink(client, namespace=settings.namespace)
        sinks.append(Prepared(sink, lambda: ensure_templates(client)))
    if settings.file_sink.path:
        from logship.delivery.sinks.file import FileSink

        sinks.append(FileSink(settings.file_sink.path, max_size=settings.file_sink.max_size, backups=settings.file_sink.backups))
    return sinks


def elasticsearch(settings: Settings) -> Client:
    """Return a connection to the Elasticsearch that the settings name."""
    from logship.elastic.client import connect

    options = settings.elasticsearch
    return connect(
        options.hosts,
        api_key=_secret(options.api_key),
        basic=(options.username, _secret(options.password)) if options.username else None,
        bearer=_secret(options.bearer),
        ca_file=options.ca_file,
        fingerprint=options.fingerprint or "",
        verify=options.verify,
        timeout=options.request_timeout,
    )


def _secret(value: Any) -> str:
    return value.get_secret_value() if value is not None else ""


def _archiver(settings: Settings, ledger: Ledger) -> Archiver | None:
    store = settings.store
    if not store.enabled:
        return None
    return Archiver(
        settings.state_dir,
        ledger,
        max_bytes=store.seal_bytes,
        max_age=store.seal_seconds,
        keep_age=timedelta(days=store.retention_days) if store.retention_days else None,
        keep_bytes=store.retention_size or None,
    )


def discovered(settings: Settings) -> Iterable[Found]:
    """Return the files that the configuration names now."""
    for discovery in _discoveries(settings, (), "", "auto"):
        yield from discovery()
