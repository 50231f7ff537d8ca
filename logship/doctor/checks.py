"""Every check, in the order of the report; beside `app.build()` the only place of the doctor that sees settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from logship.app import discoveries, managed
from logship.config.settings import Settings
from logship.connections import elasticsearch, forward
from logship.doctor import docker, files, machine, sinks, state
from logship.doctor.finding import Check, Finding
from logship.doctor.recovered import recovered
from logship.errors import ConfigError
from logship.sources.discovery import Found


def checks(settings: Settings) -> list[Check]:
    """
    Return what to examine, with its arguments bound; making the list looks at nothing.

    A package adds its own here: a function that yields findings, each with a Repair if it can be mended.
    """
    state_dir, store, containers = settings.state_dir, settings.store, settings.containers

    def discover() -> Iterator[Found]:
        with suppress(ConfigError):  # the check of the sources says it
            yield from (found for source in discoveries(settings) for found in source())

    def sources() -> Iterator[Finding]:
        try:
            discoveries(settings)
        except ConfigError as error:
            yield Finding("problem", "sources", str(error), error.hint)
        else:
            count = len(list(discover()))
            yield Finding("ok", "sources", f"{count} files to read" if count else "there is no file to read yet")

    found = [
        Check("sources", sources),
        Check("docker", partial(docker.docker, containers.root, containers.enabled, containers.exclude)),
        Check("rotation", partial(files.rotation, discover, managed(settings), state_dir)),
        Check("sharing", partial(files.sharing, discover, state_dir)),
        Check("time zones", partial(files.zones, discover)),
        Check("ledger", partial(state.ledger, state_dir)),
        Check("recoveries", partial(recovered, state_dir)),
        Check("accounting", partial(state.accounting, state_dir)),
        Check("segments", partial(state.segments, state_dir)),
        Check("disk space", partial(state.disk_space, state_dir, store.retention_size if store.enabled else 0)),
        Check("open files", partial(machine.open_files, state_dir)),
        Check("inotify", partial(machine.inotify, state_dir)),
        Check("clock", partial(machine.clock, state_dir)),
    ]
    if settings.elasticsearch.named:
        found.append(Check("elasticsearch", partial(sinks.elasticsearch, partial(elasticsearch, settings))))
    if settings.forward.host:
        found.append(Check("forward", partial(sinks.forward, partial(forward, settings))))
    if settings.file_sink.path:
        found.append(Check("file sink", partial(sinks.file_sink, settings.file_sink.path)))
    return found
