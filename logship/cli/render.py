"""Everything that is shown: events, tables, JSON; coloured and boxed on a terminal only."""

from __future__ import annotations

import os
import re
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import click
import orjson

from logship.model import COPY

if TYPE_CHECKING:
    from logship.config import Effective
    from logship.ledger.budget import Room
    from logship.ledger.rejects import RejectedRow
    from logship.ledger.status import Status

Document = Mapping[str, Any]

#: Colours (of 256) that can be told apart and read on black and on white; no red, which means errors.
_PALETTE = (33, 37, 71, 99, 136, 168, 63, 29, 133, 172, 38, 104)
_LEVELS = {
    "trace": (0, "TRACE", "bright_black"),
    "debug": (10, "DEBUG", "bright_black"),
    "info": (20, "INFO", "green"),
    "notice": (25, "NOTE", "cyan"),
    "warn": (30, "WARN", "yellow"),
    "warning": (30, "WARN", "yellow"),
    "error": (40, "ERROR", "red"),
    "critical": (50, "CRIT", "bright_red"),
    "fatal": (50, "FATAL", "bright_red"),
    "alert": (60, "ALERT", "bright_red"),
    "emergency": (70, "EMERG", "bright_red"),
}
#: Makes visible what would move the cursor, ring, recolour or reorder: C0, DEL, C1, line separators, bidi marks.
_VISIBLE = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F),
                 *range(0x2066, 0x206A), 0xFEFF)
}  # fmt: skip


def colours(stream: Any = None) -> bool:  # noqa: ANN401
    """Say whether a stream takes colours: a terminal, and NO_COLOR not set."""
    return not os.environ.get("NO_COLOR") and terminal(stream)


def terminal(stream: Any = None) -> bool:  # noqa: ANN401
    """Say whether somebody looks at it."""
    looked_at = stream or sys.stdout  # None where descriptor 1 is closed
    return looked_at is not None and bool(looked_at.isatty())


def field(document: Document, name: str) -> Any:  # noqa: ANN401
    """Return a field by its dotted name, whether the document nests it or not; None when it is absent."""
    if name in document:
        return document[name]
    head, _, rest = name.partition(".")
    while rest:
        inner = document.get(head)
        if isinstance(inner, Mapping) and (found := field(inner, rest)) is not None:
            return found
        step, _, rest = rest.partition(".")
        head = f"{head}.{step}"
    return None


def rank(level: str) -> int:
    """Return how grave a level is; what has none counts as info."""
    return _LEVELS.get(level.lower(), (20,))[0]


def visible(text: str) -> str:
    """Show control characters instead of obeying them; a log may hold anything."""
    return text.translate(_VISIBLE)


def event(document: Document, colour: bool, *, today: str = "") -> str:
    """Return an event as lines: local time, service, level, message; what follows the first line is indented."""
    service = str(field(document, "service.name") or "-")
    level = str(field(document, "log.level") or "")
    _, word, hue = _LEVELS.get(level.lower(), (20, level.upper()[:5], "white"))
    first, *rest = visible(_text(document)).split("\n")
    trace = field(document, "error.stack_trace")
    if isinstance(trace, str):
        rest += visible(trace).rstrip("\n").split("\n")
    stamp = _local(str(field(document, "@timestamp") or ""), today)
    service = visible(service)
    parts = [
        _paint(colour, stamp, fg="bright_black"),
        _paint(colour, f"{service:<13}", fg=_PALETTE[zlib.crc32(service.encode()) % len(_PALETTE)], bold=True),
        _paint(colour, f"{visible(word):<5}", fg=hue),
        _paint(colour, first, fg="red") if colour and rank(level) >= 40 else first,
    ]
    lines = [" ".join(parts), *(_paint(colour, f"    {line}", dim=True) for line in rest)]
    return "\n".join(lines)


def as_json(value: Any, *, indent: bool = False) -> str:  # noqa: ANN401
    """Return JSON text."""
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 if indent else None).decode()


