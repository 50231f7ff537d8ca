"""`logship doctor`: what is wrong here or will be, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from logship.cli import render
from logship.cli.shared import Command, effective
from logship.errors import ConfigError, LogshipError

if TYPE_CHECKING:
    from logship.doctor.finding import Result

_MARKS = {
    "ok": ("ok", "green"), "advice": ("advice", "yellow"), "problem": ("PROBLEM", "red"), "unknown": ("?", "magenta"),
}  # fmt: skip


@click.command(
    cls=Command,
    examples=["logship doctor", "logship doctor --json | jq '.checks[].findings[].what'", "logship doctor --repair"],
)
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
@click.option("--repair", is_flag=True, help="Offer to mend what can be mended; asks before each change.")
@click.option("--yes", is_flag=True, help="With --repair: answer every question with yes.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, repair: bool, yes: bool) -> None:
    """
    Look at configuration, files, disks, limits, ledger and sinks; say what to do.

    Changes nothing without --repair. The exit code is 0 when all is well (advice may be
    given), 1 when there are problems, 2 when the configuration is wrong or something could
    not be checked.
    """
    from logship.doctor.checks import checks
    from logship.doctor.finding import Check, Finding, Result, examine, exit_code

    if yes and not repair:
        raise click.UsageError("--yes is of no use without --repair")
    if repair and as_json and not yes:
        raise click.UsageError("--repair with --json needs --yes: there is nobody to ask")
    results: list[Result] = []
    try:
        found = effective(ctx)
    except ConfigError as error:
        mistakes = [Finding("unknown", "configuration", line, error.hint) for line in str(error).splitlines()]
        results.append(Result(Check("configuration", lambda: mistakes), tuple(mistakes)))
    else:
        where = str(found.config) if found.config else "no file, variables and defaults only"
        valid = Finding("ok", "configuration", f"is valid ({where})")
        results.append(Result(Check("configuration", lambda: [valid]), (valid,)))
        results += [examine(check) for check in checks(found.settings)]
    done: list[str] = []
    if not as_json:
        _show(results)
    if repair:
        results, done = _mend(results, yes=yes)
    if as_json:
        counted = {state: sum(one.state == state for r in results for one in r.findings) for state in _MARKS}
        body = {"checks": [result.as_dict() for result in results], "counts": counted, "repaired": done}
        click.echo(render.as_json(body, indent=True))
    elif done:
        for line in done:
            click.echo(f"repaired: {render.visible(line)}")
    if code := exit_code(results):
        raise click.exceptions.Exit(code)


def _show(results: Sequence[Result]) -> None:
    colour = render.colours()
    for result in results:
        for one in result.findings:
            word, hue = _MARKS[one.state]
            head = click.style(f"{word:<8}", fg=hue, bold=one.state == "problem") if colour else f"{word:<8}"
            click.echo(f"{head} {result.check.name}: {render.visible(one.subject)}: {render.visible(one.what)}")
            if one.step and one.state != "ok":
                click.echo(f"         next: {render.visible(one.step)}")
            if one.repair:
                click.echo("         `logship doctor --repair` can mend it")


def _mend(results: Sequence[Result], *, yes: bool) -> tuple[list[Result], list[str]]:
    """Carry out the repairs that are agreed to; return the results afterwards and what was done."""
    from logship.doctor.finding import examine

    done: list[str] = []
    after = []
    for result in results:
        offers = [one.repair for one in result.findings if one.repair]
        if not yes and offers and not sys.stdin.isatty():
            raise LogshipError("there is nobody to ask: this is no terminal", "say --yes to agree to every repair")
        agreed = [offer for offer in offers if yes or click.confirm(offer.question, err=True)]
        done += [offer.act() for offer in agreed]
        after.append(examine(result.check) if agreed else result)
    return after, done
