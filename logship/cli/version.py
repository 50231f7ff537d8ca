"""`logship version`."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from logship.cli import render
from logship.cli.shared import Command


@click.command(cls=Command, examples=["logship version", "logship version --json"])
@click.option("--json", "as_json", is_flag=True, help="With Python and the machine, as JSON.")
def version(as_json: bool) -> None:
    """Print the version."""
    found = {"logship": metadata.version("logship"), "python": platform.python_version(), "system": platform.platform()}
    click.echo(render.as_json(found) if as_json else f"logship {found['logship']}")
