"""
What the fields of a form do not take of an event: it must be in the document all the same.

A regular expression is looked at once, when it is compiled: text that it takes
outside its groups would be in no field. Of a JSON object the members that are
no field are kept together. Where a value does not fit its field, or two want
the same one, the document keeps the whole event.
"""

from __future__ import annotations

import json
import re
import re._parser as sre  # type: ignore[import-not-found]  # not in typeshed: what re.compile itself parses with
from collections.abc import Callable, Iterable, Mapping, Sequence
from re import _constants as code  # type: ignore[attr-defined]  # as above
from typing import Any

from logship.pipeline.columns import Column
from logship.pipeline.columns import texts as encoded_texts

#: Letters that are the choice of a few (`[TZ]`), and digits that are no more than those of a fraction.
_FEW_LETTERS = 4
_FEW_DIGITS = 6
_SHAPES = 4096
_NESTED = frozenset({dict, list})
_WORDS = frozenset({code.CATEGORY_WORD, code.CATEGORY_NOT_DIGIT, code.CATEGORY_NOT_SPACE})
#: Gets a part of a JSON object.
Get = Callable[[dict[str, Any]], object]
#: Name of a member to what is taken of it; None: all of it.
_Tree = dict[str, Any]


def leaves_out(pattern: str, groups: Iterable[str]) -> bool:
    """Return whether a pattern takes words or long numbers that are in none of the groups."""
    parsed = sre.parse(pattern)
    kept = {number for name, number in parsed.state.groupdict.items() if name in groups}
    return _free(parsed, kept, 1)


def takes_all(pattern: str) -> bool:
    """Return whether a pattern that matches takes all of a text."""
    return _ends(sre.parse(pattern), dotall=False)


def _ends(parts: Sequence[tuple[Any, Any]], *, dotall: bool) -> bool:
    if not len(parts):
        return False
    kind, value = parts[-1]
    if kind is code.SUBPATTERN:
        return _ends(value[3], dotall=dotall or bool(value[1] & re.DOTALL))
    if kind is code.BRANCH:
        return all(_ends(branch, dotall=dotall) for branch in value[1])
    if kind in {code.MAX_REPEAT, code.POSSESSIVE_REPEAT}:
        return dotall and value[1] is code.MAXREPEAT and value[2][0][0] is code.ANY
    return kind is code.AT and value in {code.AT_END, code.AT_END_STRING}


def _free(parts: Iterable[tuple[Any, Any]], kept: set[int], times: int) -> bool:
    return any(_is_free(kind, value, kept, times) for kind, value in parts)


def _is_free(kind: object, value: Any, kept: set[int], times: int) -> bool:  # noqa: ANN401  # re's own parts
    if kind in {code.ANY, code.NOT_LITERAL}:
        return True
    if kind is code.IN:
        return _takes_words(value) or (times > _FEW_DIGITS and _takes_digits(value))
    if kind is code.SUBPATTERN:
        return value[0] not in kept and _free(value[3], kept, times)
    if kind is code.BRANCH:
        return any(_free(branch, kept, times) for branch in value[1])
    if kind in {code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT}:
        return _free(value[2], kept, max(times, int(value[1])))
    if kind is code.ATOMIC_GROUP:
        return _free(value, kept, times)
    if kind is code.GROUPREF_EXISTS:
        return any(_free(branch, kept, times) for branch in value[1:] if branch)
    return False  # a literal, a place, a look ahead or behind, what a group had before


def _takes_words(members: Sequence[tuple[Any, Any]]) -> bool:
    letters = 0
    for kind, value in members:
        if kind is code.NEGATE or (kind is code.CATEGORY and value in _WORDS):
            return True
        if kind is code.LITERAL:
            letters += chr(value).isalpha()
        elif kind is code.RANGE:
            letters += sum(chr(one).isalpha() for one in range(value[0], min(value[1], 0xFF) + 1))
    return letters > _FEW_LETTERS


def _takes_digits(members: Sequence[tuple[Any, Any]]) -> bool:
    return (code.CATEGORY, code.CATEGORY_DIGIT) in members or (code.RANGE, (ord("0"), ord("9"))) in members


def whole(texts: Sequence[str], rows: Sequence[int], lost: set[int]) -> list[tuple[str, Column]]:
    """Return a column with the whole text of some places; none if there are no such places."""
    if not lost:
        return []
    column = encoded_texts([texts[rows[place]] if place in lost else "" for place in range(len(rows))])
    return [("event.original", [text if place in lost else None for place, text in enumerate(column)])]


