"""`logship tail`: the agent."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Literal

import click

from logship.cli import render
from logship.cli.grep import Grep
from logship.cli.live import Live
from logship.cli.shared import Command, effective
from logship.errors import LogshipError

LEVELS = ("debug", "info", "notice", "warning", "error", "critical")


@click.command(
    cls=Command,
    examples=[
        "logship tail                                      what the configuration names, until Ctrl-C",
        "logship tail --service worker --level warning     show only these; all is read and delivered",
        "logship tail --service api /srv/dify/logs/server.log",
        "logship tail --once '/var/lib/docker/containers/*/*-json.log'",
        "logship tail --output json | jq .message",
    ],
)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--service", multiple=True, help="With PATH: the service that writes it. Else: show only this one.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Show only this level and graver ones.")
@click.option("--grep", metavar="REGEX", help="Show only events whose text matches.")
@click.option("--output", type=click.Choice(["text", "json", "none"]), help="Default: text on a terminal, else none.")
@click.option("--once", is_flag=True, help="Read all there is, deliver it, and end.")
@click.option("--envelope", type=click.Choice(["auto", "plain", "docker", "cri"]), default="auto", show_default=True,
              help="With PATH: how its lines are wrapped.")  # fmt: skip
@click.pass_context
def tail(
    ctx: click.Context,
    paths: tuple[str, ...],
    service: tuple[str, ...],
    level: str | None,
    grep: str | None,
    output: str | None,
    once: bool,
    envelope: Literal["auto", "plain", "docker", "cri"],
) -> None:
    """
    Read logs, deliver them, and show them live.

    Reads PATH (files or globs), or what the configuration names: containers, files and LOG_FILE.
    The filters are for the eye: what they hide is delivered as well. With --once the exit code
    says whether everything was read and delivered. SIGTERM and Ctrl-C stop it in order; SIGHUP reads
    the configuration anew.
    """
    if paths and len(service) > 1:
        raise click.UsageError("with PATH there can be one --service: the one that writes it")
    pattern = Grep(grep) if grep else None
    settings = effective(ctx).settings

    from logship import log
    from logship.app import build, check_settings
    from logship.ledger.recovery import recover
    from logship.service import Service
    from logship.sources.configured import require, unread

    log.configure(settings.log.level, settings.log.format)
    if once:
        require(paths)
    stop = threading.Event()
    live = _live(output, stop, frozenset() if paths else frozenset(service), level, pattern)
    writer = "".join(service) if paths else ""
    make = partial(build, paths=list(paths), service=writer, envelope=envelope)
    if once:
        make(settings).once(live)
        if passed := unread(paths):
            raise LogshipError(f"not read: {', '.join(passed)}", f"{_COMPRESSED}; all else was read and delivered")
    else:
        import structlog

        for path in unread(paths):
            structlog.get_logger().warning("file is not read", path=path, reason=_COMPRESSED)
        check = partial(check_settings, paths=list(paths), service=writer, envelope=envelope)
        repair = partial(recover, settings.state_dir, archive=settings.store.enabled)
        served = Service(lambda: effective(ctx).settings, check, make, repair, stop)
        with _signals(stop, served.reload) as received:
            served.run(settings, live, lambda: bool(received) or bool(live and live.broken))
        if signal.SIGINT in received:
            raise KeyboardInterrupt
    if live is not None and live.broken:
        raise BrokenPipeError


_COMPRESSED = "of compressed files only .gz is: unpack the others"


def _live(
    output: str | None, stop: threading.Event, services: frozenset[str], level: str | None, grep: Grep | None
) -> Live | None:
    output = output or ("text" if render.terminal() else "none")
    if output == "none":
        return None
    return Live(
        sys.stdout.buffer if sys.stdout is not None else io.BytesIO(),
        stop,
        output="json" if output == "json" else "text",
        colour=render.colours(),
        services=services,
        level=level or "",
        grep=grep,
    )


@contextmanager
def _signals(stop: threading.Event, reload: Callable[[], None]) -> Iterator[list[int]]:
    """Stop in order at the first SIGTERM or SIGINT; a second SIGINT ends it at once. SIGHUP reloads."""
    received: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if number == signal.SIGINT and signal.SIGINT in received:
            # Nothing is lost by it: what is not committed is read again.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
        received.append(number)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: reload())
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
