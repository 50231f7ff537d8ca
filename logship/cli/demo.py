"""`logship demo`: the whole path, on this machine, in 20 seconds."""

from __future__ import annotations

import click

from logship.cli.shared import Command


@click.command(
    cls=Command, examples=["logship demo", "logship demo --once          no terminal needed; exit 0 if all adds up"]
)
@click.option("--once", is_flag=True, help="Run through without a terminal and check the counts.")
def demo(once: bool) -> None:
    """Run a Dify-shaped stack that writes logs, and ship, show, search and account for them."""
    from logship.demo import run_demo

    run_demo(once=once)
