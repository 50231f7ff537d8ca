"""Texts that make a regular expression try again and again, made from the expression itself."""

from collections.abc import Iterator, Sequence
from re import _constants as ops
from re import _parser as parser

#: Characters that a set is tried with; one of each kind that patterns tell apart.
_TRIED = "a0A _-.:/\\\"'=,;|[](){}<>@%&#*+?!~$\n\té密"
#: A repeat of fewer is no repeat.
_MANY = 8
#: What hardly any pattern goes on with, so that it has to try all else first.
SUFFIXES = ("", "\0!\n")
_CATEGORIES = {
    ops.CATEGORY_DIGIT: str.isdigit,
    ops.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    ops.CATEGORY_SPACE: str.isspace,
    ops.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    ops.CATEGORY_WORD: lambda char: char.isascii() and (char.isalnum() or char == "_"),
    ops.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}
_REPEATS = {ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT}


def attacks(pattern: str, flags: int = 0, limit: int = 60) -> list[tuple[str, str]]:
    """
    Return pairs of a beginning and what is repeated after it.

    Each repeat of the pattern is reached by a text that matches what stands
    before it, and pumped with what its body matches; and each beginning of the
    pattern is repeated as a whole.
    """
    found = dict.fromkeys(_walk(parser.parse(pattern, flags), ""))
    return list(found)[:limit]


def _walk(items: Sequence, before: str) -> Iterator[tuple[str, str]]:
    prefix = before
    for op, value in items:
        if op in _REPEATS:
            _, most, body = value
            if most is ops.MAXREPEAT or most >= _MANY:
                for pump in _variants(body):
                    if pump:
                        yield prefix, pump
            yield from _walk(body, prefix)
        elif op is ops.SUBPATTERN:
            yield from _walk(value[-1], prefix)
        elif op is ops.ATOMIC_GROUP:
            yield from _walk(value, prefix)
        elif op in {ops.ASSERT, ops.ASSERT_NOT}:
            yield from _walk(value[1], prefix)
        elif op is ops.BRANCH:
            for branch in value[1]:
                yield from _walk(branch, prefix)
        prefix += _witness([(op, value)])
        if len(prefix) > 1:
            yield "", prefix


def _variants(body: Sequence) -> list[str]:
    """Return texts that a repeat's body matches: each character of a set, each branch, its shortest and longest."""
    if len(body) == 1:
        op, value = body[0]
        if op is ops.IN:
            return [char for char in _TRIED if _in(value, char)][:12] or [_witness(body)]
        if op is ops.ANY:
            return ["a", " ", "0", '"', "\\", "="]
        if op is ops.NOT_LITERAL:
            return [char for char in 'a 0"\\=' if ord(char) != value]
        if op is ops.BRANCH:
            return [text for branch in value[1] for text in _variants(branch)][:16]
        if op is ops.SUBPATTERN:
            return _variants(value[-1])
    shortest, longest = _witness(body), _witness(body, more=2)
    return [shortest, longest] if longest != shortest else [shortest]


def _in(items: Sequence, char: str) -> bool:
    negated = bool(items) and items[0][0] is ops.NEGATE
    for op, value in items:
        if (
            (op is ops.LITERAL and ord(char) == value)
            or (op is ops.RANGE and value[0] <= ord(char) <= value[1])
            or (op is ops.CATEGORY and _CATEGORIES[value](char))
        ):
            return not negated
    return negated


def _witness(items: Sequence, more: int = 0) -> str:
    """Return a text that a part of a pattern matches, lookarounds aside."""
    text = ""
    for op, value in items:
        if op is ops.LITERAL:
            text += chr(value)
        elif op is ops.IN:
            text += next((char for char in _TRIED if _in(value, char)), _first(value))
        elif op is ops.ANY:
            text += "a"
        elif op is ops.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif op is ops.CATEGORY:
            text += next(char for char in _TRIED if _CATEGORIES[value](char))
        elif op in _REPEATS:
            least, most, body = value
            text += _witness(body, more) * min(max(least, more, 1 if most else 0), 80)
        elif op is ops.SUBPATTERN:
            text += _witness(value[-1], more)
        elif op is ops.ATOMIC_GROUP:
            text += _witness(value, more)
        elif op is ops.BRANCH:
            text += _witness(value[1][0], more)
    return text


def _first(items: Sequence) -> str:
    for op, value in items:
        if op is ops.LITERAL:
            return chr(value)
        if op is ops.RANGE:
            return chr(value[0])
    return "a"
