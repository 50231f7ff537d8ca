"""`logship rehydrate`: archived documents back into Elasticsearch."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from logship.cli import render
from logship.cli.archive import AT, place_of, told
from logship.cli.search import span
from logship.cli.shared import Command, effective
from logship.errors import ConfigError, DeliveryError, LogshipError


@click.command(cls=Command, examples=["logship rehydrate --at /mnt/backup --since 2025-11-01 --until 2025-11-08"])
@AT
@click.option("--since", metavar="WHEN", required=True, help="15m, 2h, 3d, or a date and time; from then on.")
@click.option("--until", metavar="WHEN", help="The same; before then.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def rehydrate(ctx: click.Context, at: str | None, since: str, until: str | None, as_json: bool) -> None:
    """
    Send archived documents to Elasticsearch again, with the ids that they had.

    What is still there is not sent. Needs a key that may also read the streams. A segment that is
    damaged is named, and the others are sent.
    """
    settings = effective(ctx).settings
    begin, end = span(since, until)
    if not settings.elasticsearch.named:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    from logship.archive.rehydrate import rehydrate as send
    from logship.connections import elasticsearch

    place = place_of(ctx, at)
    bad: list[LogshipError] = []
    client, reader = elasticsearch(settings), elasticsearch(settings, reading=True)
    try:
        found = send(
            place,
            client,
            reader,
            bad.append,
            namespace=settings.namespace,
            since=begin,
            until=end,
            wait=time.sleep,
        )
    finally:
        client.close()
        reader.close()
    if as_json:
        click.echo(render.as_json(asdict(found)))
    else:
        click.echo(f"{found.sent} sent, {found.there} there already, {found.refused} refused")
    if found.refused:
        bad.insert(0, DeliveryError(f"Elasticsearch refused {found.refused} archived documents: {found.reason}"))
    told(bad)
