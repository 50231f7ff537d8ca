"""
KQL and ES|QL as Elasticsearch's query DSL, as far as the questions use them.

KQL: parsed by `kibana-ql`; what a leaf becomes is what Kibana's own
`toElasticsearchQuery` makes of it. ES|QL: a parser of conditions, by the
reference's grammar; comparisons are those of keyword, number, date and ip.
"""

import re

from kibana_ql import KqlParser

TEXTS = {"message", "error.message"}
_KQL = KqlParser()


# KQL


def kql(text: str) -> dict:
    """Return the query for a KQL expression."""
    return _kql(_KQL.ast(_KQL.parse(text)))


def _kql(node: dict) -> dict:
    if node.get("op") == "not":
        return {"bool": {"must_not": [_kql(node["expr"])]}}
    if node.get("op") in {"and", "or"}:
        right = node["right"]
        parts = right.get("exprs", [right])
        clauses = [_kql(node["left"]), *[_kql(part) for part in parts]]
        return {"bool": {"filter" if node["op"] == "and" else "should": clauses}}
    (name,) = node["field"] if isinstance(node["field"], tuple) else (node["field"],)
    if "op" in node:
        bound = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[node["op"]]
        return {"range": {name: {bound: _word(node["value"])}}}
    return _values(name, node["value"])


def _values(name: str, value) -> dict:
    if isinstance(value, dict):
        if value["op"] == "not":
            return {"bool": {"must_not": [_values(name, value["expr"])]}}
        right = value["right"]
        parts = right["exprs"] if isinstance(right, dict) and "exprs" in right else [right]
        clauses = [_values(name, value["left"]), *[_values(name, part) for part in parts]]
        return {"bool": {"filter" if value["op"] == "and" else "should": clauses}}
    if isinstance(value, str):  # quoted
        return {"match_phrase": {name: value}}
    word = _word(value)
    if word == "*":
        return {"exists": {"field": name}}
    if "*" in word:
        return {"query_string": {"fields": [name], "query": re.sub(r'([+\-=&|!(){}\[\]^"~?:\\/])', r"\\\1", word)}}
    return {"match": {name: word}}


def _word(value) -> str:
    return value if isinstance(value, str) else " ".join(value)


# ES|QL

_TOKENS = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>\d+(?:\.\d+)?)|(?P<sign>==|!=|<=|>=|[<>(),])|(?P<name>@?[A-Za-z_][\w.]*))'
)
_BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
WORDS = {"AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL"}


class BadEsql(ValueError):
    """The text is no condition of ES|QL."""


class Esql:
    """A parser of one condition: `query` is its translation, `fields` the fields that it names."""

    def __init__(self, text: str) -> None:
        self.tokens, at = [], 0
        while at < len(text.rstrip()):
            match = _TOKENS.match(text, at)
            if not match:
                raise BadEsql(f"{text[at:]!r} is no token")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.fields: set[str] = set()
        self.query = self._or()
        if self.tokens:
            raise BadEsql(f"{self.tokens[0][1]!r} is too much")

    def _next(self, *wanted: str) -> str:
        if not self.tokens or (wanted and self.tokens[0][1] not in wanted and self.tokens[0][0] not in wanted):
            raise BadEsql(f"expected {wanted}, found {self.tokens[:1]}")
        return self.tokens.pop(0)[1]

    def _is(self, word: str) -> bool:
        if self.tokens and self.tokens[0][1] == word:
            self.tokens.pop(0)
            return True
        return False

    def _or(self) -> dict:
        clauses = [self._and()]
        while self._is("OR"):
            clauses.append(self._and())
        return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses}}

    def _and(self) -> dict:
        clauses = [self._not()]
        while self._is("AND"):
            clauses.append(self._not())
        return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}

    def _not(self) -> dict:
        if self._is("NOT"):
            return {"bool": {"must_not": [self._not()]}}
        if self._is("("):
            inner = self._or()
            self._next(")")
            return inner
        return self._comparison()

    def _comparison(self) -> dict:
        name = self._next("name")
        if name == "CIDR_MATCH":
            self._next("(")
            field = self._field(self._next("name"))
            self._next(",")
            block = self._value()
            self._next(")")
            return {"term": {field: block}}
        field = self._field(name)
        if self._is("IS"):
            absent = not self._is("NOT")
            self._next("NULL")
            exists = {"exists": {"field": field}}
            return {"bool": {"must_not": [exists]}} if absent else exists
        if self._is("IN"):
            self._next("(")
            values = [self._value()]
            while self._is(","):
                values.append(self._value())
            self._next(")")
            return {"terms": {field: values}}
        if self._is("LIKE"):
            value = self._value()
            if field in TEXTS:  # LIKE looks at the whole text, the index at its words
                return {"match_phrase": {field: value.strip("*")}}
            return {"wildcard": {field: value}}
        sign = self._next("==", "!=", *_BOUNDS)
        value = self._value()
        if sign in _BOUNDS:
            return {"range": {field: {_BOUNDS[sign]: value}}}
        equal = {"term": {field: value}}
        return equal if sign == "==" else {"bool": {"must_not": [equal]}}

    def _field(self, name: str) -> str:
        if name in WORDS:
            raise BadEsql(f"{name} is no field")
        self.fields.add(name)
        return name

    def _value(self):
        value = self._next("text", "number")
        return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else int(value)
