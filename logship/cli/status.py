"""`logship status`: what was read, what became of it, and whether the two add up."""

from __future__ import annotations

import click

from logship.cli import render
from logship.cli.shared import Command, state_dir
from logship.errors import AccountingError


@click.command(cls=Command, examples=["logship status", "logship status --json | jq '.files[].lag_bytes'"])
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """
    Show files, sinks and the accounting.

    Works while the agent runs. The exit code is 9 when the accounting does not close.
    """
    directory = state_dir(ctx)
    from logship.ledger.status import status as read_status

    found = read_status(directory)
    if as_json:
        click.echo(render.as_json(found.as_dict(), indent=True))
    else:
        render.status(found)
    if not found.closes:
        raise AccountingError("\n".join(found.problems))
