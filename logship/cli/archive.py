"""`logship archive`: copies of sealed segments, elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logship.cli import render
from logship.cli.search import span
from logship.cli.shared import Group, effective
from logship.errors import LogshipError

if TYPE_CHECKING:
    from logship.archive.place import Place
    from logship.config.settings import Settings

AT = click.option("--at", metavar="PLACE", help="The archive: a directory or s3://bucket/prefix; else archive.at.")
_SINCE = click.option("--since", metavar="WHEN", help="15m, 2h, 3d, or a date and time; from then on.")
_UNTIL = click.option("--until", metavar="WHEN", help="The same; before then.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
#: Segments with something wrong that are named; the others are counted.
_NAMED = 20


@click.group(
    cls=Group,
    examples=[
        "logship archive push --at /mnt/backup/logship --keep-days 400",
        "logship archive push --at s3://backups/logship",
        "logship archive list --at /mnt/backup/logship --since 30d",
    ],
)
def archive() -> None:
    """
    Keep sealed segments in another directory or a bucket (S3), for longer than the store keeps them.

    A bucket's endpoint, region and keys are settings (archive.*) or the usual AWS_ variables. Each state directory
    needs a directory or prefix of its own. A segment that is damaged is named, and the others are seen to.
    """


@archive.command("list", examples=["logship archive list --at /mnt/backup/logship --json"])
@AT
@_SINCE
@_UNTIL
@_JSON
@click.pass_context
def list_(ctx: click.Context, at: str | None, since: str | None, until: str | None, as_json: bool) -> None:
    """List what is archived, oldest first."""
    from logship.archive.shelf import entries

    bad: list[LogshipError] = []
    _show([asdict(entry) for entry in entries(place_of(ctx, at), bad.append, *span(since, until))], as_json)
    told(bad)


@archive.command(examples=["logship archive push --at /mnt/backup", "logship archive push --at DIR --keep-days 90"])
@AT
@click.option("--keep-days", type=click.IntRange(1), help="Delete there what is older.")
@_JSON
@click.pass_context
def push(ctx: click.Context, at: str | None, keep_days: int | None, as_json: bool) -> None:
    """Copy every segment that is not there yet, or not whole; also while the agent runs."""
    place, settings = place_of(ctx, at), effective(ctx).settings
    from logship.archive import shelf

    bad: list[LogshipError] = []
    oldest = None if keep_days is None else shelf.now() - timedelta(days=keep_days)
    copied = shelf.push(settings.state_dir, place, bad.append, newer=oldest)
    done = [{"done": "archived"} | asdict(entry) for entry in copied]
    if oldest is not None:
        done += [{"done": "deleted"} | asdict(entry) for entry in shelf.expire(place, bad.append, oldest)]
    _show(done, as_json)
    if waiting := shelf.unsealed(settings.state_dir):
        click.echo(f"{waiting:,} documents are in no segment yet, and not archived: {_sealed_when(settings)}", err=True)
    told(bad)


def _sealed_when(settings: Settings) -> str:
    if not settings.store.enabled:
        return "store.enabled is false, so that none is made"
    return (
        f"a running agent makes one of {render.size(settings.store.seal_bytes)} (store.seal_bytes), or after "
        f"{settings.store.seal_seconds:,.0f} seconds (store.seal_seconds)"
    )


@archive.command(examples=["logship archive pull --at /mnt/backup/logship --into /tmp/old --since 2025-11-01"])
@AT
@click.option("--into", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where to put them.")
@_SINCE
@_UNTIL
@_JSON
@click.pass_context
def pull(ctx: click.Context, at: str | None, into: Path, since: str | None, until: str | None, as_json: bool) -> None:
    """Copy archived segments of a time to a directory, checked, for any program that reads Parquet."""
    from logship.archive import shelf

    bad: list[LogshipError] = []
    shelf.apart(effective(ctx).settings.state_dir, into)
    found = shelf.pull(place_of(ctx, at), into, bad.append, *span(since, until))
    _show([asdict(entry) for entry in found], as_json)
    told(bad)


def place_of(ctx: click.Context, at: str | None) -> Place:
    """Return the archive that was named, by the option or the settings; raises ConfigError when none was."""
    from logship.connections import archive as connect

    return connect(effective(ctx).settings, at)


def told(bad: list[LogshipError]) -> None:
    """Raise what is wrong with single segments together, if anything is."""
    if bad:
        more = [f"and {len(bad) - _NAMED} more"] if len(bad) > _NAMED else []
        raise type(bad[0])("\n".join([*map(str, bad[:_NAMED]), *more]), bad[0].hint)


def _show(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(render.as_json(row))
        return
    names = ["dataset", "first_time", "last_time", "count", "size", "path"]
    names = ["done", *names] if rows and "done" in rows[0] else names
    columns = (len(names) - 3, len(names) - 2)
    render.table("segments", names, [[row[name] for name in names] for row in rows], numbers=columns)
