"""`logship completion`: the shell's part of Tab."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from logship.cli.shared import Command


@click.command(
    cls=Command,
    examples=[
        "logship completion bash > /etc/bash_completion.d/logship",
        'logship completion zsh > "${fpath[1]}/_logship"',
        "logship completion fish > ~/.config/fish/completions/logship.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes logship's commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "logship", "_LOGSHIP_COMPLETE").source())
