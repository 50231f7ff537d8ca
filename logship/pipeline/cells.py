"""
Documents of many rows at once: constant JSON between columns of JSON.

A field that some rows lack takes its name into its cell, so that all rows have
the same constants, and the bytes of a batch are one join.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orjson import dumps

from logship.pipeline.template import merge, put

#: Where a value goes: inside a string, in place of one, or in place of a member with the comma before it.
_SLOT = re.compile(rb'(\\u0000b\d+\\u0000|"\\u0000j\d+\\u0000"|,"\\u0000s\d+\\u0000":0)')
_NUMBER = re.compile(rb"(\d+)\\u0000")


@dataclass(frozen=True, slots=True)
class Cells:
    """One field of many rows."""

    name: str
    #: JSON, or the inside of JSON strings; empty where a row lacks the field.
    values: Sequence[bytes]
    #: The values are the inside of JSON strings.
    bare: bool = False
    #: Some rows lack it.
    sparse: bool = False
    #: The values are members of the document, each after a comma.
    members: bool = False
    #: A second column of the same string, with what stands between the two and behind.
    more: Sequence[bytes] | None = None
    between: str = ""
    behind: str = ""


class Layout:
    """The constants of documents that have the same fields, some of them in each, some in a few."""

    def __init__(self, columns: Sequence[Cells], constants: Mapping[str, Any], key: str) -> None:
        tree: dict[str, Any] = {}
        for number, column in enumerate(columns):
            if column.members:
                tree[f"\0s{number}\0"] = 0
            elif not column.sparse:
                put(tree, column.name, _marks(column, number, len(columns)))
        merge(tree, constants)
        #: What stands around the values of sparse fields.
        self._around = {
            number: _attach(tree, column, number) for number, column in enumerate(columns) if column.sparse
        }
        parts = _SLOT.split(dumps(tree))
        self._slots = [int(_NUMBER.findall(slot)[0]) for slot in parts[1::2]]
        self._constants = [b'{"create":{"_id":"%b-' % key.encode(), b'"}}\n' + parts[0], *parts[2::2]]
        self._constants[-1] += b"\n"

    def fill(self, ids: Sequence[bytes], columns: Sequence[Cells]) -> tuple[list[bytes], int]:
        """Return the pieces of action lines and documents, row after row, and how many each row has."""
        width = 2 * len(self._constants) - 1
        count = len(ids)
        pieces = [b""] * (count * width)
        for place, constant in enumerate(self._constants):
            pieces[2 * place :: width] = [constant] * count
        pieces[1::width] = ids
        for place, slot in enumerate(self._slots):
            column = columns[slot % len(columns)]
            values = column.values if slot < len(columns) or column.more is None else column.more
            if column.sparse:
                form = self._around[slot]
                values = [value and form % value for value in values]
            pieces[3 + 2 * place :: width] = values
        return pieces, width


def _marks(column: Cells, number: int, count: int) -> str:
    if column.more is not None:
        return f"\0b{number}\0{column.between}\0b{number + count}\0{column.behind}"
    return f"\0b{number}\0{column.behind}" if column.bare else f"\0j{number}\0"


def _attach(tree: dict[str, Any], column: Cells, number: int) -> bytes:
    """Put a slot for a sparse field where an object surely has members; return the form of its values."""
    path = column.name.split(".")
    while len(path) > 1 and isinstance(inner := tree.get(path[0]), dict):
        tree = inner
        path.pop(0)
    tree[f"\0s{number}\0"] = 0
    before = b"," + b"".join(dumps(name) + b":{" for name in path[:-1]) + dumps(path[-1]) + b":"
    quote = b'"' if column.bare else b""
    return before.replace(b"%", b"%%") + quote + b"%b" + quote + b"}" * (len(path) - 1)


def crowded(columns: Iterable[Cells], constants: Mapping[str, Any]) -> list[Cells]:
    """Return sparse columns that must not be: they share an object that no row is sure to have."""
    tree: dict[str, Any] = {}
    homes: dict[tuple[str, ...], list[Cells]] = {}
    for column in sorted(columns, key=lambda column: column.sparse):
        if not column.sparse:
            put(tree, column.name, 0)
        elif home := _missing((tree, constants), column.name.split(".")):
            homes.setdefault(home, []).append(column)
    shared = [found for found in homes.values() if len(found) > 1]
    return [max(found, key=lambda column: sum(map(bool, column.values))) for found in shared]


def _missing(trees: Sequence[Mapping[str, Any]], path: list[str]) -> tuple[str, ...]:
    """Return the path of the outermost object of a name that none of the trees has; () if all are there."""
    for depth, name in enumerate(path[:-1], 1):
        trees = [inner for tree in trees if isinstance(inner := tree.get(name), Mapping)]
        if not trees:
            return tuple(path[:depth])
    return ()
