"""
What stands in a secret's place: `[<rule>:<6 hex>]`, equal for equal secrets of one installation.

While a text is being redacted, each mark is one character of a private plane:
no rule can match inside a mark or mistake it for a value, so redacting twice
changes nothing more.
"""

from __future__ import annotations

import hmac
import re

_FIRST = 0xF0000
_LAST = 0x10FFFD
#: A mark in a text that was redacted before; or a character of the private planes, which stands for itself.
_HIDDEN = re.compile(
    "\\[[a-z][a-z0-9-]{0,40}:[0-9a-f]{6}\\]|\\[(?:email|ip|ipv6|phone|card|chinese-id|body)\\]|[\U000f0000-\U0010ffff]"
)
_SHOWN = re.compile("[\U000f0000-\U0010ffff]")
_ONLY_MARKS = re.compile("[\U000f0000-\U0010ffff]+")


class Marks:
    """The marks of one text, made with the installation's key: nobody without it can test guesses against them."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._shown: list[str] = []
        self._hidden: dict[str, str] = {}

    def __call__(self, rule: str, secret: str) -> str:
        """Return what stands for the mark of a secret until `show`."""
        digest = hmac.digest(self._key, self.show(secret).encode(errors="surrogatepass"), "sha256")
        return self.plain(f"[{rule}:{digest[:3].hex()}]")

    def plain(self, mark: str) -> str:
        """Return what stands for a mark until `show`."""
        if mark not in self._hidden:
            if _FIRST + len(self._shown) > _LAST:
                return "[redacted]"  # a hundred thousand different secrets in one text
            self._hidden[mark] = chr(_FIRST + len(self._shown))
            self._shown.append(mark)
        return self._hidden[mark]

    def hide(self, text: str) -> str:
        """Replace the marks that a text already holds."""
        return _HIDDEN.sub(lambda match: self.plain(match[0]), text)

    def show(self, text: str) -> str:
        """Put the marks where their characters stand."""
        return _SHOWN.sub(lambda match: self._shown[ord(match[0]) - _FIRST], text) if self._shown else text


def is_mark(text: str) -> bool:
    """Return whether a text is nothing but marks."""
    return _ONLY_MARKS.fullmatch(text) is not None
