"""`logship rejected`: documents that a sink refused."""

from __future__ import annotations

import click

from logship.cli import render
from logship.cli.shared import Group, state_dir


@click.group(
    cls=Group,
    examples=["logship rejected list", "logship rejected show 17", "logship rejected replay --all"],
)
def rejected() -> None:
    """Look at refused documents, send them again, or give them up."""


@rejected.command("list", examples=["logship rejected list", "logship rejected list --json --limit 1000"])
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Documents at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the document.")
@click.pass_context
def list_(ctx: click.Context, limit: int, as_json: bool) -> None:
    """List refused documents with the reason, newest first."""
    directory = state_dir(ctx)
    from logship.ledger.rejects import list_rejected

    rows = list_rejected(directory, limit)
    if as_json:
        for row in rows:
            click.echo(render.as_json(row.as_dict()))
    else:
        render.rejected(rows)


@rejected.command(examples=["logship rejected show 17", "logship rejected show 17 | jq .document"])
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="On one line.")
@click.pass_context
def show(ctx: click.Context, number: int, as_json: bool) -> None:
    """Show one refused document, whole, with the reason."""
    directory = state_dir(ctx)
    from logship.ledger.rejects import get

    click.echo(render.as_json(get(directory, number).as_dict(), indent=not as_json))


@rejected.command(examples=["logship rejected replay 17 18", "logship rejected replay --all"])
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.pass_context
def replay(ctx: click.Context, numbers: tuple[int, ...], everything: bool) -> None:
    """Send refused documents again, once the cause is mended."""
    directory = state_dir(ctx)
    _named(numbers, everything)
    from logship.ledger.rejects import get
    from logship.ledger.rejects import replay as mark

    for number in numbers:
        get(directory, number)  # a number that does not exist is a mistake to hear about
    done = mark(directory, numbers)
    click.echo("the agent sends them when it runs next" if done else "the running agent was asked to send them")


@rejected.command(examples=["logship rejected discard 17", "logship rejected discard --all --yes"])
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def discard(ctx: click.Context, numbers: tuple[int, ...], everything: bool, yes: bool) -> None:
    """Give refused documents up; they stay counted as rejected."""
    directory = state_dir(ctx)
    _named(numbers, everything)
    from logship.ledger.rejects import discard as drop
    from logship.ledger.rejects import get

    for number in numbers:
        get(directory, number)
    what = "all refused documents" if everything else f"{len(numbers)} refused document(s)"
    if not yes and not click.confirm(f"Delete {what} for ever?"):
        click.echo("nothing was deleted")
        return
    done = drop(directory, numbers)
    click.echo("deleted" if done else "the running agent was asked to delete them")


def _named(numbers: tuple[int, ...], everything: bool) -> None:
    if bool(numbers) == everything:
        raise click.UsageError("name the documents by NUMBER, or take --all")
