"""`logship`: its commands, loaded when they are called, and how an error ends it."""

from __future__ import annotations

import errno
import importlib
import os
import sqlite3
import sys
from typing import Any

import click

from logship.cli.failures import Bug, Failure, exit_codes
from logship.cli.shared import Group, log_level
from logship.errors import LogshipError

#: Module of each command, in the order of the help.
COMMANDS = (
    "tail", "search", "status", "doctor", "rejected", "archive", "rehydrate", "reconcile", "parse", "pipelines",
    "redact", "setup", "config", "demo", "completion", "version",
)  # fmt: skip


class Root(Group):
    """Loads the module of a command by its name; turns errors into text and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a command; it is named like its module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"logship.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the exit codes to the examples."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), what) for code, what in exit_codes()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run a command; every way it can fail ends in one clean line."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # a reader that has gone away shows here, not in the interpreter's last breath
            return result
        except (click.ClickException, click.exceptions.Exit):
            raise
        except LogshipError as error:
            raise Failure(error) from error
        except (KeyboardInterrupt, click.Abort) as error:
            if isinstance(error, click.Abort) and not (sys.stdin and sys.stdin.isatty()):  # a question met the end
                raise click.UsageError("nobody answered, and nothing was changed; --yes does not ask", ctx) from None
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:
            _abandon_stdout()
            raise click.exceptions.Exit(141) from None
        except sqlite3.DatabaseError as error:
            from logship.ledger.ledger import explained

            raise Failure(explained("cannot read the ledger", error)) from error
        except OSError as error:
            raise Failure(LogshipError(_system(error), _NEXT.get(error.errno or 0, _LOOK))) from error
        except Exception as error:
            raise Bug(error, debug=log_level(ctx) == "debug") from error


_LOOK = "check the path's owner and mode, and the free space"
#: What to do about an error of the system, by its number.
_NEXT = {
    errno.ENOENT: "check how the path is spelled",
    errno.EISDIR: "it is a directory; name a file",
    errno.ENOTDIR: "a part of the path is a file; check how it is spelled",
    errno.EACCES: "check the owner and mode of the path and of the folders above it",
    errno.EPERM: "check the owner and mode of the path and of the folders above it",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "the file system is read-only; name another place",
}


def _system(error: OSError) -> str:
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text


def _abandon_stdout() -> None:
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # not a real file: nothing will be flushed to it
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


@click.group(
    cls=Root,
    examples=[
        "logship demo                                    a Dify-shaped stack, live, in 20 seconds",
        "logship tail                                    what the configuration names",
        "logship tail --service api /srv/logs/server.log",
        "logship search 'log.level:error' --since 15m",
        "logship status",
    ],
)
def main() -> None:
    """
    Ship, search and seal the logs of a self-hosted Dify.

    Options come from the command line, LOGSHIP_… variables, a YAML file, Dify's own
    variables and Dify's .env, in this order; `logship config show` says which one holds.
    """
