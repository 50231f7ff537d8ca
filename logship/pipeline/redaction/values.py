"""The value that follows a name: where it ends, and whether it is a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass

from logship.pipeline.redaction import judge
from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.quotes import end_of, is_json
from logship.pipeline.redaction.rules import Family

_BARE = re.compile(
    # A separator belongs to the value unless something like another name follows it.
    r"(?:[,;](?=[^\s,;&\"'=:(){}\[\]\\]{1,60}(?:[\s,;\"')\]}]|$))"
    r"|&(?![\w.\[\]%-]{1,60}(?:=|%3D)|amp;|$)"
    r"|%(?!26[\w.-]{1,60}(?:=|%3D))"
    r"|\\(?![nrtu\"'/\\])"
    r"|<(?!/)"
    # Chinese punctuation ends a value.
    r"|[^\s\"'`,;&<%\\\x00\u201c\u201d\u3000-\u303f\uff01-\uff0f\uff1a-\uff20])+",
    re.ASCII,
)
#: A bare value is judged by its beginning, so that a refused one costs a bounded time.
_JUDGED = 600
_TRAILING = ")]}>,;:."
#: A header may be folded: the credentials stand on the next line, indented.
_FOLD = r"[ \t]{0,8}(?:\\{1,7}r|\r)?(?:\n|\\{1,7}n)[ \t]{1,80}"
_SCHEME = re.compile(rf"([A-Za-z][A-Za-z0-9-]{{1,20}})(?:{_FOLD}|[ \t]+|%20|\+)(?=\S)", re.ASCII)
#: Parameters of a Digest or signature: `username="x", response=…`.
_PARAMETER = r"[\w-]{1,40}=(?:\\{0,15}\"[^\"\\\r\n]{0,800}\\{0,15}\"|[^\s,\"\\]{1,800})"
_PARAMETERS = re.compile(rf"{_PARAMETER}(?:,?[ \t]{{0,4}}{_PARAMETER})*", re.ASCII)
_PARAMETERS_IN_JSON = re.compile(_PARAMETERS.pattern.replace('\\\\{0,15}\\"[', '\\\\{1,15}\\"['), re.ASCII)
_SIMPLE = frozenset({"bearer", "basic", "token", "apikey", "api-key", "key", "negotiate", "ntlm", "oauth"})
_LISTS = frozenset({"digest", "oauth"})
_NEXT_WORD = re.compile(r"[ \t]+[A-Za-z]")
_NAME = re.compile(r"(?i:passw|pwd|secret|token|key|auth|cred)")
_ASSIGNMENT = re.compile(r"[A-Za-z_][\w-]{0,60}=(?!=)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """One secret: where it lies and what stands there afterwards."""

    start: int
    end: int
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Named:
    """A name that was found, with its separator."""

    family: Family
    #: Its core and what follows that: `password`, `api_key_base`.
    name: str
    #: The quote after it, escapes included, or "".
    quote: str
    sep: str
    start: int
    #: Just after the separator.
    end: int


def quoted(text: str, start: int, end: int, named: Named, mark: Marks) -> Found | None:
    """Return the secret that a quoted value is."""
    family, value = named.family, text[start:end]
    if len(value) < 400 and (
        _harmless(value, family) or judge.prose(value) or (not family.plain and judge.sentence(value))
    ):
        return None
    if family.name == "authorization":
        return _credentials(text, start, end, named, mark)
    if (
        named.sep[:1] == ","
        and value.islower()
        and "_" in value
        and judge.identifier(value)
        and not judge.random(value)
    ):
        return None  # names in a tuple
    if value[:1] == "{" and value[-1:] == "}" and text[start - 2 : start - 1] in {"f", "F"}:
        return None  # an f-string of nothing but a variable
    return None if is_mark(value) else Found(start, end, family.name, mark(family.name, value))


def bare(text: str, start: int, named: Named, mark: Marks, space: str) -> Found | None:
    """Return the secret that an unquoted value is; `space` stood before it."""
    family = named.family
    if text[start : start + 1] in {"{", "("}:
        return None
    if family.name == "authorization":
        end = len(text)
        if text[named.start - 1 : named.start] in {'"', "'"} and not named.quote:
            end, _ = end_of(text, start, 0, text[named.start - 1])
        return _credentials(text, start, end, named, mark)
    match = _BARE.match(text, start, start + _JUDGED)
    if not match:
        return None
    value = _trimmed(match[0])
    if value[:1] >= "\u2e80" or (_stated(named) and not _chosen(value, family)):
        return None  # 密码：必填
    if _harmless(value, family) or _is_code(text, match, value, named, space):
        return None
    if match.end() == start + _JUDGED and (whole := _BARE.match(text, start)):
        value = _trimmed(whole[0])
    shown = mark(family.name, value)
    if named.quote and named.sep == ":":
        shown = f"{named.quote}{shown}{named.quote}"  # a number in JSON; the mark is a string
    return Found(start, start + len(value), family.name, shown)


def lone(text: str, found: Found) -> bool:
    """Return whether a value that stands on a line of its own looks generated, and is no other name."""
    return judge.generated(text[found.start : found.end]) and text[found.end : found.end + 1] not in {":", "="}


def _stated(named: Named) -> bool:
    """Return whether a name and its value are joined by "is", or by a mere space after a name in Chinese."""
    if named.sep[0] in "为是為は" or named.sep.endswith(("u4e3a", "u662f")):
        return True
    return named.sep.isspace() and not named.name.isascii()


def _chosen(value: str, family: Family) -> bool:
    """Return whether what follows "is" is a secret rather than what is said about it."""
    return judge.mixed(value) or (family.numbers and value.isdecimal() and len(value) > 3)


def _harmless(value: str, family: Family) -> bool:
    return judge.harmless(value) or (not family.numbers and len(value) < 16 and judge.number(value))


def _trimmed(value: str) -> str:
    return value.rstrip(_TRAILING if value[:1] != "<" else ",;:.")


def _is_code(text: str, match: re.Match[str], value: str, named: Named, space: str) -> bool:
    if judge.code(value):
        return True
    if space and named.sep == "=" and (_ASSIGNMENT.match(value) or value.startswith("HTTP/")):
        return True  # the value is empty: `A_PASSWORD= B=1`, `?token= HTTP/1.1`
    if space and named.sep == ":" and (other := _ASSIGNMENT.match(value)) and _NAME.search(other[0]):
        return True  # another name, with a value of its own
    if value[:1] in {"/", "~"} and named.name.lower() == "pwd":
        return True  # a directory
    tested = judge.number(value) or (space and judge.identifier(value))
    if tested and named.name.lower() == "pass" and not _joined(text, named):
        return not value.isdigit() or len(value) < 6  # a test's result
    if judge.letters(value):
        after = text[match.end() : match.end() + 2]
        if named.sep in {":", "："} and space and not named.family.numbers and _NEXT_WORD.match(after):
            return True  # prose: "token: signature has expired"
        if not named.family.plain and named.sep != "=" and value.islower() and len(value) < 16:
            return True
    if not judge.identifier(value):
        return False
    name = named.name.lower()
    if value.lower() == name or (value.islower() and "_" in value and value.endswith(name) and not named.quote):
        return True  # password=password, api_key=openai_api_key
    return not any(map(str.isdigit, value)) and judge.source_line(text, match.start())


def _joined(text: str, named: Named) -> bool:
    """Return whether a word stands before the name's core: `db_pass`, `dbPass`."""
    before = text[max(named.start - 1, 0) : named.start]
    return before in {"_", "-", "."} or before.islower()