def disagreeing(columns: Sequence[tuple[str, Column]]) -> set[int]:
    """Return the places where columns of one name have different values: one alone will be in the document."""
    names = [name for name, _ in columns]
    lost: set[int] = set()
    for name in {name for name in names if names.count(name) > 1}:
        several = [column for other, column in columns if other == name and column.count(None) < len(column)]
        if len(several) > 1:
            rows = zip(*several, strict=True)
            lost |= {place for place, row in enumerate(rows) if len({value for value in row if value is not None}) > 1}
    return lost


class Leftover:
    """The members of JSON objects that no field takes."""

    def __init__(self, used: Mapping[str, Get], choices: Sequence[Sequence[str]], spread: str | None) -> None:
        """Take the paths that are `used`, of each of `choices` the first that is there, and the object to `spread`."""
        self._tree: _Tree = {}
        plain = {path for path in used if path != spread}
        for path in plain:
            self._tree[path] = None
        for path in plain:
            tree = self._tree
            *parents, last = path.split(".")
            for parent in parents:
                inner = tree.setdefault(parent, {})
                if inner is None or parent == spread:  # it is taken as a whole
                    break
                tree = inner
            else:
                tree.setdefault(last, None)
        rooted = [[path for path in paths if path.split(".")[0] != spread] for paths in choices]
        self._choices = [[(path, used[path]) for path in paths] for paths in rooted if len(paths) > 1]
        self._first = [{name for path in paths for name in (path, path.split(".")[0])} for paths in rooted]
        self._spread = spread
        #: Names of an object's members, in their order, to the inner objects to look into; None: anything may be left.
        self._shapes: dict[tuple[str, ...], list[tuple[str, frozenset[str]]] | None] = {}

    def find(
        self, objects: Sequence[dict[str, Any]], texts: Iterable[str]
    ) -> dict[int, tuple[dict[str, Any], bool]]:
        """Return what is left of objects, by place, and whether an object's text has a name twice."""
        shapes = self._shapes
        found = {}
        for place, (value, text) in enumerate(zip(objects, texts, strict=True)):
            shape = tuple(value)
            if shape not in shapes:
                if len(shapes) > _SHAPES:
                    shapes.clear()
                shapes[shape] = self._look(shape)
            inner = shapes[shape]
            if inner is not None:
                count = len(shape)
                for name, names in inner:
                    one = value[name]
                    if type(one) is not dict or not one.keys() <= names:
                        break
                    count += len(one)
                else:
                    if text.count('":') == count:
                        continue
            left, twice = self._exactly(value, text)
            if left or twice:
                found[place] = left, twice
        return found

    def _look(self, shape: tuple[str, ...]) -> list[tuple[str, frozenset[str]]] | None:
        names = set(shape)
        if not names <= self._tree.keys() or any(len(names & first) > 1 for first in self._first):
            return None
        inner = [(name, tree) for name in shape if (tree := self._tree[name]) is not None]
        if any(value is not None for _, tree in inner for value in tree.values()):
            return None
        return [(name, frozenset(tree)) for name, tree in inner]

    def _exactly(self, value: dict[str, Any], text: str) -> tuple[dict[str, Any], bool]:
        left = _left(value, self._tree)
        for choice in self._choices:
            found: list[object] = []
            for path, get in choice:
                item = get(value)
                if item is not None and item != "" and item not in found:
                    if found:
                        left[path] = item
                    found.append(item)
        if self._spread and isinstance(inner := value.get(self._spread), dict):
            left.pop(self._spread, None)
            left = {**inner, **left}
        try:
            twice = text.count('":') - text.count('\\":') != _names(value) and _repeats(text)
        except RecursionError:
            twice = True
        return left, twice


def _left(value: dict[str, Any], tree: _Tree) -> dict[str, Any]:
    left = {}
    for name, item in value.items():
        inner = tree.get(name, {})
        if inner is None:
            continue
        if inner and isinstance(item, dict):
            item = _left(item, inner)  # what is left of it
            if not item:
                continue
        left[name] = item
    return left


def _names(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum([_names(one) for one in value.values() if type(one) in _NESTED])
    if isinstance(value, list):
        return sum([_names(one) for one in value if type(one) in _NESTED])
    return 0


def _repeats(text: str) -> bool:
    """Return whether an object of JSON has a name twice, as some loggers write them: the last alone is read."""
    found = False

    def pairs(members: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in members}) < len(members)

    json.loads(text, object_pairs_hook=pairs, parse_int=str, parse_float=str)
    return found
