"""
Secrets that are known by their name: `password=…`, `"api_key": "…"`, `Authorization: Bearer …`.

A pattern finds the name and its separator; what follows is read by hand
(`values.py`), since quotes may be escaped at any depth and a bare value may
end in many ways. Every step either moves past what it read or reads a bounded
number of characters, so the whole is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from logship.pipeline.redaction import values
from logship.pipeline.redaction.marks import Marks
from logship.pipeline.redaction.quotes import end_of
from logship.pipeline.redaction.rules import Family, Fields
from logship.pipeline.redaction.values import Found, Named

_SEPARATOR = re.compile(
    r"(?P<suffix>[A-Za-z0-9_.-]{0,48})(?:(?P<quote>\\{0,15}[\"'`])\]?|\]|\*{2})?(?:[ \t]|\\{1,7}t){0,20}(?:(?:is|was) ?)?"
    r"(?P<sep>:\s{0,3}(?:str|bytes|Any|int|SecretStr|Optional\[\w{1,20}\])(?:\s?\|\s?None)?\s{0,3}=(?!=)|:?=(?![=~])>?|:(?!//)-?|：|\\{1,7}uff1a|->|%3D|\\{1,7}u003d|(?<=[\"']),(?=\s{0,3}b?\\{0,7}[\"']))",
    re.ASCII,
)
#: `--password x`, also in a list of arguments.
_FLAG = re.compile(
    r"(?P<suffix>[A-Za-z0-9_-]{0,48})(?P<quote>\\{0,15}[\"'])?(?P<sep>,?[ \t]{1,4}|,)(?=\\{0,15}[\"']?[^\s\"'\\-])",
    re.ASCII,
)
_FLAGGED = re.compile(r"(?:^|[^A-Za-z0-9_-])--?[A-Za-z0-9_-]{0,48}$", re.ASCII)
_TUPLE = re.compile(r"\(\s?b?\\{0,15}[\"'][\w.-]{0,40}$", re.ASCII)
_GAP = re.compile(r"(?:[ \t\r\n]|\\{1,7}[nrt](?=[\s\\\"'])){0,80}")
#: Python's `b'…'`, Go's `[…]`, a list's bracket, `SecretStr('…')`.
_OPENER = re.compile(r"\[?\s{0,80}(?:Secret(?:Str|Bytes)?\()?(?:[bBuUrRfF]{1,2}(?=\\{0,7}[\"']))?")
_QUOTE = re.compile(r"(\\{0,15})([\"'`])")
_MORE = re.compile(r"\s{0,80},\s{0,80}(?=\\{0,7}[\"'])")
#: The word just before a core: `primary_key`, `cacheKey`.
_PREVIOUS = re.compile(r"(?<!\\)\b([A-Za-z]{1,20})[_. -]$|_([A-Za-z]{1,20})[_. -]$", re.ASCII)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Endings that a name may have without a separator: `passwords`, `tokenvalue`.
_GLUED = frozenset({"s", "value", "values", "string", "str", "hash", "data"})
_SHORT = frozenset({"pass", "pwd", "otp"})


class NamedSecrets:
    """Finds values by the names they are given."""

    def __init__(self, fields: Fields) -> None:
        self._families = {family.name.replace("-", "_"): family for family in fields.families}
        self._harmless = frozenset(fields.harmless)
        self._describing = frozenset(fields.describing)
        groups = "|".join(f"(?P<{name}>{'|'.join(family.words)})" for name, family in self._families.items())
        self._name = re.compile(rf"(?i:{groups})", re.ASCII)

    def family(self, name: str) -> Family | None:
        """Return the family of a key that names a secret."""
        for match in self._name.finditer(name):
            family = self._families[str(match.lastgroup)]
            if self._names_secret(name, match.start(), match[0], name[match.end() :], family):
                return family
        return None

    def find(self, text: str, mark: Marks) -> Iterator[Found]:
        """Yield the secrets of a text, in order, never overlapping."""
        position = 0
        while match := self._name.search(text, position):
            position = match.end()
            rest = _SEPARATOR.match(text, position) or _flag(text, match)
            if not rest:
                continue
            family = self._families[str(match.lastgroup)]
            if not self._names_secret(text, match.start(), match[0], rest["suffix"], family):
                continue
            if rest["sep"] == "," and not _TUPLE.search(text[max(0, match.start() - 60) : match.start()]) and not _flag(text, match):
                continue
            named = Named(family, match[0] + rest["suffix"], rest["quote"] or "", rest["sep"], match.start(), rest.end())
            for found in _values(text, named, mark):
                position = found.end
                yield found

    def _names_secret(self, text: str, start: int, core: str, suffix: str, family: Family) -> bool:
        """Return whether a name is that of a secret, not of something about one."""
        glued = suffix[:1].isalpha() and suffix[:1].islower() == core[-1:].islower()
        if glued and suffix.lower() not in _GLUED and not suffix.lower().startswith("s_"):
            return False  # tokenizer, passwordless
        before = text[max(0, start - 24) : start]
        if core.lower() in _SHORT and before[-1:].isalpha():
            return core.lower() == "pwd" and core.isupper()  # bypass
        words = [word.lower() for word in _WORD.findall(suffix)]
        if words and words[-1] in self._harmless:
            return False
        previous = _PREVIOUS.search(before) if family.described else None
        return not previous or (previous[1] or previous[2]).lower() not in self._describing


def _flag(text: str, name: re.Match[str]) -> re.Match[str] | None:
    """Return the separator of a command line's option."""
    if text.find("-", max(0, name.start() - 60), name.start()) < 0:
        return None
    return _FLAG.match(text, name.end()) if _FLAGGED.search(text[max(0, name.start() - 60) : name.start()]) else None


def _values(text: str, named: Named, mark: Marks) -> Iterator[Found]:
    gap = _GAP.match(text, named.end)
    start = gap.end() if gap else named.end
    space = text[named.end : start]
    opener = _OPENER.match(text, start)
    listed = text[start : start + 1] == "["
    start = opener.end() if opener else start
    quote = _QUOTE.match(text, start)
    if not quote:
        if "\n" not in space and "\\n" not in space and (found := values.bare(text, start, named, mark, space)):
            yield found
        return
    while quote:
        end, closed = end_of(text, quote.end(), len(quote[1]), quote[2])
        if found := values.quoted(text, quote.end(), end, named, mark):
            yield found
        if not listed or not closed:
            return
        more = _MORE.match(text, end + len(quote[0]))
        quote = _QUOTE.match(text, more.end()) if more else None
