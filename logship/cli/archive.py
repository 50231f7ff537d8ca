"""`logship archive`: copies of sealed segments, elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from logship.cli import render
from logship.cli.search import moment
from logship.cli.shared import Group, state_dir

_AT = click.option(
    "--at", "shelf", required=True, type=click.Path(file_okay=False, path_type=Path), help="The archive's directory."
)
_SINCE = click.option("--since", metavar="WHEN", help="15m, 2h, 3d, or a date and time; from then on.")
_UNTIL = click.option("--until", metavar="WHEN", help="The same; before then.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group(
    cls=Group,
    examples=[
        "logship archive push --at /mnt/backup/logship --keep-days 400",
        "logship archive list --at /mnt/backup/logship --since 30d",
    ],
)
def archive() -> None:
    """Keep sealed segments in another directory, with checksums, for longer than the store keeps them."""


@archive.command("list", examples=["logship archive list --at /mnt/backup/logship --json"])
@_AT
@_SINCE
@_UNTIL
@_JSON
def list_(shelf: Path, since: str | None, until: str | None, as_json: bool) -> None:
    """List what is archived, oldest first."""
    from logship.archive.shelf import entries

    _show([asdict(entry) for entry in entries(shelf, moment("--since", since), moment("--until", until))], as_json)


@archive.command(examples=["logship archive push --at /mnt/backup", "logship archive push --at DIR --keep-days 90"])
@_AT
@click.option("--keep-days", type=click.IntRange(1), help="Delete there what is older.")
@_JSON
@click.pass_context
def push(ctx: click.Context, shelf: Path, keep_days: int | None, as_json: bool) -> None:
    """Copy every segment that is not there yet; also while the agent runs."""
    directory = state_dir(ctx)
    from logship.archive import shelf as shelves

    done = [{"done": "archived"} | asdict(entry) for entry in shelves.push(directory, shelf)]
    if keep_days is not None and shelf.is_dir():
        gone = shelves.expire(shelf, timedelta(days=keep_days), shelves.now())
        done += [{"done": "deleted"} | asdict(entry) for entry in gone]
    _show(done, as_json)


@archive.command(examples=["logship archive pull --at /mnt/backup/logship --into /tmp/old --since 2025-11-01"])
@_AT
@click.option("--into", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where to put them.")
@_SINCE
@_UNTIL
@_JSON
def pull(shelf: Path, into: Path, since: str | None, until: str | None, as_json: bool) -> None:
    """Copy archived segments of a time to a directory, checked, for any program that reads Parquet."""
    from logship.archive import shelf as shelves

    found = shelves.pull(shelf, into, moment("--since", since), moment("--until", until))
    _show([asdict(entry) for entry in found], as_json)


def _show(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(render.as_json(row))
        return
    names = ["dataset", "first_time", "last_time", "count", "size", "path"]
    names = ["done", *names] if rows and "done" in rows[0] else names
    columns = (len(names) - 3, len(names) - 2)
    render.table("segments", names, [[row[name] for name in names] for row in rows], numbers=columns)
