"""`logship setup`: make Elasticsearch or OpenSearch ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from logship.cli import render
from logship.cli.shared import Command, effective
from logship.errors import ConfigError, LogshipError

if TYPE_CHECKING:
    from logship.config.settings import Settings
    from logship.elastic.client import Client
    from logship.elastic.installer import Plan
    from logship.elastic.keys import Key
    from logship.elastic.objects import Change
    from logship.elastic.server import Server

_OBJECTS = ("templates", "lifecycle")
_PARTS = (*_OBJECTS, "keys")
_HUES = {"created": "green", "updated": "yellow", "removed": "yellow", "foreign": "red", "in use": "red"}


@click.command(
    cls=Command,
    examples=[
        "logship setup --dry-run                 what would change, and what this server lacks",
        "logship setup",
        "logship setup --only templates,lifecycle --json",
        "logship setup --only keys >> .env       an API key to write and one to read, shown once",
        "logship setup --remove                  takes away what logship installed, and no data",
    ],
)
@click.option("--dry-run", is_flag=True, help="Change nothing; show the differences.")
@click.option("--only", metavar="A,B", help=f"Only these parts: {', '.join(_PARTS)}. Without: all but keys.")
@click.option("--remove", is_flag=True, help="Delete what logship installed; data stays.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def setup(ctx: click.Context, dry_run: bool, only: str | None, remove: bool, as_json: bool) -> None:
    """
    Install index templates and lifecycle policies, as far as the server knows them.

    Asks the server what it is and what it can, shows what differs, and changes only what
    logship made. Component template logship-custom is yours: what it says wins. Needs the
    cluster privileges monitor, manage_index_templates, manage_ilm (where there is ILM) and
    manage_own_api_key (for keys); what is missing is named before anything is changed.

    The agent installs templates and policies by itself where its key may.
    """
    parts = _chosen(only)
    settings = effective(ctx).settings
    if not settings.elasticsearch.named:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    from logship.app import elasticsearch

    client = elasticsearch(settings)
    try:
        if remove:
            _remove(client, parts, dry_run=dry_run, as_json=as_json)
        else:
            _install(client, settings, parts, dry_run=dry_run, as_json=as_json)
    finally:
        client.close()


def _chosen(only: str | None) -> list[str]:
    if only is None:
        return list(_OBJECTS)
    parts = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [part for part in parts if part not in _PARTS]
    if unknown or not parts:
        what = ", ".join(unknown) or "nothing"
        raise click.BadParameter(f"{what}: choose of {', '.join(_PARTS)}", param_hint="--only")
    return parts


def _install(client: Client, settings: Settings, parts: Sequence[str], *, dry_run: bool, as_json: bool) -> None:
    from logship.app import retention
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
    if as_json:
        click.echo(render.as_json({"server": _server(plan.server), "dry_run": dry_run} | _told(changes, keys)))
        return
    _show(plan, changes, keys, dry_run=dry_run)


def _remove(client: Client, parts: Sequence[str], *, dry_run: bool, as_json: bool) -> None:
    from logship.elastic.installer import remove

    changes = remove(client, parts=[part for part in parts if part in _OBJECTS], dry_run=dry_run)
    if as_json:
        click.echo(render.as_json({"dry_run": dry_run} | _told(changes, [])))
        return
    for change in changes:
        _line(change, dry_run)
    if not changes:
        click.echo("there is nothing of logship's")


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
