"""What `logship setup` does on a server, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from logship.cli import render

if TYPE_CHECKING:
    from logship.elastic.keys import Key
    from logship.elastic.kibana import Outcome
    from logship.elastic.objects import Change
    from logship.elastic.server import Server

_HUES = {
    "created": "green",
    "updated": "yellow",
    "removed": "yellow",
    "foreign": "red",
    "conflict": "red",
    "in use": "red",
}
_PENDING = ("created", "updated", "removed")
#: Values of a new object that a dry run shows.
_FEW = 5


def told(changes: Sequence[Change], keys: Sequence[Key]) -> dict[str, object]:
    """Return changes and keys as JSON shows them."""
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
    return {"changes": found, "keys": [asdict(key) for key in keys if key.encoded]}


def told_server(server: Server) -> dict[str, object]:
    """Return a server as JSON shows it, with what it lacks and what is done instead."""
    lacks = [{"feature": feature, "instead": instead} for feature, instead in server.notes()]
    return asdict(server) | {"lacks": lacks}


def show_server(server: Server, *, aside: bool) -> None:
    """Write what a server is and what it lacks; `aside`: to standard error."""
    click.echo(f"{server}; data is kept by: {server.lifecycle}", err=aside)
    for feature, instead in server.notes():
        click.echo(f"  has no {feature}; instead: {instead}", err=aside)


def show_change(change: Change, *, dry_run: bool, verbose: bool, aside: bool = False) -> None:
    """Write what is done about an object and how it differs; of what is new only a little, unless `verbose`."""
    what = f" ({len(change.differences)} values)" if change.state == "created" and change.differences else ""
    note = f"; {change.note}" if change.note else ""
    click.echo(f"{change.kind} {change.name}: {_state(change.state, dry_run)}{what}{note}", err=aside)
    shown = change.differences
    if change.state == "created" and not verbose:
        shown = shown[: _FEW if dry_run else 0]
    for at, old, new in shown:
        for sign, value, hue in (("-", old, "red"), ("+", new, "green")):
            if value is not None:
                text = f"  {sign} {at}: {render.visible(str(value))}"
                click.echo(click.style(text, fg=hue) if render.colours() else text, err=aside)
    if dry_run and (more := len(change.differences) - len(shown)):
        click.echo(f"  … and {more} more; all with -v", err=aside)


def show_outcomes(outcomes: Sequence[Outcome], *, dry_run: bool, aside: bool = False) -> None:
    """Write what became of objects in Kibana and Grafana; `aside`: to standard error."""
    for one in outcomes:
        note = f"; {one.note}" if one.note else ""
        click.echo(f"{one.kind} {one.name}: {_state(one.state, dry_run)}{note}", err=aside)


def show_keys(keys: Sequence[Key]) -> None:
    """Write new keys to standard output, as lines of an .env file."""
    for key in keys:
        if key.encoded:
            click.echo(f"# API key {key.name} ({key.id}): {', '.join(key.privileges)}. It is shown this once.")
            click.echo(f"{key.variable}={key.encoded}")


def _state(state: str, dry_run: bool) -> str:
    text = f"would be {state}" if dry_run and state in _PENDING else state
    return click.style(text, fg=_HUES.get(state)) if render.colours() else text
