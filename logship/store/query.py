"""
Lucene query-string syntax, translated to SQL.

The meaning is that of Elasticsearch's `query_string` with `default_operator: AND` and `default_field: message`; one
table of cases (`tests/data/queries.yaml`) holds both to it. As there, operators have no precedence: each makes the
clauses beside it required or optional, so `a OR b AND c` requires b and c. Parentheses say what is meant.

Values travel as bound parameters, never as text of the SQL.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import InvalidOperation
from typing import Any

from luqum import tree
from luqum.exceptions import ParseError
from luqum.parser import parser

from logship.errors import QueryError
from logship.store.conditions import Conditions, Term

Tokenize = Callable[[str], list[str]]

_OPERATIONS = (tree.UnknownOperation, tree.AndOperation, tree.OrOperation)
_GROUPS = (tree.Group, tree.FieldGroup)
#: Apostrophes and exclamation marks, and what may hold them as mere text.
_SIGNS = re.compile(r"""(?s)\\.|"(?:[^"\\]|\\.)*"|(?<![^\s:(+-])/(?:[^/\\]|\\.)*/|'|!""")
#: A boost or a distance that is no number, or of words no whole one.
_NO_NUMBER = re.compile(r"[\^~](?:\.(?!\d)|\d*\.\d*\.)|(?<=\")~\d*\.")
_PARSING = threading.Lock()  # the generated parser keeps its state in itself


@dataclass(frozen=True, slots=True)
class Translated:
    """A condition over the columns of a segment."""

    sql: str
    parameters: dict[str, Any]


@dataclass(slots=True)
class _Clause:
    #: None for a clause that says nothing (a text without a word in it): it is dropped.
    sql: str | None
    required: bool
    prohibited: bool


def translate(query: str, tokenize: Tokenize, now: datetime | None = None) -> Translated:
    """
    Return the SQL condition for a query; an empty query matches everything.

    `tokenize` splits a text into lower-case words. Raises QueryError, whose message points at the place.
    """
    if not query.strip():
        return Translated("true", {})
    conditions = Conditions(tokenize, now or datetime.now(UTC))
    try:
        sql = _Translator(query, conditions).top(_parse(query))
    except RecursionError:
        raise pointed(query, 0, "the query is nested too deeply") from None
    used = set(re.findall(r"\$(p\d+)\b", sql))  # an optional clause beside a required one is left out
    return Translated(sql, {name: value for name, value in conditions.parameters.items() if name in used})


def pointed(query: str, position: int, reason: str) -> QueryError:
    """Return the error for a place in a query, with a line that points at it."""
    shown = re.sub(r"\s", " ", query)
    before = shown[:position]
    width = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in before)
    return QueryError(f"{reason}\n  {shown}\n  {' ' * width}^")


def _parse(query: str) -> tree.Item:
    prepared, origins = _prepare(query)
    try:
        with _PARSING:
            parsed: tree.Item = parser.parse(prepared)
    except ParseError as error:
        found = re.search(r"at position (\d+)!?$", str(error))
        position = origins[int(found[1])] if found else len(query)
        raise pointed(query, position, _reason(str(error), query, position)) from None
    except (InvalidOperation, ValueError):
        found = _NO_NUMBER.search(query)
        position = found.start() if found else 0
        raise pointed(query, position, "what follows ^ or ~ must be a number, a whole one after a phrase") from None
    _place(parsed, origins)
    return parsed


def _prepare(query: str) -> tuple[str, list[int]]:
    """
    Write a query as the library reads it; return it with the original position of each character.

    The library lets no word begin with an apostrophe, and takes `!` for a letter; Lucene does neither.
    """
    prepared, origins, done = "", [], 0
    for match in _SIGNS.finditer(query):
        text = {"'": "\\'", "!": " ! "}.get(match[0])
        if text is not None:
            prepared += query[done : match.start()] + text
            origins += [*range(done, match.start()), *[match.start()] * len(text)]
            done = match.end()
    return prepared + query[done:], [*origins, *range(done, len(query) + 1)]


def _reason(text: str, query: str, position: int) -> str:
    if position >= len(query.rstrip()):
        return "the query ends too early: an operator or a bracket lacks its partner"
    sign = query[position]
    if text.startswith("Illegal") and sign in '"/':
        return f"{sign} lacks its partner; write \\{sign} for the sign itself"
    return f"unexpected {query[position:].split()[0]!r}"


def _place(node: tree.Item, origins: list[int]) -> None:
    """Give the nodes their positions in the query as it was written."""
    if node.pos is not None:
        node.pos = origins[node.pos]
    for child in node.children:
        _place(child, origins)


