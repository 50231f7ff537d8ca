"""`logship setup`: make Elasticsearch ready."""

from __future__ import annotations

import click

from logship.cli import render
from logship.cli.shared import Command, effective
from logship.errors import ConfigError


@click.command(cls=Command, examples=["logship setup", "logship setup --json"])
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def setup(ctx: click.Context, as_json: bool) -> None:
    """
    Install the index templates in Elasticsearch.

    The agent does this by itself where its key may; run it with a key that has the cluster privilege
    manage_index_templates where the agent's has not. Templates that logship did not make are left alone.
    """
    settings = effective(ctx).settings

    from logship.app import elasticsearch
    from logship.elastic.installer import ensure_templates

    if not settings.elasticsearch.hosts:
        raise ConfigError("no Elasticsearch is configured", "set elasticsearch.hosts or LOGSHIP_ELASTICSEARCH__HOSTS")
    client = elasticsearch(settings)
    try:
        made = ensure_templates(client)
    finally:
        client.close()
    if as_json:
        found = [{"name": one.name, "state": one.state, "without": list(one.without)} for one in made]
        click.echo(render.as_json(found))
        return
    for one in made:
        lacking = f" (this server has no {', '.join(one.without)})" if one.without else ""
        click.echo(f"index template {one.name}: {one.state}{lacking}")
