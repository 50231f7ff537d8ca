"""`logship setup`: make Elasticsearch or OpenSearch ready."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logship.cli import changes as shown
from logship.cli import render, views
from logship.cli.shared import Command, effective
from logship.errors import ConfigError, LogshipError

if TYPE_CHECKING:
    from logship.config.settings import Settings
    from logship.elastic.client import Client
    from logship.elastic.views.model import Language

_OBJECTS = ("templates", "lifecycle")
_PARTS = (*_OBJECTS, "keys", *views.PARTS)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for on Elasticsearch."""

    parts: tuple[str, ...]
    #: Whether the parts were named, not taken from the configuration.
    named: bool
    dry_run: bool
    new_keys: bool
    force: bool
    verbose: bool
    #: Write nothing: all goes into one JSON object.
    quiet: bool


@click.command(
    cls=Command,
    examples=[
        "logship setup --dry-run                 what would change, and what this server lacks",
        "logship setup",
        "logship setup --only templates,lifecycle --json",
        "logship setup --only keys >> .env       as a user: an API key to write and one to read, shown once",
        "logship setup --only kibana --lang zh   dashboards, searches and alert rules, in Chinese",
        "logship setup --only grafana --to DIR   files for Grafana's provisioning",
        "logship setup --remove                  takes away what logship installed, keys too, and no data",
    ],
)
@click.option("--dry-run", is_flag=True, help="Change nothing; show the differences.")
@click.option("--only", metavar="A,B", help=f"Only these: {', '.join(_PARTS)}. Without: what is configured, but keys.")
@click.option("--new-keys", is_flag=True, help="With keys: make them also where there are some; the old stay valid.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of titles and texts.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Write files for Kibana and Grafana.")
@click.option("--force", is_flag=True, help="Replace also dashboards, searches and data sources edited by hand; with "
              "--remove: delete also what a newer logship installed.")