@dataclass
class _Translator:
    query: str
    conditions: Conditions

    def top(self, node: tree.Item) -> str:
        return self.boolean(node, "message") or "false"

    def error(self, node: tree.Item, reason: str) -> QueryError:
        return pointed(self.query, node.pos or 0, reason)

    def boolean(self, node: tree.Item, name: str) -> str | None:
        """Combine the clauses of one level as Lucene's classic parser does with AND as the default."""
        clauses: list[_Clause] = []
        conjunction, negate = "", False
        for operator, item in _flatten(node):
            conjunction = operator or conjunction
            if isinstance(item, tree.Word) and item.value in ("&&", "||", "!"):
                conjunction = {"&&": "AND", "||": "OR"}.get(item.value, conjunction)
                negate |= item.value == "!"
                continue
            if conjunction and clauses and not clauses[-1].prohibited:
                clauses[-1].required = conjunction == "AND"
            item, prohibited = _modifiers(item)
            prohibited |= negate
            sql = self.clause(item, name)
            clauses.append(_Clause(sql, not prohibited and conjunction != "OR", prohibited))
            conjunction, negate = "", False
        if conjunction or negate:
            raise pointed(self.query, len(self.query), "the query ends with an operator")
        return _combine([clause for clause in clauses if clause.sql is not None])

    def clause(self, node: tree.Item, name: str) -> str | None:
        """Translate what stands between operators."""
        if isinstance(node, tree.Boost):
            if str(node).endswith("^"):
                raise self.error(node, "^ takes a number; write \\^ for the sign itself")
            return self.clause(node.expr, name)
        if isinstance(node, _GROUPS):
            return self.boolean(node.expr, name)
        if isinstance(node, _OPERATIONS):
            return self.boolean(node, name)
        if isinstance(node, tree.SearchField):
            return self.field(node)
        if isinstance(node, tree.Word) and node.value in ("&&", "||", "!"):
            raise self.error(node, f"unexpected {node.value!r}")
        try:
            return self.conditions.leaf(name, _term(node))
        except ValueError as error:
            raise self.error(node, str(error)) from None

    def field(self, node: tree.SearchField) -> str | None:
        """Return the condition of `name:…`, of `_exists_:name`, or of `*:*`; raises what has no meaning."""
        name = re.sub(r"\\(.)", r"\1", node.name)
        if name == "*" and isinstance(node.expr, tree.Word) and node.expr.value == "*":
            return "true"
        if "*" in name or "?" in name:
            raise self.error(node, "field names cannot hold wildcards here; name the field")
        if name == "_exists_":
            if not isinstance(node.expr, (tree.Word, tree.Phrase)):
                raise self.error(node.expr, "_exists_ takes the name of a field")
            try:
                return self.conditions.exists(_term(node.expr).text)
            except ValueError as error:
                raise self.error(node.expr, str(error)) from None
        if isinstance(node.expr, (tree.Prohibit, tree.Plus, tree.Not)):
            raise self.error(
                node.expr, "put the sign before the field, or a backslash before it to mean the sign itself"
            )
        return self.clause(node.expr, name)


def _combine(clauses: list[_Clause]) -> str | None:
    if not clauses:
        return None
    required = [str(clause.sql) for clause in clauses if clause.required]
    optional = [str(clause.sql) for clause in clauses if not clause.required and not clause.prohibited]
    parts = required or (["(" + " OR ".join(optional) + ")"] if optional else [])
    parts += [f"NOT {clause.sql}" for clause in clauses if clause.prohibited]
    return "(" + " AND ".join(parts) + ")"


def _flatten(node: tree.Item, operator: str = "") -> list[tuple[str, tree.Item]]:
    """Return a level's clauses in the order they were written, each with the operator before it."""
    if not isinstance(node, _OPERATIONS):
        return [(operator, node)]
    own = {tree.AndOperation: "AND", tree.OrOperation: "OR"}.get(type(node), "")
    found = _flatten(node.children[0], operator)
    for child in node.children[1:]:
        found += _flatten(child, own)
    return found


def _modifiers(node: tree.Item) -> tuple[tree.Item, bool]:
    """Take `+`, `-` and `NOT` off a clause: (the rest, prohibited). A plus changes nothing where AND is the default."""
    if isinstance(node, (tree.Prohibit, tree.Not)):
        return node.a, True
    return (node.a, False) if isinstance(node, tree.Plus) else (node, False)


def _term(node: tree.Item) -> Term:
    """Return a leaf of the library's tree in our own terms."""
    if isinstance(node, tree.Word):
        return Term.word(node.value)
    if isinstance(node, tree.Phrase):
        return Term.phrase(node.value[1:-1])
    if isinstance(node, tree.Regex):
        return Term.regex(node.value[1:-1])
    if isinstance(node, tree.Fuzzy):
        edits = None if str(node).endswith("~") else int(node.degree)
        return Term.fuzzy(node.term.value, edits)
    if isinstance(node, tree.Range):
        return Term.range(_bound(node.low), _bound(node.high), node.include_low, node.include_high)
    if isinstance(node, tree.From):
        return Term.range(_bound(node.a), None, node.include, True)
    if isinstance(node, tree.To):
        return Term.range(None, _bound(node.a), True, node.include)
    if isinstance(node, tree.Proximity):
        raise ValueError('words near each other ("a b"~3) are not supported; use AND, or a phrase')
    raise ValueError(f"not supported here: {node}")


def _bound(node: tree.Item) -> str | None:
    if isinstance(node, tree.Prohibit):
        return "-" + str(_bound(node.a))
    if isinstance(node, tree.Phrase):
        return Term.phrase(node.value[1:-1]).text
    return None if node.value == "*" else Term.word(node.value).text
