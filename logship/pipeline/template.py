"""
Documents as templates: constant JSON around slots for what differs.

A format's documents differ in a few values only, so the rest is encoded once
and a document costs one `%` of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orjson import dumps

_SLOT = re.compile(rb'"\\u0000(\d+)\\u0000"')


class Template:
    """The action line and the JSON of documents that have the same fields."""

    __slots__ = ("_form", "order")

    def __init__(self, fields: Sequence[str], constants: Mapping[str, Any], key: str) -> None:
        tree: dict[str, Any] = {}
        for number, name in enumerate(fields):
            put(tree, name, f"\0{number}\0")
        merge(tree, constants)
        parts = _SLOT.split(dumps(tree).replace(b"%", b"%%"))
        action = b'{"create":{"_id":"%b-%%d"}}\n' % key.encode()
        self._form = action + b"%b".join(parts[::2]) + b"\n"
        #: Which field each slot takes, by its number in `fields`.
        self.order = tuple(int(number) for number in parts[1::2])

    def fill_all(self, rows: Iterable[tuple[Any, ...]]) -> list[bytes]:
        """Return action line and document for each row: its offset, then JSON values in the order of `order`."""
        form = self._form
        return [form % row for row in rows]


class Templates:
    """Templates of one file and format, one for each set of fields that occurs."""

    def __init__(self, constants: Callable[[], Mapping[str, Any]], key: str) -> None:
        self._constants = constants
        self._key = key
        self._known: dict[tuple[str, ...], Template] = {}

    def of(self, fields: tuple[str, ...]) -> Template:
        """Return the template for documents with these fields."""
        template = self._known.get(fields)
        if template is None:
            if len(self._known) > 1000:
                self._known.clear()
            template = self._known[fields] = Template(fields, self._constants(), self._key)
        return template

    def sparse(self, offset: int, columns: Sequence[tuple[str, list[bytes | None]]], row: int) -> bytes:
        """Return action line and document of a row of columns that lacks some fields."""
        names, values = [], []
        for name, column in columns:
            value = column[row]
            if value is not None:
                names.append(name)
                values.append(value)
        template = self.of(tuple(names))
        return template.fill_all([(offset, *[values[number] for number in template.order])])[0]

    def document(self, offset: int, fields: Mapping[str, bytes]) -> bytes:
        """Return action line and document with these fields (dotted name to JSON value)."""
        template = self.of(tuple(fields))
        values = tuple(fields.values())
        return template.fill_all([(offset, *[values[number] for number in template.order])])[0]


def put(tree: dict[str, Any], name: str, value: object) -> None:
    """Set a dotted name in nested objects."""
    *parents, leaf = name.split(".")
    for parent in parents:
        inner = tree.setdefault(parent, {})
        if not isinstance(inner, dict):  # a value stands where an object is needed: keep both
            inner = tree[parent] = {"value": inner}
        tree = inner
    if isinstance(tree.get(leaf), dict) and not isinstance(value, dict):
        tree[leaf]["value"] = value
    else:
        tree[leaf] = value


def merge(tree: dict[str, Any], constants: Mapping[str, Any]) -> None:
    """Fill in what nested objects do not have yet."""
    for name, value in constants.items():
        if isinstance(value, Mapping) and isinstance(tree.get(name), dict):
            merge(tree[name], value)
        else:
            tree.setdefault(name, value)
