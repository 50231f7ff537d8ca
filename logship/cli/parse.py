"""`logship parse`: lines to documents, without an agent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from logship.cli import render
from logship.cli.shared import Command, effective, opened
from logship.errors import LogshipError

if TYPE_CHECKING:
    from logship.offline import Findings, Parsed


@click.command(
    cls=Command,
    examples=[
        "logship parse server.log",
        "logship parse < compose.log                         each service by its own pipeline",
        "logship parse --service nginx access.log | jq 'select(.http.response.status_code >= 500)'",
        "logship parse --service api --zone Asia/Shanghai server.log",
        "logship parse --explain server.log                  why each document is as it is",
    ],
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--service", default="", metavar="NAME", help="Service that wrote the lines; else recognised from them.")
@click.option("--envelope", type=click.Choice(["auto", "plain", "docker", "cri"]), default="auto", show_default=True,
              help="How the lines are wrapped; auto also takes off what compose, docker and viewers add.")  # fmt: skip
@click.option("--zone", metavar="ZONE", help="Zone of stamps that carry none; default: LOG_TZ, else UTC.")
@click.option("--json", "form", flag_value="json", default="json", type=str, help="One document a line (the default).")
@click.option("--pretty", "form", flag_value="pretty", type=str, help="Indented documents.")
@click.option("--explain", "form", flag_value="explain", type=str, help="Each event with the reasons for its document.")
@click.pass_context
def parse(
    ctx: click.Context, files: tuple[str, ...], service: str, envelope: str, zone: str | None, form: str
) -> None:
    """
    Turn lines to ECS documents, as the agent would, redaction included.

    Reads FILE (gzip too), or standard input: `docker compose logs | logship parse`. What was
    found out about the lines is told on standard error.
    """
    settings = effective(ctx).settings
    from logship.lines.reader import blocks
    from logship.offline import Offline, Options

    options = Options(
        service=service,
        envelope=None if envelope == "auto" else envelope,  # type: ignore[arg-type]  # click has checked it
        zone=_zone(zone) if zone else settings.log_file.zone,
        quiet=settings.ingest.quiet_seconds,
        explain=form == "explain",
    )
    offline = Offline(settings)
    if service and not offline.known(service):
        click.echo(f"no pipeline names {service}: the generic one reads it", err=True)
    for name in files or ("-",):
        with opened(name) as stream:
            trouble: list[LogshipError] = []
            limit = settings.ingest.max_line_bytes
            lines = blocks(stream, limit=limit, quiet=options.quiet, trouble=trouble.append)
            reading = offline.read("" if name == "-" else name, lines, options)
            told = False
            for parsed in reading:
                if not told:
                    told = True
                    _tell(name, len(files) > 1, reading.found)
                _show(parsed, form, name == "-")
            if form == "explain" and reading.found.redacted:
                counts = ", ".join(f"{rule} {count}" for rule, count in sorted(reading.found.redacted.items()))
                click.echo(f"redacted in all: {counts}", err=True)
            for error in trouble:
                raise LogshipError(f"{name}: {error}", error.hint)


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(f"{name!r} is not a zone such as Asia/Shanghai", param_hint="--zone") from None
    return name


def _show(parsed: Parsed, form: str, live: bool) -> None:
    import orjson

    if form == "json":
        sys.stdout.buffer.write(parsed.json + b"\n")
        if live:
            sys.stdout.buffer.flush()
    elif form == "pretty":
        click.echo(render.as_json(orjson.loads(parsed.json), indent=True))
    elif parsed.explained:
        render.explained(parsed.explained.head, parsed.explained.steps)
        click.echo(f"  {render.visible(parsed.json.decode()) or '-'}\n")


def _tell(name: str, several: bool, found: Findings) -> None:
    """Say on standard error what was found out."""
    said: list[str] = []
    if found.envelope != "plain":
        said.append(f"envelope {found.envelope}")
    if found.layers:
        said.append(f"taken off: {', '.join(layer.name for layer in found.layers)}")
    said += _services(found.services)
    if said:
        click.echo((f"{name}: " if several else "") + "; ".join(said), err=True)


def _services(services: dict[str, tuple[str, Any]]) -> Sequence[str]:
    named = sorted({service for name, (service, guess) in services.items() if name and guess is None})
    said = [f"services by their prefix: {', '.join(named)}"] if named else []
    for service, guess in services.values():
        if guess is None:
            continue
        if guess.pipeline == "generic":
            said.append(f"{service}: not recognised, the generic pipeline reads it (--service NAME says better)")
            continue
        reads = f"its formats match {guess.matched:.0%} of the events"
        other = f", {guess.next_best} is {guess.margin:.0%} behind" if guess.next_best else ""
        said.append(f"service {service} ({guess.sure}: {reads}{other})")
    return said
