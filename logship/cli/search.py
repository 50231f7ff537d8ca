"""`logship search`: the embedded store, also while the agent runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from logship.cli import render
from logship.cli.shared import Command, effective
from logship.errors import ConfigError

if TYPE_CHECKING:
    from logship.config.settings import Settings
    from logship.elastic.search import ClusterSearch
    from logship.store.search import Scope, Search

_WHOLE_SECOND = re.compile(r"[0-9-]{10}T[0-9:]{8}Z")


@click.command(
    cls=Command,
    examples=[
        "logship search 'log.level:error AND service.name:api' --since 15m",
        "logship search 'message:\"timed out\"' --since 2025-11-20 --until 2025-11-21",
        "logship search 'http.response.status_code:[500 TO *]' --service nginx --count",
        "logship search 'user.id:*' --fields @timestamp,user.id,message --reverse",
        "logship search -- -log.level:info                 a query that begins with a minus",
        "logship search --from elastic 'trace.id:6f1e*'    the same in Elasticsearch",
    ],
)
@click.argument("query", nargs=-1, metavar="[QUERY]...")
@click.option("--since", metavar="WHEN", help="15m, 2h, 3d, or a date and time; from then on.")
@click.option("--until", metavar="WHEN", help="The same; before then.")
@click.option("--service", "services", multiple=True, help="Only this service; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="Events at most.")
@click.option("--count", is_flag=True, help="Print how many match, and no event.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
@click.option("--fields", metavar="A,B", help="Only these fields, tab-separated (or as JSON).")
@click.option("--reverse", is_flag=True, help="Oldest first.")
@click.option(
    "--from", "place", type=click.Choice(["local", "elastic"]), default="local", show_default=True,
    help="This machine's store, or the cluster.",
)  # fmt: skip
@click.pass_context
def search(
    ctx: click.Context,
    query: tuple[str, ...],
    since: str | None,
    until: str | None,
    services: tuple[str, ...],
    limit: int,
    count: bool,
    as_json: bool,
    fields: str | None,
    reverse: bool,
    place: str,
) -> None:
    """
    Search what was read, newest first.

    QUERY is a Lucene query string, as in Kibana: field:value, "a phrase", ranges [a TO b],
    wildcards, AND, OR, NOT. Bare words search the message. Without QUERY everything matches.
    """
    names = [name.strip() for name in _text(fields or "").split(",") if name.strip()]
    text = _text(" ".join(query)) or "*"
    settings = effective(ctx).settings
    from logship.store.search import Scope

    scope = Scope(*span(since, until), tuple(map(_text, services)))
    with _store(settings, place) as found:
        _print(found, text, scope, limit, reverse=reverse, count=count, as_json=as_json, names=names)


def _print(
    found: Search | ClusterSearch,
    text: str,
    scope: Scope,
    limit: int,
    *,
    reverse: bool,
    count: bool,
    as_json: bool,
    names: list[str],
) -> None:
    if count:
        number = found.count(text, scope)
        click.echo(render.as_json({"count": number}) if as_json else number)
        return
    colour = render.colours()
    for hit in found.hits(text, scope, limit=limit, reverse=reverse):
        document = _ordered(hit.document)
        if as_json:
            shown = {name: render.field(document, name) for name in names} if names else document
            click.echo(render.as_json({"_id": hit.id} | shown | {"_id": hit.id}))
        elif names:
            click.echo(render.cells({**document, "_id": hit.id}, names))
        else:
            click.echo(render.event(document, colour), color=colour or None)


def _ordered(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as both places can give it: a source made of columns has names in order, and milliseconds."""
    ordered = {
        name: _ordered(value) if isinstance(value, dict) else value for name, value in sorted(document.items())
    }
    stamp = ordered.get("@timestamp")
    if isinstance(stamp, str) and _WHOLE_SECOND.fullmatch(stamp):
        ordered["@timestamp"] = f"{stamp[:-1]}.000Z"
    return ordered


@contextmanager
def _store(settings: Settings, place: str) -> Iterator[Search | ClusterSearch]:
    if place == "local":
        from logship.store.search import Search

        yield Search(settings.state_dir)
        return
    from logship.connections import elasticsearch
    from logship.elastic.search import ClusterSearch

    if not settings.elasticsearch.named:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    client = elasticsearch(settings, reading=True)
    try:
        yield ClusterSearch(client, namespace=settings.namespace)
    finally:
        client.close()


def _text(given: str) -> str:
    """Return an argument with the bytes that are no UTF-8 replaced: no document holds them."""
    return given.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def span(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the times that --since and --until name; raises click.BadParameter when nothing can lie between them."""
    begin, end = moment("--since", since), moment("--until", until)
    if begin is not None and end is not None and end <= begin:
        raise click.BadParameter(f"{end:%Y-%m-%d %H:%M:%S}Z is not after --since {since}", param_hint="--until")
    return begin, end


def moment(option: str, text: str | None) -> datetime | None:
    """Return the time that an option names; raises click.BadParameter."""
    from logship.store.dates import parse_when

    if text is None:
        return None
    try:
        return parse_when(text, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
