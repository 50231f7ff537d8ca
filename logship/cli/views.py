"""The parts of `logship setup` that are not Elasticsearch's: Kibana and Grafana."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logship.data import data_path
from logship.errors import ConfigError

if TYPE_CHECKING:
    from logship.config.settings import Settings
    from logship.elastic.kibana import Outcome
    from logship.elastic.views.model import Language

PARTS = ("kibana", "grafana")


def configured(settings: Settings) -> list[str]:
    """Return the parts that have an address."""
    return [part for part in PARTS if getattr(settings, part).url]


def check(settings: Settings, parts: Sequence[str], *, remove: bool) -> None:
    """Raise ConfigError where the settings do not say enough to install or remove what is chosen."""
    from logship.connections import grafanas_reader

    for part in parts:
        _with_address(settings, part)
    if "grafana" in parts and not remove:
        grafanas_reader(settings)


def install(
    settings: Settings, parts: Sequence[str], language: Language, *, dry_run: bool, force: bool
) -> list[Outcome]:
    """Install what is chosen; raises LogshipError."""
    from logship import connections
    from logship.elastic import grafana, kibana

    done: list[Outcome] = []
    if "kibana" in parts:
        client = connections.kibana(_with_address(settings, "kibana"))
        try:
            days = connections.longest_retention(settings)
            done += kibana.install(client, language, days=days, dry_run=dry_run, force=force)
        finally:
            client.close()
    if "grafana" in parts:
        client = connections.grafana(_with_address(settings, "grafana"))
        try:
            reader = connections.grafanas_reader(settings)
            done += grafana.install(client, language, reader, dry_run=dry_run, force=force)
        finally:
            client.close()
    return done


def remove(settings: Settings, parts: Sequence[str], *, dry_run: bool) -> list[Outcome]:
    """Delete what logship installed; raises LogshipError."""
    from logship import connections
    from logship.elastic import grafana, kibana

    done: list[Outcome] = []
    for part, connect, module in (("kibana", connections.kibana, kibana), ("grafana", connections.grafana, grafana)):
        if part in parts:
            client = connect(_with_address(settings, part))
            try:
                done += module.remove(client, dry_run=dry_run)
            finally:
                client.close()
    return done


def write(directory: Path, parts: Sequence[str], language: Language, *, dry_run: bool) -> list[str]:
    """Write the files for Kibana's import page and for Grafana's provisioning; returns their paths."""
    written = []
    for part in parts:
        for folder in (language, "provisioning"):
            source = data_path("elk") / part / folder
            for path in sorted(source.rglob("*")):
                if path.is_file():
                    name = path.relative_to(source)
                    target = directory / part / (name if folder == language else Path(folder) / name)
                    if not dry_run:
                        target.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(path, target)
                    written.append(str(target))
    return written


def _with_address(settings: Settings, part: str) -> Settings:
    if not getattr(settings, part).url:
        raise ConfigError(
            f"no {part.capitalize()} is configured",
            f"set {part}.url or LOGSHIP_{part.upper()}__URL, or take files with --to DIR",
        )
    return settings
