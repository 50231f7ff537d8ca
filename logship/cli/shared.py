"""What every command has: `--config`, `--state-dir` and `--env-file` on either side of its name, and examples."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    from logship.config import Effective

_GIVEN = "logship.given"
_LEVEL = "logship.level"
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _remember(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    # `meta` is shared by a command and the groups around it; the innermost is parsed last and wins.
    if value is not None and param.name:
        ctx.meta.setdefault(_GIVEN, {})[param.name] = value


def _options() -> list[click.Parameter]:
    def option(name: str, what: str, metavar: str) -> click.Option:
        path = click.Path(path_type=Path, readable=False)  # who opens it says what is wrong
        return click.Option([name], type=path, metavar=metavar, expose_value=False, callback=_remember, help=what)

    return [
        option("--config", "Configuration file.", "FILE"),
        option("--state-dir", "Ledger and segments.", "DIR"),
        option("--env-file", "Dify's .env, for LOG_FILE and what belongs to it.", "FILE"),
    ]


class Command(click.Command):
    """A command with the shared options, and examples below its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.extend(_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are: commands must not be wrapped."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A command that has commands."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.extend(_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are: commands must not be wrapped."""
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write a section of commands."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"  {example}\n")


def effective(ctx: click.Context) -> Effective:
    """Load the settings that hold for this call."""
    from logship.config import load

    given = ctx.meta.get(_GIVEN, {})
    switches = {"state_dir": ("--state-dir", given["state_dir"])} if "state_dir" in given else {}
    found = load(given.get("config"), given.get("env_file"), switches)
    ctx.meta[_LEVEL] = found.settings.log.level
    return found


def state_dir(ctx: click.Context) -> Path:
    """Return the state directory that holds for this call."""
    return effective(ctx).settings.state_dir


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; - is standard input."""
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def log_level(ctx: click.Context) -> str:
    """Return the level that the settings name, as far as they were loaded."""
    return str(ctx.meta.get(_LEVEL, ""))
