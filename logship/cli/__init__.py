"""The command line: one file per command; parse, call one function, render."""

import gc

# Imports make many objects and no garbage: looking for it took a tenth of the start.
gc.set_threshold(100_000, 50, 50)

from logship.cli.root import main  # noqa: E402  # after the threshold

__all__ = ["main"]