def cells(document: Document, names: Sequence[str]) -> str:
    """Return some fields of an event, tab-separated."""
    return "\t".join(_cell(field(document, name)) for name in names)


def table(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = (),
          wide: int = -1) -> None:  # fmt: skip
    """Print a table: boxed on a terminal, where the `wide` column gives way; tab-separated in a pipe."""
    lines = [[_cell(cell) for cell in row] for row in rows]
    if not terminal():
        for line in [headers, *lines]:
            click.echo("\t".join(line))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    boxed = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for index, header in enumerate(headers):
        justify: Literal["left", "right"] = "right" if index in numbers else "left"
        boxed.add_column(header, justify=justify, overflow="fold", no_wrap=index != wide % len(headers))
    for line in lines:
        boxed.add_row(*(Text(cell) for cell in line))
    Console(no_color=not colours(), highlight=False).print(boxed)


def status(found: Status) -> None:
    """Print the books."""
    _tables(found)
    _sums(found)
    _remarks(found)
    verdict = _paint(colours(), "closes", fg="green") if found.closes else _paint(colours(), "DOES NOT CLOSE", fg="red")
    click.echo(f"accounting: {verdict}; {found.documents} documents, {found.leaves} leaves in the audit log")
    click.echo(f"state directory: {size(found.size_bytes)}{_room(found.room)}")


def _room(room: Room | None) -> str:
    if room is None:
        return ""
    limit = f", {size(room.used)} of them counted of {size(room.max_size)} (state.max_size)" if room.max_size else ""
    disk = f"; disk: {size(room.free)} free, {size(room.min_free)} of them left to others (state.min_free)"
    full = _paint(colours(), f"\nnothing more is read until there is room: {room.reason}", fg="red")
    return limit + disk + (full if room.reason else "")


def _tables(found: Status) -> None:
    table(
        "files",
        ["service", "file", "state", "read", "position", "lag", "behind", "events", "dropped", "copy"],
        [
            (one.service, _file(one.path), one.state, _bytes(one.read), _bytes(one.position), _bytes(one.lag_bytes),
             f"{one.lag_seconds:.0f} s", one.events,
             sum(one.dropped.values()) - one.dropped.get(COPY, 0), one.dropped.get(COPY, 0))
            for one in found.files
        ],
        numbers=range(3, 10),
        wide=1,
    )  # fmt: skip
    click.echo()
    table(
        "services",
        ["service", "events", "unparsed", "share"],
        [(one.service, one.events, one.unparsed, f"{one.share:.2%}") for one in found.services],
        numbers=range(1, 4),
    )
    click.echo()
    table(
        "sinks",
        ["sink", "delivered", "duplicate", "rejected", "dropped", "pending", "last error"],
        [
            (one.name, one.delivered, one.duplicate, one.rejected, one.dropped, one.pending,
             f"{one.last_error_at} {one.last_error}".strip() or "-")
            for one in found.sinks
        ],
        numbers=range(1, 6),
    )  # fmt: skip
    for sink in found.sinks:
        if sink.redelivered:
            click.echo(f"  {sink.redelivered} documents may be in {sink.name} twice; `logship reconcile` tells which")
    click.echo()
    if found.rotation:
        table(
            "rotation",
            ["file", "how", "rotations", "bytes", "last", "reason"],
            [
                (_file(one.path), one.method, one.count, _bytes(one.bytes), one.at or "-", one.reason or "-")
                for one in found.rotation
            ],
            numbers=(2, 3),
            wide=5,
        )
        click.echo()


def _sums(found: Status) -> None:
    read = sum(one.bytes_documents + one.bytes_dropped + one.bytes_skipped + one.bytes_pending for one in found.files)
    parts = {
        "in documents": sum(one.bytes_documents for one in found.files),
        "dropped by rule, or a copy": sum(one.bytes_dropped for one in found.files),
        "without a line, or passed over": sum(one.bytes_skipped for one in found.files),
        "pending": sum(one.bytes_pending for one in found.files),
    }
    click.echo(f"bytes\n  {read:>14,} read")
    for sign, (what, count) in zip("=+++", parts.items(), strict=True):
        click.echo(f"{sign} {count:>14,} {what}")