def _credentials(text: str, start: int, end: int, named: Named, mark: Marks) -> Found | None:
    """Read an Authorization header's value: the scheme stays, what follows goes."""
    scheme = _SCHEME.match(text, start, end)
    word = scheme[1].lower() if scheme else ""
    if scheme and (word in _LISTS or "hmac" in word) and "=" in text[scheme.end() : min(end, scheme.end() + 60)]:
        rest = (_PARAMETERS_IN_JSON if is_json(text) else _PARAMETERS).match(text, scheme.end(), end)
        if rest:
            return _kept(scheme.end(), rest[0], named, mark)
    if scheme and (word in _SIMPLE or word not in judge.WORDS):
        match = _BARE.match(text, scheme.end(), end)
        value = _trimmed(match[0]) if match else ""
        if is_mark(value):
            return None
        if word in _SIMPLE or judge.random(value):
            return _kept(scheme.end(), value, named, mark)
    match = _BARE.match(text, start, end)
    value = _trimmed(match[0]) if match else ""
    return None if scheme and judge.letters(value) else _kept(start, value, named, mark)


def _kept(start: int, value: str, named: Named, mark: Marks) -> Found | None:
    if judge.harmless(value) or judge.code(value):
        return None
    return Found(start, start + len(value), named.family.name, mark(named.family.name, value))
