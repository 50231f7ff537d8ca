"""
Secrets in SQL that stand where only a column's place names them.

`INSERT INTO t (id, token) VALUES (1, '…')`, SQLAlchemy's `[parameters: ('…',)]`,
PostgreSQL's `parameters: $1 = '…'`, `Key (token)=(…)` and `Failing row contains (…)`
(https://www.postgresql.org/docs/current/runtime-config-logging.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from logship.pipeline.redaction import judge
from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.quotes import end_of
from logship.pipeline.redaction.rules import Family
from logship.pipeline.redaction.values import Found

_S = r"(?:\s|\\{1,7}[nrt])"
_INSERT = re.compile(
    rf"(?i:\binto{_S}{{1,8}})[^\s(]{{1,120}}{_S}{{0,8}}\(([^()]{{1,4000}})\){_S}{{0,8}}(?i:values?){_S}{{0,8}}(?=\()",
    re.ASCII,
)
#: `token IN ('…')`, `token LIKE '…'`, `token <> '…'`.
_COMPARED = re.compile(
    rf"([A-Za-z_]\w{{0,60}})(?:\\{{0,7}}[\"`])?{_S}{{1,4}}(?i:not{_S}{{1,4}})?(?:(?i:in){_S}{{0,4}}(?=\()|(?:(?i:i?like)|<>|!=){_S}{{0,4}}(?=\\{{0,7}}'))",
    re.ASCII,
)
_BOUND = re.compile(rf"([A-Za-z_]\w{{0,60}})(?:\\{{0,7}}[\"`])?{_S}{{0,4}}=[ \t]{{0,4}}\$(\d{{1,3}})", re.ASCII)
_PLACED = re.compile(
    rf"([A-Za-z_]\w{{0,60}})(?:\\{{0,7}}[\"`])?{_S}{{0,4}}(?:=|<>|!=)[ \t]{{0,4}}(?:\?|%s)|\?|%s", re.ASCII
)
_PARAMETERS = re.compile(r"\[parameters: (?=\(|\[\()")
_NUMBERED = re.compile(r"(?i:parameters: )(?=\$\d)")
_NUMBER = re.compile(r"(?:, )?\$(\d{1,3}) = ")
_KEY = re.compile(r"\bKey \(([^()]{1,400})\)=\(([^\n]{1,500}?)\)(?= (?:already|is |conflicts|is not)|\.|\"|$)")
_ROW = re.compile(r"\bFailing row contains (?=\()")
_QUOTE = re.compile(r"(?:[bBEeNn])?(\\{0,15})(['\"])")
_BARE = re.compile(r"(?:[^,()'\"\\]|\([^()'\"]{0,200}\)|\\(?=[nrt])){0,400}")
_NEXT = re.compile(rf"{_S}{{0,8}}([,)])")
_MORE = re.compile(rf"{_S}{{0,8}},{_S}{{0,8}}(?=\()")
_SPACE = re.compile(rf"{_S}{{0,8}}")

Value = tuple[int, int]


class SqlSecrets:
    """Finds the values of columns whose name says secret."""

    def __init__(self, family: Callable[[str], Family | None]) -> None:
        self._family = family

    def find(self, text: str, mark: Marks) -> Iterator[Found]:
        """Yield the secrets of a text's statements, in order."""
        found = {start: (end, family) for start, end, family in self._values(text)}
        position = 0
        for start in sorted(found):
            end, family = found[start]
            value = text[start:end]
            if start < position or _harmless(value, family):
                continue
            position = end
            yield Found(start, end, family.name, mark(family.name, value))

    def _values(self, text: str) -> Iterator[tuple[int, int, Family]]:
        numbered: dict[int, Family] = {}
        placed: list[Family | None] = []
        position = 0
        while match := _INSERT.search(text, position):
            families = [self._column(name) for name in match[1].split(",")]
            position = match.end()
            for values, end in _tuples(text, match.end()):
                position = end
                for (start, end), family in zip(values, families, strict=False):
                    value = text[start:end].strip()
                    if value in {"?", "%s"}:
                        placed.append(family)
                    elif family and value[:1] == "$" and value[1:].isdecimal():
                        numbered[int(value[1:])] = family
                    elif family:
                        yield start, end, family
        for match in _COMPARED.finditer(text):
            if family := self._family(match[1]):
                for values, _ in _tuples(text, match.end()) if text[match.end()] == "(" else _single(text, match.end()):
                    yield from ((start, end, family) for start, end in values)
        yield from self._parameters(text, numbered, placed)
        yield from self._details(text)

    def _parameters(
        self, text: str, numbered: dict[int, Family], placed: list[Family | None]
    ) -> Iterator[tuple[int, int, Family]]:
        if match := _NUMBERED.search(text):
            for bound in _BOUND.finditer(text, 0, match.start()):
                if family := self._family(bound[1]):
                    numbered[int(bound[2])] = family
            position = match.end()
            while number := _NUMBER.match(text, position):
                (start, end), position = _value(text, number.end())
                if family := numbered.get(int(number[1])):
                    yield start, end, family
        if match := _PARAMETERS.search(text):
            begin = text.rfind("[SQL: ", 0, match.start())
            if not placed:
                statement = _PLACED.finditer(text, max(begin, 0), match.start())
                placed = [self._family(one[1]) if one[1] else None for one in statement]
            position = match.end() + (text[match.end()] == "[")
            for values, _ in _tuples(text, position):
                for (start, end), found in zip(values, placed, strict=False):
                    if found:
                        yield start, end, found

    def _details(self, text: str) -> Iterator[tuple[int, int, Family]]:
        for match in _KEY.finditer(text):
            families = [self._column(name) for name in match[1].split(",")]
            parts = match[2].split(", ") if len(families) > 1 else [match[2]]
            position = match.start(2)
            for part, family in zip(parts, families, strict=False):
                if family:
                    yield position, position + len(part), family
                position += len(part) + 2
        for match in _ROW.finditer(text):
            position = match.end() + 1
            for part in text[position : position + 4000].split(", "):
                value = part.partition(")")[0]
                if judge.generated(value):
                    yield position, position + len(value), _ROW_FAMILY
                if value != part:
                    break
                position += len(part) + 2

    def _column(self, name: str) -> Family | None:
        return self._family(name.strip(" \t\r\n\"`'[]\\"))


