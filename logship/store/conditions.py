"""One field and one term become one SQL condition, by the field's type; it is true or false, never NULL."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Literal, Self

from logship.store import patterns
from logship.store.dates import interval
from logship.store.fields import BY_FIELD, FLATTENED, Kind, json_key, json_path, kind_of

_CASTS = {
    Kind.LONG: "TRY_CAST({} AS BIGINT)",
    Kind.DOUBLE: "TRY_CAST({} AS DOUBLE)",
    Kind.DATE: "TRY_CAST({} AS TIMESTAMPTZ)",
    Kind.IP: "ip_key({})",
}
_LONG = 1 << 63
_MARK = "\x01"


@dataclass(frozen=True, slots=True)
class Term:
    """A leaf of a query, before anything is known of the field."""

    form: Literal["word", "phrase", "regex", "fuzzy", "range"]
    #: Without backslashes (of a regular expression: as it was written).
    text: str = ""
    #: Literals and wildcards of a word: (is a wildcard, text).
    parts: tuple[tuple[bool, str], ...] = ()
    edits: int | None = None
    #: None: open.
    low: str | None = None
    high: str | None = None
    include_low: bool = True
    include_high: bool = True

    @classmethod
    def word(cls, raw: str) -> Self:
        """Return a bare word, given with its backslashes."""
        return cls("word", patterns.unescape(raw), tuple(patterns.wildcard_parts(raw)))

    @classmethod
    def phrase(cls, raw: str) -> Self:
        """Return what stood between quotation marks."""
        return cls("phrase", patterns.unescape(raw))

    @classmethod
    def regex(cls, raw: str) -> Self:
        """Return what stood between slashes."""
        return cls("regex", raw.replace("\\/", "/"))

    @classmethod
    def fuzzy(cls, raw: str, edits: int | None) -> Self:
        """Return a word that may be written differently, by so many letters (None: by its length)."""
        return cls("fuzzy", patterns.unescape(raw), edits=edits)

    @classmethod
    def range(cls, low: str | None, high: str | None, include_low: bool, include_high: bool) -> Self:
        """Return an interval."""
        return cls("range", low=low, high=high, include_low=include_low, include_high=include_high)

    @property
    def wild(self) -> bool:
        """Whether a word holds wildcards."""
        return any(is_wild for is_wild, _ in self.parts)


@dataclass
class Conditions:
    """Builds conditions and collects the parameters they refer to."""

    tokenize: Callable[[str], list[str]]
    now: datetime
    parameters: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: object) -> str:
        """Return the placeholder of a value."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return "$" + name

    def exists(self, name: str) -> str:
        """Return the condition that a document has any value in a field, or any field below it."""
        if name in BY_FIELD:
            return f'("{BY_FIELD[name].name}" IS NOT NULL)'
        return "(" + " OR ".join(f"has_value(document, {self.bind(path)})" for path in _paths(name)) + ")"

    def leaf(self, name: str, term: Term) -> str | None:
        """
        Return the condition that a field has a value that meets a term; None when the term says nothing.

        Raises ValueError when the field's type cannot be compared so.
        """
        if (term.form == "word" and term.text == "*" and term.wild) or (
            term.form == "range" and term.low is None and term.high is None
        ):
            return self.exists(name)
        kind = kind_of(name)
        if kind is Kind.TEXT:
            return self._text(name, term)
        if kind is Kind.KEYWORD:
            return self._any(name, self._keyword(term))
        if term.form in ("regex", "fuzzy") or term.wild:
            raise ValueError(f"{name} holds {_NAMES[kind]}: give a value or a range, not a pattern")
        compare = {Kind.LONG: self._number, Kind.DOUBLE: self._number, Kind.DATE: self._date, Kind.IP: self._ip}[kind]
        lower, upper, upper_open = compare(name, term, kind)
        if lower is not None and upper is not None and lower > upper:
            return "false"
        low = None if lower is None else self.bind(lower)
        high = None if upper is None else self.bind(upper)
        cast = "::TIMESTAMPTZ" if kind is Kind.DATE else ""
        sides = [f"{{x}} >= {low}{cast}"] if low else []
        sides += [f"{{x}} {'<' if upper_open else '<='} {high}{cast}"] if high else []
        both = " AND ".join(sides)
        return self._any(name, lambda x: both.replace("{x}", x), kind)

    def _any(self, name: str, condition: Callable[[str], str], kind: Kind = Kind.KEYWORD) -> str:
        """Apply a condition to the column of a field, or to each value there is in the document."""
        column = BY_FIELD.get(name)
        if column is not None:
            value = f'"{column.name}"'
            typed = value if column.sql_type != "VARCHAR" else _CASTS.get(kind, "{}").format(value)
            return f"coalesce({condition(typed)}, false)"
        values = [f"field_values(document, {self.bind(path)})" for path in _paths(name)]
        found = values[0] if len(values) == 1 else f"list_concat({', '.join(values)})"
        typed = _CASTS.get(kind, "{}").format("x")
        return f"coalesce(list_bool_or(list_transform({found}, lambda x: {condition(typed)})), false)"

    def _keyword(self, term: Term) -> Callable[[str], str]:
        if term.form == "range":
            sides = []
            if term.low is not None:
                sides.append(f"{{x}} {'>=' if term.include_low else '>'} {self.bind(term.low)}")
            if term.high is not None:
                sides.append(f"{{x}} {'<=' if term.include_high else '<'} {self.bind(term.high)}")
            both = "(" + " AND ".join(sides) + ")"
            return lambda x: both.replace("{x}", x)
        if term.form == "regex":
            pattern = self.bind(patterns.regex(term.text))
            return lambda x: f"regexp_full_match({x}, {pattern}, 's')"
        if term.form == "fuzzy":
            wanted, edits = self.bind(term.text), self.bind(_edits(term))
            return lambda x: f"damerau_levenshtein({x}, {wanted}) <= {edits}"
        if term.wild:
            pattern = self.bind(patterns.like(term.parts))
            return lambda x: f"{x} LIKE {pattern} ESCAPE '\\'"
        wanted = self.bind(term.text)
        return lambda x: f"{x} = {wanted}"

    def _text(self, name: str, term: Term) -> str | None:
        if term.form in ("word", "phrase") and not term.wild:
            words = self.tokenize(term.text)
            if not words:
                return None
            if term.form == "phrase" and len(words) > 1:
                whole = f"contains(marked({{x}}), {self.bind(f'{_MARK}{_MARK.join(words)}{_MARK}')})"
            else:
                whole = f"list_has_all(words({{x}}), {self.bind(words)})"
            return self._any(name, self._sifted(words, whole))
        literals: list[str] = []
        if term.form == "range":
            lowered = Term.range(
                term.low and term.low.lower(), term.high and term.high.lower(), term.include_low, term.include_high
            )
            word = self._keyword(lowered)
        elif term.form == "regex":
            word = self._keyword(Term("regex", term.text))
        elif term.form == "fuzzy":
            word = self._keyword(Term("fuzzy", term.text.lower(), edits=term.edits))
        else:
            parts = tuple((is_wild, text if is_wild else text.lower()) for is_wild, text in term.parts)
            literals = [text for is_wild, text in parts if not is_wild]
            word = self._keyword(Term("word", term.text, parts))
        each = f"list_bool_or(list_transform(words({{x}}), lambda w: {word('w')}))"
        return self._any(name, self._sifted(literals, each))

    def _sifted(self, literals: list[str], exact: str) -> Callable[[str], str]:
        """Look for the letters first: finding words costs fifty times as much."""
        if not literals:
            return lambda x: exact.replace("{x}", x)
        bound = [self.bind(literal) for literal in dict.fromkeys(literals)]

        def condition(x: str) -> str:
            sieve = " AND ".join(f"contains(lower({x}), {literal})" for literal in bound)
            return f"CASE WHEN {sieve} THEN {exact.replace('{x}', x)} ELSE false END"

        return condition

    def _number(self, name: str, term: Term, kind: Kind) -> tuple[Any, Any, bool]:
        if term.form != "range":
            value = _decimal(name, term.text)
            if kind is Kind.DOUBLE:
                return float(value), float(value), False
            whole = int(value)
            return (whole, whole, False) if value == whole and -_LONG <= whole < _LONG else (1, 0, False)
        low = None if term.low is None else _decimal(name, term.low)
        high = None if term.high is None else _decimal(name, term.high)
        if kind is Kind.DOUBLE:
            if not (term.include_low and term.include_high):
                raise ValueError(f"{name} holds numbers with a fraction: ranges on it include their ends")
            return (None if low is None else float(low)), (None if high is None else float(high)), False
        lower = upper = None
        if low is not None:
            whole = int(low.to_integral_value(ROUND_CEILING))
            lower = max(whole + (1 if whole == low and not term.include_low else 0), -_LONG)
        if high is not None:
            whole = int(high.to_integral_value(ROUND_FLOOR))
            upper = min(whole - (1 if whole == high and not term.include_high else 0), _LONG - 1)
        return lower, upper, False

    def _date(self, _: str, term: Term, __: Kind) -> tuple[Any, Any, bool]:
        if term.form != "range":
            low, high = interval(term.text, self.now)
            return low.isoformat(), high.isoformat(), True
        lower = upper = None
        if term.low is not None:
            lower = interval(term.low, self.now)[0 if term.include_low else 1].isoformat()
        if term.high is not None:
            upper = interval(term.high, self.now)[1 if term.include_high else 0].isoformat()
        return lower, upper, True

    def _ip(self, _: str, term: Term, __: Kind) -> tuple[Any, Any, bool]:
        if term.form != "range":
            network = ipaddress.ip_network(term.text, strict=False)
            return _ip_key(network[0]), _ip_key(network[-1]), False
        low = None if term.low is None else int(_ip_key(ipaddress.ip_address(term.low)), 16)
        high = None if term.high is None else int(_ip_key(ipaddress.ip_address(term.high)), 16)
        lower = None if low is None else f"{low + (0 if term.include_low else 1):032x}"
        upper = None if high is None else f"{high - (0 if term.include_high else 1):032x}"
        return lower, upper, False


_NAMES = {Kind.LONG: "whole numbers", Kind.DOUBLE: "numbers", Kind.DATE: "dates", Kind.IP: "addresses"}


def _paths(name: str) -> list[str]:
    """Return where a field may be in a document: below a flattened object a key may hold dots."""
    if "" in name.split("."):
        raise ValueError(f"{name!r} is no field name")
    dotted = [root for root in FLATTENED if name.startswith(root + ".") and "." in name[len(root) + 1 :]]
    return [json_path(name), *(json_path(root) + json_key(name[len(root) + 1 :]) for root in dotted)]


def _decimal(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) > 10**30:
        raise ValueError(f"{name} holds numbers, and {text} is none")
    return value


def _ip_key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    number = int(address) + (0xFFFF << 32 if address.version == 4 else 0)
    return f"{number:032x}"


def _edits(term: Term) -> int:
    if term.edits is None:
        return 0 if len(term.text) < 3 else 1 if len(term.text) < 6 else 2
    if term.edits > 2:
        raise ValueError("at most 2 letters may differ: ~1 or ~2")
    return term.edits
