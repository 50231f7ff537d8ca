"""`logship redact`: what becomes of a text."""

from __future__ import annotations

import sys

import click

from logship.cli import render
from logship.cli.shared import Group


@click.group(
    cls=Group,
    examples=[
        "logship redact test 'redis://:secret@redis:6379/1'",
        "logship redact test - < server.log",
    ],
)
def redact() -> None:
    """Try the rules that take secrets and personal data out of every text."""


@redact.command(
    examples=[
        "logship redact test 'DB_PASSWORD=difyai123456'",
        "logship redact test --policy email=hash - < server.log",
        "logship redact test --json 'Authorization: Bearer …'",
    ]
)
@click.argument("text", default="-")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME=POLICY",
    help="email, ip, phone, identity, card or bodies; keep, mask, hash or drop.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: text, counts by rule, whether the first look named it.")
def test(text: str, policies: tuple[str, ...], as_json: bool) -> None:
    """
    Show what TEXT becomes, and which rules hit; - reads standard input.

    Marks are made with a key of this call, so they differ from those of the agent.
    """
    chosen = {}
    for policy in policies:
        name, separator, value = policy.partition("=")
        if not separator:
            raise click.BadParameter(f"{policy!r} is not NAME=POLICY", param_hint="--policy")
        chosen[name] = value
    import secrets

    from logship.data import data_path
    from logship.pipeline.redaction import Redactor

    redactor = Redactor.load(data_path("pipelines") / "redaction.yaml", policies=chosen, key=secrets.token_bytes(32))
    given = sys.stdin.read().removesuffix("\n") if text == "-" else text
    redacted, counts = redactor.redact(given)
    if as_json:
        suspect = bool(redactor.suspects([given]))
        click.echo(render.as_json({"text": redacted, "redacted": counts, "suspect": suspect}))
        return
    click.echo(redacted)
    hits = ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items()))
    click.echo(f"redacted: {hits}" if hits else "nothing was redacted", err=True)
