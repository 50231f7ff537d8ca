"""`logship pipelines`: how each service's lines are read; try them, and make one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from logship.cli import render
from logship.cli.shared import Group, effective, opened, state_dir
from logship.errors import LogshipError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logship.pipeline.redaction import Redactor
    from logship.pipeline.spec import Pipelines


@click.group(
    cls=Group,
    examples=[
        "logship pipelines list",
        "logship pipelines show nginx",
        "logship pipelines test my-pipelines/",
        "logship pipelines new myservice sample.log > my-pipelines/myservice.yaml",
        "logship pipelines unmatched --since 1d",
    ],
)
def pipelines() -> None:
    """Show and test how lines are read, the shipped pipelines and your own."""


def _load(own: Sequence[Path]) -> Pipelines:
    """Read the shipped pipelines and those of directories or files, which win by name."""
    from logship.data import data_path
    from logship.pipeline.spec import Pipelines, read_spec, require

    require(own)
    specs = Pipelines.load([data_path("pipelines")]).specs
    for path in own:
        files = [path] if path.is_file() else [one for one in sorted(path.glob("*.yaml")) if one.stem not in _OTHERS]
        specs |= {spec.name: spec for spec in map(read_spec, files)}
    return Pipelines(specs.values())


#: Files of a pipelines directory that are no pipelines.
_OTHERS = frozenset({"redaction", "audit"})


def _file(name: str, own: Sequence[Path]) -> Path:
    from logship.data import data_path

    for path in [*reversed(own), data_path("pipelines")]:
        file = path if path.is_file() and path.stem == name else path / f"{name}.yaml"
        if file.is_file():
            return file
    raise PipelineError(f"no pipeline named {name}", "`logship pipelines list` names them")


def _redactor() -> Redactor:
    from logship.data import data_path
    from logship.pipeline.redaction import Redactor

    return Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"logship pipelines test key.....")


@pipelines.command("list", examples=["logship pipelines list", "logship pipelines list --json"])
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the pipelines with their services, images, formats and number of samples."""
    own = effective(ctx).settings.pipelines
    specs = sorted(_load(own).specs.values(), key=lambda spec: spec.name)
    if as_json:
        for spec in specs:
            formats = [form.name for form in spec.formats]
            row = {"name": spec.name, "services": spec.services, "images": spec.images, "formats": formats}
            click.echo(render.as_json({**row, "samples": len(spec.samples), "file": str(_file(spec.name, own))}))
        return
    render.table(
        "pipelines",
        ["name", "services", "images", "formats", "samples"],
        [
            (spec.name, " ".join(spec.services) or "-", " ".join(spec.images) or "-",
             " ".join(form.name for form in spec.formats), len(spec.samples))
            for spec in specs
        ],
        numbers=(4,),
        wide=3,
    )  # fmt: skip


@pipelines.command(examples=["logship pipelines show nginx", "logship pipelines show api --json | jq .services"])
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON, without the comments.")
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Print a pipeline's file, the one that counts (yours before the shipped one), and which drop rules are on."""
    settings = effective(ctx).settings
    from logship.pipeline.dropping import kept, shares
    from logship.pipeline.spec import read_spec

    file = _file(name, settings.pipelines)
    spec = read_spec(file)
    keep = shares(_load(settings.pipelines), settings.drop)
    if as_json:
        row = spec.model_dump(by_alias=True, exclude_defaults=True)
        if spec.drop:
            row["drop"] = [one | {"kept": kept(rule, keep)} for one, rule in zip(row["drop"], spec.drop, strict=True)]
        click.echo(render.as_json(row, indent=True))
        return
    click.echo(f"# {file}")
    for rule in spec.drop:
        share = kept(rule, keep)
        state = "off" if share == 1 else "drops all" if share == 0 else f"keeps {share:.4g} of them"
        click.echo(f"# drop rule {rule.name}: {state} (setting drop.{rule.name})")
    click.echo(file.read_text(), nl=False)


