"""How an error looks on the terminal: what, the next step, and the exit code."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from typing import IO, Any

import click

from logship import errors
from logship.errors import LogshipError

BUG = 70


class Failure(click.ClickException):
    """An error the user can act on."""

    exit_code = property(lambda self: self.error.exit_code)

    def __init__(self, error: LogshipError) -> None:
        super().__init__(str(error))
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Write each mistake on a line of its own, then the next step."""
        for line in self.message.splitlines():
            if line.startswith(" "):
                click.echo(line, file=file, err=True)  # goes on with the line before: a query and where it is wrong
            else:
                _line("error", line, "red", file)
        if self.error.hint:
            _line("hint", self.error.hint, "cyan", file)


class Bug(click.ClickException):
    """An error that is ours. Its text is not shown: it may hold a log's."""

    exit_code = BUG

    def __init__(self, error: Exception, *, debug: bool) -> None:
        super().__init__(f"a bug in logship: {type(error).__name__}{_place(error)}")
        self.error = error
        self.debug = debug or os.environ.get("LOGSHIP_LOG__LEVEL", "").lower() == "debug"

    def show(self, file: IO[Any] | None = None) -> None:
        """Write one line; all of it when debugging."""
        if self.debug:
            click.echo("".join(traceback.format_exception(self.error)), file=file, err=True, nl=False)
        _line("error", self.message, "red", file)
        hint = (
            "report it with the lines above" if self.debug else "LOGSHIP_LOG__LEVEL=debug shows the details to report"
        )
        _line("hint", hint, "cyan", file)


def exit_codes() -> Iterator[tuple[int, str]]:
    """Yield every exit code and what it says."""
    yield 0, "Done."
    found = {error.exit_code: (error.__doc__ or "").strip().splitlines()[0] for error in error_classes()}
    yield from sorted(found.items())
    yield BUG, "A bug in logship."
    yield 130, "Interrupted by Ctrl-C."
    yield 141, "The reader of the output went away."


def error_classes() -> list[type[LogshipError]]:
    """Return every error class."""
    return [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, LogshipError)]


def _place(error: Exception) -> str:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}logship{os.sep}" in frame.filename
    ]
    if not frames:
        return ""
    name = frames[-1].filename.rsplit(f"{os.sep}logship{os.sep}", 1)[1]
    return f" in logship/{name} line {frames[-1].lineno}"


def _line(word: str, text: str, colour: str, file: IO[Any] | None) -> None:
    # NO_COLOR (no-color.org); click leaves colours out by itself where there is no terminal.
    head = f"{word}:" if os.environ.get("NO_COLOR") else click.style(f"{word}:", fg=colour, bold=True)
    click.echo(f"{head} {text}", file=file, err=True)
