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
#: What is to be left as it is, the beginning of a group with a name, and of a repetition without a least number.
_PARTS = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|(\(\?P<\w+>)|\{,(?=\d+\})", re.DOTALL)


class Grep:
    """A regular expression in the grammar of Python's `re`, without lookarounds and backreferences."""

    def __init__(self, pattern: str) -> None:
        """Compile; raises click.BadParameter for what is no pattern, or cannot be looked for in bounded time."""
        try:
            re.compile(pattern)
        except re.error as error:
            raise click.BadParameter(f"{error.msg} at character {(error.pos or 0) + 1}", param_hint="--grep") from None
        except (OverflowError, RecursionError):
            raise click.BadParameter("is too large", param_hint="--grep") from None
        plain = _PARTS.sub(lambda part: part[1] or ("(" if part[2] else "{0,"), pattern)
        # Where a pattern holds \b, Hyperscan knows only ASCII's words and classes.
        for flags in (_FLAGS | hyperscan.HS_FLAG_UCP, _FLAGS):
            self._database = hyperscan.Database()
            try:
                self._database.compile(expressions=[plain.encode()], flags=[flags])
                return
            except (hyperscan.error, UnicodeEncodeError):
                continue
        reason = "write it without lookarounds, backreferences, \\N, \\u, possessive and atomic parts"
        raise click.BadParameter(reason, param_hint="--grep")

    def search(self, text: str) -> bool:
        """Tell whether the pattern is somewhere in a text."""
        found: list[int] = []
        self._database.scan(
            text.encode("utf-8", "replace"), match_event_handler=lambda number, *_: found.append(number)
        )
        return bool(found)
