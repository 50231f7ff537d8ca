"""`logship demo`: the whole path, on this machine, in 20 seconds."""

from __future__ import annotations

import click

from logship.cli.shared import Command


@click.command(
    cls=Command, examples=["logship demo", "logship demo --once          no terminal needed; exit 0 if all adds up"]
)
@click.option("--once", is_flag=True, help="Run through without a terminal and check the counts.")
@click.option("--seconds", type=click.FloatRange(1), help="How long the stack writes. Default: 20, with --once less.")
@click.pass_context
def demo(ctx: click.Context, once: bool, seconds: float | None) -> None:
    """
    Run a Dify-shaped stack that writes logs, and ship, show, search and account for them.

    Everything lies in a directory of its own; nothing of yours is read or changed.
    """
    from logship.demo import run_demo

    ctx.exit(run_demo(once, seconds))
