"""`logship setup`: make Elasticsearch or OpenSearch ready."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logship.cli import render, views
from logship.cli.shared import Command, effective
from logship.errors import ConfigError, LogshipError

if TYPE_CHECKING:
    from logship.config.settings import Settings
    from logship.elastic.client import Client
    from logship.elastic.installer import Plan
    from logship.elastic.keys import Key
    from logship.elastic.kibana import Outcome
    from logship.elastic.objects import Change
    from logship.elastic.server import Server
    from logship.elastic.views.model import Language

_OBJECTS = ("templates", "lifecycle")
_PARTS = (*_OBJECTS, "keys", *views.PARTS)
_HUES = {"created": "green", "updated": "yellow", "removed": "yellow", "foreign": "red", "in use": "red"}


@click.command(
    cls=Command,
    examples=[
        "logship setup --dry-run                 what would change, and what this server lacks",
        "logship setup",
        "logship setup --only templates,lifecycle --json",
        "logship setup --only keys >> .env       an API key to write and one to read, shown once",
        "logship setup --only kibana --lang zh   dashboards, searches and alert rules, in Chinese",
        "logship setup --only grafana --to DIR   files for Grafana's provisioning",
        "logship setup --remove                  takes away what logship installed, and no data",
    ],
)
@click.option("--dry-run", is_flag=True, help="Change nothing; show the differences.")
@click.option("--only", metavar="A,B", help=f"Only these: {', '.join(_PARTS)}. Without: what is configured, but keys.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of titles and texts.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Write files for Kibana and Grafana.")
@click.option("--force", is_flag=True, help="Replace also dashboards, searches and data sources edited by hand.")
@click.option("--remove", is_flag=True, help="Delete what logship installed; data stays.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def setup(
    ctx: click.Context,
    dry_run: bool,
    only: str | None,
    lang: Language,
    to: Path | None,
    force: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """
    Install index templates and lifecycle policies, as far as the server knows them; dashboards, searches and rules.

    Asks the server what it is and what it can, shows what differs, and changes only what
    logship made. Component template logship-custom is yours: what it says wins. Needs the
    cluster privileges monitor, manage_index_templates, manage_ilm (where there is ILM) and
    manage_own_api_key (for keys); what is missing is named before anything is changed.

    The agent installs templates and policies by itself where its key may.
    """
    settings = effective(ctx).settings
    parts = _chosen(only, settings)
    shown = [part for part in parts if part in views.PARTS]
    if to:
        _write(to, parts if only else views.PARTS, lang, remove=remove, dry_run=dry_run, as_json=as_json)
        return
    views.check(settings, shown, remove=remove)
    told: dict[str, object] = {"dry_run": dry_run}
    if elastic := [part for part in parts if part not in views.PARTS]:
        told |= _elastic(settings, elastic, remove=remove, dry_run=dry_run, quiet=as_json)
    if shown:
        what = views.remove if remove else functools.partial(views.install, language=lang, force=force)
        outcomes = what(settings, shown, dry_run=dry_run)
        told["objects"] = [asdict(one) for one in outcomes]
        if not as_json:
            _show_outcomes(outcomes, dry_run=dry_run)
    if as_json:
        click.echo(render.as_json(told))


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


def _elastic(
    settings: Settings, parts: Sequence[str], *, remove: bool, dry_run: bool, quiet: bool
) -> dict[str, object]:
    if not settings.elasticsearch.named:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    from logship.connections import elasticsearch

    client = elasticsearch(settings)
    try:
        if remove:
            return _remove(client, parts, dry_run=dry_run, quiet=quiet)
        return _install(client, settings, parts, dry_run=dry_run, quiet=quiet)
    finally:
        client.close()


def _show_outcomes(outcomes: Sequence[Outcome], *, dry_run: bool) -> None:
    colour = render.colours()
    for one in outcomes:
        pending = dry_run and one.state in ("created", "updated", "removed")
        state = f"would be {one.state}" if pending else one.state
        shown = click.style(state, fg=_HUES.get(one.state)) if colour else state
        click.echo(f"{one.kind} {one.name}: {shown}{f'; {one.note}' if one.note else ''}")


def _chosen(only: str | None, settings: Settings) -> list[str]:
    """Return the parts that are named, else those that are configured."""
    if only is None:
        found = views.configured(settings)
        return [*_OBJECTS, *found] if settings.elasticsearch.named or not found else found
    parts = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [part for part in parts if part not in _PARTS]
    if unknown or not parts:
        what = ", ".join(unknown) or "nothing"
        raise click.BadParameter(f"{what}: choose of {', '.join(_PARTS)}", param_hint="--only")
    return parts


def _install(
    client: Client, settings: Settings, parts: Sequence[str], *, dry_run: bool, quiet: bool
) -> dict[str, object]:
    from logship.connections import retention
    from logship.elastic import installer
    from logship.elastic.keys import make_keys

    plan = installer.plan(client, parts=parts, days=retention(settings))
    privileges = installer.needed(plan)
    if "keys" in parts:
        privileges["cluster"].append("manage_own_api_key")
    if missing := installer.missing(client, privileges):
        raise LogshipError(
            f"nothing was changed: we have not the cluster privileges {', '.join(missing)}",
            "use a key or a user that has them; `logship setup --help` lists all",
        )
    keys: list[Key] = []
    changes = [change for _, change in plan.changes]
    if not dry_run:
        changes = installer.apply(client, plan)
        keys = make_keys(client, plan.server, settings.namespace) if "keys" in parts else []
    if not quiet:
        _show(plan, changes, keys, dry_run=dry_run)
    return {"server": _server(plan.server)} | _told(changes, keys)


def _remove(client: Client, parts: Sequence[str], *, dry_run: bool, quiet: bool) -> dict[str, object]:
    from logship.elastic.installer import remove

    changes = remove(client, parts=[part for part in parts if part in _OBJECTS], dry_run=dry_run)
    if not quiet:
        for change in changes:
            _line(change, dry_run)
        if not changes:
            click.echo("there is nothing of logship's")
    return _told(changes, [])


def _server(server: Server) -> dict[str, object]:
    lacks = [{"feature": feature, "instead": instead} for feature, instead in server.notes()]
    return asdict(server) | {"lacks": lacks}


def _told(changes: Sequence[Change], keys: Sequence[Key]) -> dict[str, object]:
    found = [
        {
            "kind": change.kind,
            "name": change.name,
            "state": change.state,
            "note": change.note,
            "differences": [{"at": at, "is": old, "should_be": new} for at, old, new in change.differences],
        }
        for change in changes
    ]
    return {"changes": found, "keys": [asdict(key) for key in keys]}


def _show(plan: Plan, changes: Sequence[Change], keys: Sequence[Key], *, dry_run: bool) -> None:
    # Keys go to standard output alone, so that they can be appended to an .env; all else stands beside it then.
    aside = bool(keys)
    click.echo(f"{plan.server}; data is kept by: {plan.server.lifecycle}", err=aside)
    for feature, instead in plan.server.notes():
        click.echo(f"  has no {feature}; instead: {instead}", err=aside)
    for change in changes:
        _line(change, dry_run, aside=aside)
    for key in keys:
        click.echo(f"# API key {key.name} ({key.id}): {', '.join(key.privileges)}. It is shown this once.")
        click.echo(f"{key.variable}={key.encoded}")


def _line(change: Change, dry_run: bool, *, aside: bool = False) -> None:
    pending = dry_run and change.state in ("created", "updated", "removed")
    state = f"would be {change.state}" if pending else change.state
    colour = render.colours()
    shown = click.style(state, fg=_HUES.get(change.state)) if colour else state
    what = f" ({len(change.differences)} values)" if change.state == "created" else ""
    click.echo(f"{change.kind} {change.name}: {shown}{what}{f'; {change.note}' if change.note else ''}", err=aside)
    if change.state != "updated":
        return
    for at, old, new in change.differences:
        for sign, value, hue in (("-", old, "red"), ("+", new, "green")):
            if value is not None:
                text = f"  {sign} {at}: {render.visible(str(value))}"
                click.echo(click.style(text, fg=hue) if colour else text, err=aside)
