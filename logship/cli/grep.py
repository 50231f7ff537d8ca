"""
What to look for in the texts of a live stream.

By Hyperscan: its time grows with the text alone, so that no pattern, and no line that somebody else writes, stops the
agent behind the screen.
"""

from __future__ import annotations

import re

import click
import hyperscan

_FLAGS = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY


class Grep:
    """A regular expression in the grammar of Python's `re`, without lookarounds and backreferences."""

    def __init__(self, pattern: str) -> None:
        """Compile; raises click.BadParameter for what is no pattern, or cannot be looked for in bounded time."""
        try:
            re.compile(pattern)
        except re.error as error:
            raise click.BadParameter(f"{error.msg} at character {(error.pos or 0) + 1}", param_hint="--grep") from None
        self._database = hyperscan.Database()
        # Python names a group by (?P<name>…); nobody asks for groups here.
        plain = re.sub(r"\(\?P<\w+>", "(", pattern)
        try:
            self._database.compile(expressions=[plain.encode()], flags=[_FLAGS])
        except (hyperscan.error, UnicodeEncodeError):
            reason = "lookarounds, backreferences and very large repetitions are not taken"
            raise click.BadParameter(reason, param_hint="--grep") from None

    def search(self, text: str) -> bool:
        """Tell whether the pattern is somewhere in a text."""
        found: list[int] = []
        self._database.scan(
            text.encode("utf-8", "replace"), match_event_handler=lambda number, *_: found.append(number)
        )
        return bool(found)
