"""`logship archive`: copies of sealed segments, elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logship.cli import render
from logship.cli.search import moment
from logship.cli.shared import Group, effective, state_dir

if TYPE_CHECKING:
    from logship.archive.place import Place

AT = click.option("--at", metavar="PLACE", help="The archive: a directory or s3://bucket/prefix; else archive.at.")
_SINCE = click.option("--since", metavar="WHEN", help="15m, 2h, 3d, or a date and time; from then on.")
_UNTIL = click.option("--until", metavar="WHEN", help="The same; before then.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


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

    A bucket's endpoint, region and keys are settings (archive.*) or the usual AWS_ variables.
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

    place = place_of(ctx, at)
    _show([asdict(entry) for entry in entries(place, moment("--since", since), moment("--until", until))], as_json)


@archive.command(examples=["logship archive push --at /mnt/backup", "logship archive push --at DIR --keep-days 90"])
@AT
@click.option("--keep-days", type=click.IntRange(1), help="Delete there what is older.")
@_JSON
@click.pass_context
def push(ctx: click.Context, at: str | None, keep_days: int | None, as_json: bool) -> None:
    """Copy every segment that is not there yet; also while the agent runs."""
    place, directory = place_of(ctx, at), state_dir(ctx)
    from logship.archive import shelf

    done = [{"done": "archived"} | asdict(entry) for entry in shelf.push(directory, place)]
    if keep_days is not None:
        gone = shelf.expire(place, timedelta(days=keep_days), shelf.now())
        done += [{"done": "deleted"} | asdict(entry) for entry in gone]
    _show(done, as_json)


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

    found = shelf.pull(place_of(ctx, at), into, moment("--since", since), moment("--until", until))
    _show([asdict(entry) for entry in found], as_json)


def place_of(ctx: click.Context, at: str | None) -> Place:
    """Return the archive that was named, by the option or the settings; raises ConfigError when none was."""
    from logship.connections import archive as connect

    return connect(effective(ctx).settings, at)


def _show(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(render.as_json(row))
        return
    names = ["dataset", "first_time", "last_time", "count", "size", "path"]
    names = ["done", *names] if rows and "done" in rows[0] else names
    columns = (len(names) - 3, len(names) - 2)
    render.table("segments", names, [[row[name] for name in names] for row in rows], numbers=columns)