@pipelines.command(
    examples=["logship pipelines test", "logship pipelines test my-pipelines/", "logship pipelines test myservice.yaml"]
)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a difference.")
@click.pass_context
def test(ctx: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """
    Run every pipeline's samples: the shipped ones, yours, and those of PATH (directories or files).

    The exit code is 1 when a document is not what its sample expects.
    """
    from logship.pipeline.samples import check

    known = _load([*effective(ctx).settings.pipelines, *paths])
    redactor = _redactor()
    count = failed = 0
    for name, spec in sorted(known.specs.items()):
        for sample in spec.samples:
            count += 1
            found = check(spec, sample, redactor)
            failed += bool(found)
            if as_json:
                for one in found:
                    row = {"pipeline": name, "sample": sample.name, "field": one.field}
                    click.echo(render.as_json({**row, "expected": one.expected, "found": one.found}))
            elif found:
                rows = [(one.field, one.expected, one.found) for one in found]
                render.differences(f"{name}: {sample.name}", rows)
    if failed:
        raise LogshipError(
            f"{failed} of {count} samples differ", "`logship parse --explain --service NAME` says why a line is read so"
        )
    if not as_json:
        click.echo(f"good: {count} samples of {len(known.specs)} pipelines")


@pipelines.command(
    examples=[
        "logship pipelines new myservice sample.log > my-pipelines/myservice.yaml",
        "logship pipelines new myservice < sample.log",
    ]
)
@click.argument("name")
@click.argument("file", default="-", metavar="[FILE]")
@click.pass_context
def new(ctx: click.Context, name: str, file: str) -> None:
    """
    Write a commented pipeline for service NAME from a sample log: FILE, or standard input.

    Guesses how lines are wrapped, the form of time and level, and where an event starts.
    """
    settings = effective(ctx).settings
    from logship.offline import Offline, Options
    from logship.pipeline.skeleton import skeleton

    offline = Offline(settings)
    with opened(file) as stream:
        texts, note = offline.texts(stream, Options(service=name, zone=settings.log_file.zone))
    if not texts:
        raise LogshipError("the sample has no lines", "name a log FILE, or pipe one in")
    click.echo(skeleton(name, texts, _redactor(), note), nl=False)


@pipelines.command(examples=["logship pipelines unmatched", "logship pipelines unmatched --since 1d --service api"])
@click.option("--since", metavar="WHEN", help="15m, 2h, 3d, or a date and time; from then on.")
@click.option("--service", "services", multiple=True, help="Only this service; may be repeated.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Shapes at most.")
@click.option("--newest", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True,
              help="Look at so many unparsed documents at most, the newest.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with an example.")
@click.pass_context
def unmatched(
    ctx: click.Context, since: str | None, services: tuple[str, ...], limit: int, newest: int, as_json: bool
) -> None:
    """Count the commonest shapes among what no format matched; numbers, ids and quoted text are masked."""
    directory = state_dir(ctx)
    from datetime import UTC, datetime

    from logship.pipeline.shapes import commonest
    from logship.store.dates import parse_when
    from logship.store.search import Scope, Search

    try:
        begin = parse_when(since, datetime.now(UTC)) if since else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    hits = Search(directory).hits("tags:unparsed", Scope(begin, None, services), limit=newest)
    shapes = commonest(
        (str(render.field(hit.document, "service.name") or "-"),
         str(render.field(hit.document, "event.original") or render.field(hit.document, "message") or ""))
        for hit in hits
    )  # fmt: skip
    if as_json:
        for one in shapes[:limit]:
            row = {"count": one.count, "services": dict(one.services), "shape": one.shape, "example": one.example}
            click.echo(render.as_json(row))
        return
    render.table(
        f"unparsed: {len(hits)} documents, {len(shapes)} shapes",
        ["count", "services", "shape"],
        [
            (one.count, " ".join(f"{name}:{count}" for name, count in one.services.most_common()), one.shape)
            for one in shapes[:limit]
        ],
        numbers=(0,),
        wide=2,
    )
