"""What the demo says: where things are, three searches, the books, and what to try next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from logship.cli import render
from logship.demo.dify import SECRET
from logship.demo.stack import Stack
from logship.ledger.status import Status
from logship.store.search import Search

#: Arguments of `logship search`.
EXAMPLES = (
    ("the last exception of the api", ["error.type:*", "--service", "api", "--limit", "1"]),
    ("who failed to log in, and from where",
     ['message:"login failed"', "--limit", "3", "--fields", "@timestamp,service.name,message"]),
    ("requests that nginx answered with 5xx",
     ["http.response.status_code:[500 TO 599]", "--service", "nginx", "--limit", "3"]),
)  # fmt: skip


def begin(stack: Stack, seconds: float, *, live: bool) -> None:
    """Say what is about to happen."""
    click.echo("A Dify-shaped stack writes logs now: api (text), api_websocket (JSON), nginx, plugin_daemon and redis")
    click.echo("as containers, worker through its rotated LOG_FILE. The agent tails them into its embedded store.")
    if live:
        click.echo(f"For {seconds:.0f} seconds this is what it commits (Ctrl-C ends it early). Files: {stack.root}\n")


def searches(stack: Stack) -> None:
    """Run the examples, as one would type them."""
    from logship.cli.root import main

    for title, arguments in EXAMPLES:
        _heading(title)
        click.secho(f"$ logship search {' '.join(_quoted(one) for one in arguments)}", bold=render.colours())
        main(["search", "--config", str(stack.config), *arguments], standalone_mode=False)


def redaction(search: Search) -> None:
    """Show what became of a key that was written in clear text."""
    _heading("a key that the api logged in clear text")
    click.echo(f"written: provider credentials rejected: {{'provider': 'openai', 'api_key': '{SECRET}'}}")
    for hit in search.hits('message:"credentials rejected"', limit=1):
        click.echo(f"kept:    {render.field(hit.document, 'message')}")


def accounting(books: Status, written: Mapping[str, int], found: Mapping[str, int], leaked: int) -> None:
    """Print events by service, and bytes by outcome."""
    _heading("accounting")
    for service, count in written.items():
        mark = _verdict(count == found[service], "equal", "DIFFERENT")
        click.echo(f"{service:<14} {count:>6} events written {found[service]:>6} found   {mark}")
    outcomes = {
        "in documents": sum(one.bytes_documents for one in books.files),
        "dropped by rule, or a copy": sum(one.bytes_dropped for one in books.files),
        "without a line": sum(one.bytes_skipped for one in books.files),
        "pending": sum(one.bytes_pending for one in books.files),
    }
    read = sum(one.read for one in books.files)
    click.echo(f"{len(books.files)} files with the rotated ones, {read} bytes read = "
               + " + ".join(f"{count} {what}" for what, count in outcomes.items()))  # fmt: skip
    click.echo(f"every byte has an outcome: {_verdict(books.closes, 'yes', 'NO')}; "
               f"keys found in clear text: {_verdict(not leaked, '0', str(leaked))}; "
               f"{books.leaves} leaves in the audit log")  # fmt: skip


def end(stack: Stack | None, *, interrupted: bool) -> None:
    """Say what to try next; without a stack, that all is well."""
    if stack is None:
        click.echo("all that was written is found, once")
        return
    logship = _command()
    _heading("try next" + (" (the stream was ended early)" if interrupted else ""))
    click.echo(f"  {logship} search --state-dir {stack.state} 'service.name:worker AND message:raised'")
    click.echo(f"  {logship} status --state-dir {stack.state}")
    click.echo(f"  {logship} tail --help    for logs of your own: containers, or files by name")
    click.echo("  compose/logship.yaml runs it beside your Dify, in a container")
    click.echo(f"  rm -r {stack.root} when you are done")


def _command() -> str:
    """Return what to type for `logship` here."""
    if shutil.which("logship"):
        return "logship"
    beside = Path(sys.executable).with_name("logship")
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)


def _heading(text: str) -> None:
    click.echo()
    click.secho(f"── {text}", fg="cyan" if render.colours() else None, bold=render.colours())


def _quoted(argument: str) -> str:
    return f"'{argument}'" if any(character in argument for character in ' ":[*') else argument


def _verdict(good: bool, yes: str, no: str) -> str:
    return click.style(yes if good else no, fg="green" if good else "red") if render.colours() else yes if good else no
