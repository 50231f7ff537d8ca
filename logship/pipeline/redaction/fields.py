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

from logship.pipeline.redaction import judge, values
from logship.pipeline.redaction.marks import Marks
from logship.pipeline.redaction.quotes import end_of
from logship.pipeline.redaction.rules import Family, Fields
from logship.pipeline.redaction.values import Found, Named

_SEPARATOR = re.compile(
    r"(?P<suffix>[A-Za-z0-9_.-]{0,48})(?:(?P<quote>\\{0,15}[\"'`])\]?|\]|\*{2})?(?:[ \t]|\\{1,7}t){0,20}"
    r"(?:(?:is|was) ?|[ \t]?(?=为|是|為|は|\\{1,7}u4e3a|\\{1,7}u662f))?"
    r"(?P<sep>:\s{0,3}(?:str|bytes|Any|int|SecretStr|Optional\[\w{1,20}\])(?:\s?\|\s?None)?\s{0,3}=(?!=)|:?=(?![=~])>?|:(?!//)-?|：|\\{1,7}uff1a|(?:为|是|為|は|\\{1,7}u4e3a|\\{1,7}u662f)(?:[:：]|\\{1,7}uff1a)?|->|%3D|\\{1,7}u003d|(?<=[\"']),(?=\s{0,3}b?\\{0,7}[\"']))",
    re.ASCII,
)
#: `--password x`, also in a list of arguments.
_FLAG = re.compile(
    r"(?P<suffix>[A-Za-z0-9_-]{0,48})(?P<quote>\\{0,15}[\"'])?(?P<sep>,?[ \t]{1,4}|,)(?=\\{0,15}[\"']?[^\s\"'\\-])",
    re.ASCII,
)
_FLAGGED = re.compile(r"(?:^|[^A-Za-z0-9_-])--?[A-Za-z0-9_-]{0,48}$", re.ASCII)
#: … which is a list: `"--password", "x"` may also end one value of a JSON object and begin the next key.
_LISTED = re.compile(r"[\[(,]\s{0,40}[bu]?\\{0,15}[\"']--?[A-Za-z0-9_-]{0,48}$", re.ASCII)
#: After a name in Chinese, a space is enough.
_SPACE = re.compile(r"(?P<suffix>)(?P<quote>)(?P<sep>[ \t]{1,4})(?=[!-~])", re.ASCII)
#: An item of a list; the next one is its value only if it looks like one.
_ITEM = re.compile(r"[\[,]\s?\\{0,15}[\"'][A-Za-z-]{0,40}$", re.ASCII)
_TUPLE = re.compile(r"\(\s?b?\\{0,15}[\"'][\w.-]{0,40}$", re.ASCII)
_GAP = re.compile(r"(?:[ \t\r\n]|\\{1,7}[nrt](?=[\s\\\"'])){0,80}")
#: Python's `b'…'`, Go's `[…]`, a list's bracket, `SecretStr('…')`.
_OPENER = re.compile(r"\[?\s{0,80}(?:(?:Secret(?:Str|Bytes)?|Some)\()?(?:[bBuUrRfF]{1,2}(?=\\{0,7}[\"']))?")
#: YAML's `|` and `>`: the value is the line below.
_BLOCK = re.compile(r"[|>][+-]?\d?(?:[ \t]{0,8}\n[ \t]{1,40}|\\{1,7}n[ ]{1,40})(?=\S)")
_NEWLINE = re.compile(r"\n|\\n")
_QUOTE = re.compile(r"(\\{0,15})([\"'`])")
#: An object or a list that holds one, and what it is made of; so many characters of it are looked at.
_OPENED = re.compile(r"(?:\s|\\{1,7}[nrt]){0,80}(?:\{|\[(?=[^{}\[\]]{0,200}\{))", re.ASCII)
_TOKEN = re.compile(r"(\\{0,15})([\"'])|([{}\[\]])")
_COLON = re.compile(r"(?:\s|\\{1,7}[nrt]){0,8}(?::|=>)", re.ASCII)
_LONGEST = 1000
_MORE = re.compile(r"\s{0,80},\s{0,80}(?=\\{0,7}[\"'])")
#: The word just before a core: `primary_key`, `cacheKey`.
_PREVIOUS = re.compile(r"(?<!\\)\b([A-Za-z]{1,20})[_. -]$|_([A-Za-z]{1,20})[_. -]$", re.ASCII)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Endings that a name may have without a separator: `passwords`, `tokenvalue`.
_GLUED = frozenset({"s", "value", "values", "string", "str", "hash", "data"})
_SHORT = frozenset({"pass", "pw", "pwd", "otp"})


class _Objects:
    """How far the objects of a text were read: one in another is not read again."""

    read = 0