_ROW_FAMILY = Family(name="row", words=["row"])


def _harmless(value: str, family: Family) -> bool:
    return is_mark(value) or judge.harmless(value) or (not family.numbers and judge.number(value))


def _value(text: str, start: int) -> tuple[Value, int]:
    """Return where a value lies, without its quotes, and where it ends with them."""
    quote = _QUOTE.match(text, start)
    if not quote:
        bare = _BARE.match(text, start)
        end = bare.end() if bare else start
        return (start, end), end
    depth = len(quote[1])
    position = begin = quote.end()
    while True:
        end, closed = end_of(text, position, depth, quote[2])
        position = end + (depth + 1 if closed else 0)
        if not closed or text[position : position + 1] != quote[2] or depth:
            return (begin, end), position
        position += 1  # a doubled quote belongs to the value


def _single(text: str, start: int) -> Iterator[tuple[list[Value], int]]:
    value, end = _value(text, start)
    yield [value], end


def _tuples(text: str, start: int) -> Iterator[tuple[list[Value], int]]:
    """Yield the values of each `(…)` of a list, and where it ends."""
    position = start
    while text[position : position + 1] == "(":
        position += 1
        values: list[Value] = []
        while True:
            space = _SPACE.match(text, position)
            value, position = _value(text, space.end() if space else position)
            values.append(value)
            following = _NEXT.match(text, position)
            if not following:
                yield values, position
                return
            position = following.end()
            if following[1] == ")":
                break
        yield values, position
        more = _MORE.match(text, position)
        if not more:
            return
        position = more.end()