@click.option("--remove", is_flag=True, help="Delete what logship installed, and its API keys; data stays.")
@click.option("-v", "--verbose", is_flag=True, help="Show every value of what is new.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def setup(
    ctx: click.Context,
    *,
    dry_run: bool,
    only: str | None,
    new_keys: bool,
    lang: Language,
    to: Path | None,
    remove: bool,
    force: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """
    Install index templates and lifecycle policies, as far as the server knows them; dashboards, searches and rules.

    Asks the server what it is and what it can, shows what differs, and changes only what
    logship made. Component template logship-custom is yours: what it says wins. Needs the
    cluster privileges monitor and manage_index_templates and, where there is ILM, manage_ilm;
    for keys manage_own_api_key and what the keys may do: create_doc, auto_configure, read and
    view_index_metadata on logs-dify.*-* and logs-logship.*-* (and monitor, for Grafana). What
    is missing, and what is in the way, is named before anything is changed. Keys are made by
    a user with a password: Elasticsearch lets no API key make another with privileges. Keys
    that are there are left as they are.

    The agent installs templates and policies by itself where its key may.
    """
    settings = effective(ctx).settings
    parts = _chosen(only, settings, remove=remove)
    if new_keys and "keys" not in parts:
        raise click.UsageError("--new-keys goes with --only keys")
    beyond = [part for part in parts if part in views.PARTS]
    if to:
        _write(to, parts if only else views.PARTS, lang, remove=remove, dry_run=dry_run, as_json=as_json)
        return
    views.check(settings, beyond, remove=remove)
    told: dict[str, object] = {"dry_run": dry_run}
    wrong: LogshipError | None = None
    if elastic := tuple(part for part in parts if part not in views.PARTS):
        wish = _Wish(elastic, only is not None, dry_run, new_keys, force, verbose, as_json)
        found, wrong = _elastic(settings, wish, remove=remove)
        told |= found
    if beyond:
        what = views.remove if remove else functools.partial(views.install, language=lang, force=force)
        try:
            outcomes = what(settings, beyond, dry_run=dry_run)
        except LogshipError as error:  # keys that were made before are shown all the same
            outcomes, wrong = [], wrong or error
        told["objects"] = [asdict(one) for one in outcomes]
        if not as_json:
            shown.show_outcomes(outcomes, dry_run=dry_run, aside="keys" in parts)
    if as_json:
        click.echo(render.as_json(told))
    if wrong:
        raise wrong


def _write(
    to: Path, parts: Sequence[str], language: Language, *, remove: bool, dry_run: bool, as_json: bool
) -> None:
    if remove:
        raise click.UsageError("--to writes files and --remove deletes what was installed: choose one")
    if others := [part for part in parts if part not in views.PARTS]:
        raise click.UsageError(
            f"--to writes files for kibana and grafana only, not {', '.join(others)}: "
            "`logship setup --dry-run --json` shows what would be put into Elasticsearch"
        )
    written = views.write(to, parts, language, dry_run=dry_run)
    if as_json:
        click.echo(render.as_json({"dry_run": dry_run, "written": [] if dry_run else written, "files": written}))
    else:
        click.echo("\n".join(f"would write {path}" if dry_run else path for path in written))


def _elastic(settings: Settings, wish: _Wish, *, remove: bool) -> tuple[dict[str, object], LogshipError | None]:
    if not settings.elasticsearch.named:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    from logship.connections import elasticsearch

    client = elasticsearch(settings)
    try:
        return (_remove(client, wish), None) if remove else _install(client, settings, wish)
    finally:
        client.close()


def _chosen(only: str | None, settings: Settings, *, remove: bool) -> list[str]:
    """Return the parts that are named, else those that are configured; keys are made by name only."""
    if only is None:
        found = views.configured(settings)
        ours = [*_OBJECTS, "keys"] if remove else _OBJECTS
        return [*ours, *found] if settings.elasticsearch.named or not found else found
    parts = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [part for part in parts if part not in _PARTS]
    if unknown or not parts:
        what = ", ".join(unknown) or "nothing"
        raise click.BadParameter(f"{what}: choose of {', '.join(_PARTS)}", param_hint="--only")
    return parts


def _install(client: Client, settings: Settings, wish: _Wish) -> tuple[dict[str, object], LogshipError | None]:
    """Install what is wished for; returns what was done, and what would be in the way of a dry run."""
    from logship.connections import retention
    from logship.elastic import installer, keys, privileges

    privileges.require(client, wish.parts)
    plan = None
    if any(part in wish.parts for part in _OBJECTS):
        plan = installer.plan(client, parts=wish.parts, days=retention(settings))
    ours = keys.plan_keys(client, settings.namespace, anew=wish.new_keys) if "keys" in wish.parts else []
    if not wish.dry_run:
        if plan:
            installer.apply(client, plan)
        ours = keys.make_keys(client, ours)
    changes = [*(change for _, change in plan.changes)] if plan else []
    changes += [key.change for key in ours]
    if not wish.quiet:
        # Keys go to standard output alone, so that they can be appended to an .env; all else stands beside it then.
        aside = bool(ours) and not wish.dry_run
        if plan:
            shown.show_server(plan.server, aside=aside)
        for change in changes:
            shown.show_change(change, dry_run=wish.dry_run, verbose=wish.verbose, aside=aside)
        shown.show_keys(ours)
    server = {"server": shown.told_server(plan.server)} if plan else {}
    return server | shown.told(changes, ours), installer.obstacle(plan) if plan else None


def _remove(client: Client, wish: _Wish) -> dict[str, object]:
    from logship.elastic import installer, keys, privileges
    from logship.elastic.objects import Change

    objects = [part for part in wish.parts if part in _OBJECTS]
    privileges.require(client, wish.parts if wish.named else objects, removing=True)
    changes = installer.remove(client, parts=objects, dry_run=wish.dry_run, force=wish.force) if objects else []
    if "keys" in wish.parts:
        try:
            changes += keys.remove_keys(client, dry_run=wish.dry_run)
        except LogshipError as error:
            if wish.named:
                raise
            changes.append(Change("API key", "logship-*", "kept", note=f"{error}; {error.hint}"))
    if not wish.quiet:
        for change in changes:
            shown.show_change(change, dry_run=wish.dry_run, verbose=wish.verbose)
        if not changes:
            click.echo("there is nothing of logship's")
    return shown.told(changes, [])
