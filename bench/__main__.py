"""
Measure the agent against bare reference loops and rsyslog, on the same file in the same run.

CPU seconds are user and system time of the whole process tree; the endpoint
that takes the documents is not counted. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import compileall
import platform
import tempfile
from pathlib import Path

from bench import delivery, idle, many, outage
from bench.corpus import write_docker
from bench.peers import rsyslog
from bench.runs import Figure, agent, measured, reference

_README = Path(__file__).parents[1] / "README.md"
#: Other formats than api text: (corpus, what it is called, service).
_FORMATS = (("nginx", "nginx access lines", "nginx"), ("json", "api JSON lines", "api"))
_HEAD = ["| run | events | CPU s | events per CPU s | ratio | peak memory |", "|---|---|---|---|---|---|"]


def rows(figures: list[Figure]) -> list[str]:
    """Render figures as rows; the first is what the others are divided by."""
    base = figures[0].rate
    table = []
    for one in figures:
        cells = [f"{one.events:,}", f"{one.cpu:.2f}", f"{one.rate:,.0f}", f"{one.rate / base:.2f}"]
        cells = [*cells, f"{one.memory:.0f} MiB"] if one.cpu else [""] * 5
        table.append(f"| {' | '.join([one.name, *cells])} |")
    return table


def checked(figure: Figure, events: int) -> Figure:
    """Return the figure; stop if it has not all events."""
    if figure.events != events:
        raise SystemExit(f"{figure.name}: {figure.events:,} events instead of {events:,}")
    return figure


def api(folder: Path, options: argparse.Namespace) -> list[str]:
    """Measure text lines of the api: with and without segments, the peer, a long file."""
    path = folder / "api-json.log"
    events = write_docker(path, options.lines)
    figures = [
        checked(reference(path, "**api text lines**: reference loop"), events),
        checked(agent(path, "logship"), events),
        checked(agent(path, "logship, with segments", store=True), events),
    ]
    if options.peer:
        figures.append(rsyslog(path, measured, Figure))
    if options.long:
        events = write_docker(path, options.lines * 10)
        figures.append(checked(agent(path, "logship, with segments, ten times the lines", store=True), events))
    path.unlink()
    return rows(figures)


def formats(folder: Path, options: argparse.Namespace) -> list[str]:
    """Measure the other formats, each beside its own reference loop."""
    table = []
    for kind, title, service in _FORMATS:
        path = folder / f"{kind}-json.log"
        events = write_docker(path, options.lines, kind=kind)
        table += rows(
            [
                checked(reference(path, f"**{title}**: reference loop", kind), events),
                checked(agent(path, "logship", service=service), events),
            ]
        )
        path.unlink()
    return table


def write_readme(mark: str, text: str) -> None:
    """Put the text between the marks in the README."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    readme = _README.read_text()
    if begin not in readme or end not in readme:
        raise SystemExit(f"README.md has no {begin} and {end}")
    before, rest = readme.split(begin, 1)
    _README.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.strip().splitlines()[0])
    parser.add_argument("--lines", type=int, help="default: 1,000,000; with --idle 2,000,000, with --delivery 400,000")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="also rsyslog")
    parser.add_argument(
        "--formats", action=argparse.BooleanOptionalAction, default=True, help="also nginx access lines and JSON lines"
    )
    parser.add_argument("--long", action="store_true", help="also a file ten times as long: is memory flat?")
    parser.add_argument("--idle", action="store_true", help="instead: an agent that idles, and cost by lines")
    parser.add_argument("--delivery", action="store_true", help="instead: delivery alone")
    parser.add_argument("--outage", type=float, metavar="SECONDS", help="instead: nobody takes the documents so long")
    parser.add_argument("--many", type=float, metavar="SECONDS", help="instead: 510 busy files so long; short lives")
    parser.add_argument("--short-lived", type=int, default=100_000, help="with --many: files; default 100,000")
    parser.add_argument("--rate", type=float, default=50.0, help="with --outage: MB/s that are written; default 50")
    parser.add_argument("--url", default="", help="with --delivery: also to this Elasticsearch, which is written to")
    parser.add_argument("--readme", action="store_true", help="also write the table into README.md")
    options = parser.parse_args()
    compileall.compile_dir("logship", quiet=1)  # as an installer does; else a start may compile all of it
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as name:
        folder = Path(name)
        if options.idle:
            mark, text = "bench idle", idle.report(folder, options.lines or 2_000_000)
        elif options.outage:
            mark, text = "bench outage", outage.report(folder, options.outage, options.rate)
        elif options.many:
            mark, text = "bench many", many.report(folder, options.many, options.short_lived)
        elif options.delivery:
            mark, text = "bench delivery", delivery.report(folder, options.lines or 400_000, options.url)
        else:
            options.lines = options.lines or 1_000_000
            table = _HEAD + api(folder, options) + (formats(folder, options) if options.formats else [])
            python = platform.python_version()
            note = f"{options.lines:,} lines each, Python {python}; ratio: to the reference loop above."
            mark, text = "bench", "\n".join([*table, "", note])
    print(text)
    if options.readme:
        write_readme(mark, text)


if __name__ == "__main__":
    main()
