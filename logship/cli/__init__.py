"""The command line: one file per command; parse, call one function, render."""

from logship.cli.root import main

__all__ = ["main"]
