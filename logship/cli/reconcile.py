"""`logship reconcile`: what this machine keeps against what Elasticsearch has."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from logship.cli import render
from logship.cli.search import span
from logship.cli.shared import Command, effective
from logship.errors import AccountingError, ConfigError

if TYPE_CHECKING:
    from logship.elastic.reconcile import Reconciled

_WHAT = {
    "missing": "missing: delivered once, and not there (deleted there, or by its retention)",
    "twice": "there twice: sent again after a lost answer, across a rollover",
    "altered": "altered: another content under the same id",
}


@click.command(
    cls=Command,
    examples=["logship reconcile --since 1d", "logship reconcile --since 2025-11-01 --until 2025-11-02 --json"],
)
@click.option("--since", metavar="WHEN", default="1d", show_default=True, help="15m, 2h, 3d, or a date and time.")
@click.option("--until", metavar="WHEN", help="The same; before then. Default: now.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def reconcile(ctx: click.Context, since: str, until: str | None, as_json: bool) -> None:
    """
    Compare the documents kept here with those in Elasticsearch.

    Each of a span of time must be there, once, and as it was; what is more there of this host is
    counted. Ends with 9 if they do not agree. Needs a key that may read the streams.
    """
    settings = effective(ctx).settings
    if not settings.elasticsearch.named:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    if not settings.store.enabled:
        raise ConfigError("store.enabled is false: nothing is kept here to compare", "set store.enabled to true")
    begin, end = span(since, until)
    from logship.connections import elasticsearch
    from logship.elastic.reconcile import reconcile as compare
    from logship.ledger.undelivered import undelivered
    from logship.store.search import Search

    client = elasticsearch(settings, reading=True)
    try:
        found = compare(
            Search(settings.state_dir),
            client,
            namespace=settings.namespace,
            since=begin or datetime.min.replace(tzinfo=UTC),
            until=end or datetime.now(UTC),
            undelivered=partial(undelivered, settings.state_dir, "elasticsearch"),
            wait=time.sleep,
            told=_progress,
        )
    finally:
        client.close()
    if as_json:
        click.echo(render.as_json(asdict(found) | {"agrees": found.agrees}))
    else:
        _print(found)
    if not found.agrees:
        raise AccountingError(
            "what is kept here and what is in Elasticsearch do not agree",
            "`logship archive push` and then `logship rehydrate` bring back what is missing, once it is in a segment "
            "(store.seal_seconds); see the ids above for the rest",
        )


def _progress(at: datetime, count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{at:%Y-%m-%d %H:%M}  {count:,} compared ", err=True, nl=False)


def _print(found: Reconciled) -> None:
    click.echo(f"{found.compared:,} documents compared")
    for kind, what in _WHAT.items():
        if count := getattr(found, kind):
            click.echo(f"{count:>10,} {what}")
            for name in found.ids.get(kind, []):
                click.echo(f"{'':>10} {name}")
    if found.unknown:
        click.echo(f"{found.unknown:>10,} more there of this host than are kept here")
    if found.waiting:
        click.echo(f"{found.waiting:>10,} not delivered yet")
    if found.rejected:
        click.echo(f"{found.rejected:>10,} refused: `logship rejected list`")
    if not found.compared and found.agrees:
        click.echo("nothing was compared: no document of that time is kept here")
    elif found.agrees:
        click.echo("each document that was delivered is there, once, as it was")
