"""`logship config`: which settings hold, and why."""

from __future__ import annotations

import click

from logship.cli import render
from logship.cli.shared import Group, effective


@click.group(
    cls=Group,
    examples=["logship config show", "logship config check --config logship.yaml"],
)
def config() -> None:
    """Show and check the settings."""


@config.command(
    examples=["logship config show", "logship config show --json | jq '.[] | select(.origin != \"default\")'"]
)
@click.option("--json", "as_json", is_flag=True, help="As a list of objects.")
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> None:
    """Print every option with its value and where that came from; secrets are masked."""
    found = effective(ctx)
    if as_json:
        rows = [{"option": one.name, "value": one.value, "origin": one.origin} for one in found.values()]
        click.echo(render.as_json(rows, indent=True))
    else:
        render.settings(found)


@config.command(examples=["logship config check", "logship config check --config /etc/logship/logship.yaml"])
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check the settings, and the pipelines and databases they name; every mistake is named with its place."""
    found = effective(ctx)
    from logship.data import data_path
    from logship.pipeline.dropping import shares
    from logship.pipeline.spec import Pipelines

    shares(Pipelines.load_for_use(data_path("pipelines"), found.settings.pipelines), found.settings.drop)
    if found.settings.enrich.geoip_databases:
        from logship.pipeline.enrichment.geo import Places

        Places(found.settings.enrich.geoip_databases)
    count = sum(one.origin != "default" for one in found.values())
    click.echo(f"good: {found.config or 'no configuration file'}; {count} of {len(found.values())} options are set")


@config.command(examples=["logship config schema > logship.schema.json"])
def schema() -> None:
    """Print the JSON schema of the configuration file."""
    from logship.config.schema import schema_text

    click.echo(schema_text(), nl=False)