class NamedSecrets:
    """Finds values by the names they are given."""

    def __init__(self, fields: Fields) -> None:
        self._families = [
            (
                re.compile("|".join(family.words), re.ASCII),
                re.compile(f"(?i:{family.after})(?:{'|'.join(family.words)})$", re.ASCII | re.IGNORECASE)
                if family.after
                else None,
                family,
            )
            for family in fields.families
        ]
        self._harmless = frozenset(fields.harmless)
        self._describing = frozenset(fields.describing)
        words = [word for family in fields.families for word in family.words]
        # The longest first: what a word begins with, up to its first choice, tells enough.
        self._core = re.compile("|".join(sorted(words, key=_plain_length, reverse=True)), re.ASCII)

    def family(self, name: str) -> Family | None:
        """Return the family of a key that names a secret."""
        lower = _lower(name)
        position = 0
        while core := self._core.search(lower, position):
            position = core.start() + 1
            family = self._family(name, core)
            if family and self._names_secret(name, core, name[core.end() :], family):
                return family
        return None

    def describes(self, name: str) -> bool:
        """Return whether what a key names is about a secret rather than one: its type, its length."""
        words = _WORD.findall(name)
        return bool(words) and words[-1].lower() in self._harmless

    def find(self, text: str, mark: Marks) -> Iterator[Found]:
        """Yield the secrets of a text, in order, never overlapping."""
        lower = _lower(text)
        position = 0
        objects = _Objects()
        while core := self._core.search(lower, position):
            position = core.start() + 1  # a name may begin inside of what looks like one: rootPassword
            rest = _SEPARATOR.match(text, core.end()) or _flag(text, core)
            if not rest and not core[0].isascii():
                rest = _SPACE.match(text, core.end())
            if not rest:
                continue
            family = self._family(text, core)
            if not family or not self._names_secret(text, core, rest["suffix"], family):
                continue
            before = text[max(0, core.start() - 60) : core.start()]
            item = rest["sep"] == "," and not _TUPLE.search(before) and not _flag(text, core)
            if item and not _ITEM.search(before):
                continue
            named = Named(family, core[0] + rest["suffix"], rest["quote"] or "", rest["sep"], core.start(), rest.end())
            whole = rest["quote"] and core.start() >= objects.read
            for found in self._members(text, named, mark, objects) if whole else _values(text, named, mark):
                if not item or judge.generated(text[found.start : found.end]):
                    position = found.end
                    yield found

    def _members(self, text: str, named: Named, mark: Marks, objects: _Objects) -> Iterator[Found]:
        """Yield the value of a quoted name; of an object, the texts in it but those that describe."""
        opened = _OPENED.match(text, named.end)
        if not opened:
            yield from _values(text, named, mark)
            return
        name, depth, quiet, position = "", 0, 0, opened.end() - 1
        while token := _TOKEN.search(text, position, opened.end() + _LONGEST):
            position = objects.read = token.end()
            if token[3] and token[3] in "{[":
                depth += 1
                quiet = quiet or (depth if self.describes(name) else 0)  # labels in several languages
                continue
            if token[3]:
                depth -= 1
                if not depth:
                    return
                quiet = 0 if depth < quiet else quiet
                continue
            end, closed = end_of(text, position, len(token[1]), token[2])
            if not closed or len(token[1]) < len(named.quote) - 1:
                return
            start, position = position, end + len(token[1]) + 1
            if colon := _COLON.match(text, position):
                name, position = text[start:end], colon.end()
            elif not quiet and not self.describes(name) and (found := values.quoted(text, start, end, named, mark)):
                yield found

    def _family(self, text: str, core: re.Match[str]) -> Family | None:
        for words, after, family in self._families:
            if words.fullmatch(core[0]):
                return family if after is None or after.search(text[max(0, core.start() - 24) : core.end()]) else None
        return None

    def _names_secret(self, text: str, core: re.Match[str], suffix: str, family: Family) -> bool:
        """Return whether a name is that of a secret, not of something about one."""
        start, end = core.span()
        glued = suffix[:1].isalpha() and not (suffix[:1].isupper() and text[end - 1].islower())
        if glued and suffix.lower() not in _GLUED and not suffix.lower().startswith("s_"):
            return False  # tokenizer, passwordless
        before = text[max(0, start - 24) : start]
        inside = before[-1:].isalpha() and not text[start - 1 : end].isupper()
        if core[0] in _SHORT and inside and not (before[-1:].islower() and text[start].isupper()):
            return False  # bypass, but dbPass
        words = [word.lower() for word in _WORD.findall(suffix)]
        if words and words[-1] in self._harmless and (core[0], words) != ("secret", ["id"]):
            return False
        previous = _PREVIOUS.search(before) if family.described else None
        return not previous or (previous[1] or previous[2]).lower() not in self._describing


def _plain_length(word: str) -> int:
    return len(re.split(r"[(\[?*\\]", word)[0])


def _flag(text: str, name: re.Match[str]) -> re.Match[str] | None:
    """Return the separator of a command line's option."""
    if text.find("-", max(0, name.start() - 60), name.start()) < 0:
        return None
    before = text[max(0, name.start() - 60) : name.start()]
    rest = _FLAG.match(text, name.end()) if _FLAGGED.search(before) else None
    return None if rest and rest["quote"] and not _LISTED.search(before) else rest


def _lower(text: str) -> str:
    """Lower the ASCII letters alone, so that positions stay the same."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _values(text: str, named: Named, mark: Marks) -> Iterator[Found]:
    gap = _GAP.match(text, named.end)
    start = gap.end() if gap else named.end
    space = text[named.end : start]
    opener = _OPENER.match(text, start)
    listed = text[start : start + 1] == "["
    start = opener.end() if opener else start
    if block := _BLOCK.match(text, start):
        start, space = block.end(), " "
    quote = _QUOTE.match(text, start)
    if not quote:
        found = values.bare(text, start, named, mark, space)
        # On the next line may as well stand another name, or prose.
        if found and (not _NEWLINE.search(space) or values.lone(text, found)):
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