def _remarks(found: Status) -> None:
    for service in found.services:
        for rule, count in sorted(service.dropped.items()):
            name = visible(service.service)
            if rule == COPY:
                click.echo(f"copy: {count} events of {name} were in stdout and in LOG_FILE; each was delivered once")
            else:
                click.echo(f"dropped: {count} events of {name} by rule {rule}")
    if found.redacted:
        most = sorted(found.redacted.items(), key=lambda one: (-one[1], one[0]))
        click.echo("redacted: " + ", ".join(f"{rule} {count}" for rule, count in most))
    if any(one.unparsed for one in found.services):
        click.echo("unparsed: `logship pipelines unmatched` shows the commonest shapes")
    for entry in found.passed_over:
        click.echo(
            f"passed over at the first start (start: end): {_bytes(entry.bytes)} in {entry.files} files of "
            f"{visible(entry.path)}, {entry.at}"
        )
    if found.gaps:
        click.echo(f"gaps: {found.gaps}, {_bytes(found.bytes_lost)} or more lost; the newest:")
    for gap in found.newest_gaps[:5]:
        behind = "?" if gap.behind is None else f"{gap.behind:,}"
        click.echo(f"  {gap.at}  {gap.cause}  bytes {gap.first:,} to {behind} of {visible(gap.path)}")


def rejected(rows: Sequence[RejectedRow]) -> None:
    """Print refused documents, one a line."""
    table(
        "rejected",
        ["number", "at", "sink", "dataset", "status", "replay", "reason"],
        [
            (
                row.number,
                row.at[5:19].replace("T", " "),
                row.sink,
                row.dataset,
                row.status,
                "yes" if row.replay else "no",
                row.reason,
            )
            for row in rows
        ],
        numbers=(0, 4),
    )


def settings(found: Effective) -> None:
    """Print every option, its value and where it came from."""
    table(
        "settings",
        ["option", "from", "value"],
        [(value.name, value.origin, "-" if value.value is None else as_json(value.value)) for value in found.values()],
    )


def size(count: int) -> str:
    """Write a number of bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _bytes(count: int) -> str:
    return size(count) if terminal() else str(count)


def _file(path: str) -> str:
    """Shorten a container's path on a terminal: its id is in it twice, 64 digits each."""
    found = re.search(r"([0-9a-f]{12})[0-9a-f]{52}(-json\.log.*)$", path)
    return f"…/{found[1]}{found[2]}" if found and terminal() else path


def _paint(colour: bool, text: str, **style: Any) -> str:  # noqa: ANN401
    return click.style(text, **style) if colour else text


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else as_json(value)
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _text(document: Document) -> str:
    message = field(document, "message")
    if message is None:
        message = field(document, "event.original")
    if message is None:
        return ""
    return (message if isinstance(message, str) else as_json(message)).rstrip("\n")


def _local(stamp: str, today: str) -> str:
    try:
        local = datetime.fromisoformat(stamp).astimezone()
    except ValueError:
        return visible(stamp)
    text = local.isoformat(" ", "milliseconds")[:23]
    return text[11:] if today and text.startswith(today) else text


def explained(head: str, steps: Sequence[tuple[str, str]]) -> None:
    """Print an event's reasons, one stage a line."""
    colour = colours()
    click.echo(_paint(colour, head, bold=True))
    for stage, what in steps:
        click.echo(f"  {_paint(colour, f'{stage:<10}', fg='cyan')} {visible(what)}")


def differences(title: str, rows: Sequence[tuple[str, object, object]]) -> None:
    """Print what was expected and what was found, field by field."""
    colour = colours()
    click.echo(_paint(colour, title, bold=True))
    for name, expected, found in rows:
        click.echo(f"  {name}")
        click.echo(_paint(colour, f"  - {visible(as_json(expected))}", fg="red"))
        click.echo(_paint(colour, f"  + {visible(as_json(found))}", fg="green"))
