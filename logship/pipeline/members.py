"""
Parts of a text that stand side by side and repeat: level, thread, file and line as one.

A few hundred combinations make up nearly all lines of a service, so each is taken
apart once, and what it adds to a document is remembered as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orjson import dumps, loads

from logship.pipeline.template import merge, put

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<(\w+)>|\(|\)", re.DOTALL)
#: Between parts that always stand side by side: plain text.
_PLAIN = re.compile(r"(?:\\[^\w]|[^\\()\[\]|?*+{}.^$])*")
_NAMED = re.compile(r"\(\?P<\w+>")

#: Combinations that many files share, at most.
_KEPT = 16384

#: Name and JSON of the fields that one part becomes.
Convert = Callable[[str], Sequence[tuple[str, bytes | None]]]


@dataclass(frozen=True, slots=True)
class Span:
    """Groups of a pattern that stand side by side."""

    names: tuple[str, ...]
    #: The pattern of all of them.
    inner: str
    #: The whole pattern, with one group named `_members` in their place.
    pattern: str


def span(pattern: str, wanted: set[str]) -> Span | None:
    """Return the longest run of wanted groups with nothing but plain text between; None if there are not two."""
    groups = _outermost(pattern)
    best: list[tuple[str, int, int]] = []
    run: list[tuple[str, int, int]] = []
    for name, start, end in groups:
        together = bool(run) and _PLAIN.fullmatch(pattern[run[-1][2] : start]) is not None
        run = ([*run, (name, start, end)] if together else [(name, start, end)]) if name in wanted else []
        if pattern[end : end + 1] in {"?", "*", "+", "{"}:
            run = []
        best = max(best, run, key=len)
    if len(best) < 2 or "|" in _NAMED.sub("", "".join(pattern[start:end] for _, start, end in best)):
        return None
    start, end = best[0][1], best[-1][2]
    inner = pattern[start:end]
    whole = f"{pattern[:start]}(?P<_members>{_NAMED.sub('(?:', inner)}){pattern[end:]}"
    return Span(tuple(name for name, _, _ in best), inner, whole)


def _outermost(pattern: str) -> list[tuple[str, int, int]]:
    """Return name, start and end of the named groups that lie in no other group."""
    found: list[tuple[str, int, int]] = []
    opened: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(pattern):
        if token[0] == ")":
            name, start = opened.pop()
            if name and not opened:
                found.append((name, start, token.end()))
        elif token[0][0] == "(":
            opened.append((token[1] or "", token.start()))
    return found


#: By the constants that stand among them: what each combination becomes, and whether it is better looked at closely.
Combinations = dict[tuple[str, ...], dict[bytes, tuple[bytes, bool]]]


class Members:
    """What each combination of parts adds to a document; combinations are taken apart once for many files."""

    def __init__(
        self,
        found: Span,
        converts: Sequence[Convert],
        names: Sequence[str],
        constants: Mapping[str, Any],
        *,
        combinations: Combinations,
        suspicious: Callable[[bytes], bool],
    ) -> None:
        self._pattern = re.compile(found.inner, re.ASCII)
        self._groups = [self._pattern.groupindex[name] for name in found.names]
        self._converts = converts
        self._suspicious = suspicious
        #: Top-level members of the document that are written here, constants included.
        self.owned = frozenset(name.partition(".")[0] for name in names)
        own = {name: constants[name] for name in self.owned if name in constants and constants[name] != {}}
        #: The file's own constants, and what stands for them in what is shared.
        self._inside: list[tuple[bytes, bytes]] = []
        if _apart(own, names):
            self._inside = [(_inner({f"\0{name}": 0}), _inner(value)) for name, value in own.items()]
            self._tree: Mapping[str, Any] = {name: {f"\0{name}": 0} for name in own}
            self._shared = combinations.setdefault(tuple(own), {})
        else:
            self._tree, self._shared = own, {}
        #: JSON by combination; whoever learns sees that there are not too many.
        self.known: dict[bytes, bytes] = {}

    def learn(self, value: bytes) -> bool:
        """
        Note what a combination adds, and tell whether it may hold a secret; `value` is the inside of a JSON string.

        Raises ValueError if it is none.
        """
        if value not in self._shared:
            if len(self._shared) >= _KEPT:
                self._shared.clear()
            self._shared[value] = self._take_apart(value), self._suspicious(value)
        json, odd = self._shared[value]
        for mark, constants in self._inside:
            json = json.replace(mark, constants)
        self.known[value] = json
        return odd

    def _take_apart(self, value: bytes) -> bytes:
        found = self._pattern.fullmatch(loads(b'"%b"' % value))
        if found is None:
            raise ValueError("not the parts that were found")
        tree: dict[str, Any] = {}
        for group, convert in zip(self._groups, self._converts, strict=True):
            for name, cell in convert(found[group]):
                if cell is not None:
                    put(tree, name, loads(cell))
        merge(tree, self._tree)
        return b"," + _inner(tree) if tree else b""


def _inner(tree: Mapping[str, Any]) -> bytes:
    return dumps(tree)[1:-1]


def _apart(constants: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Tell whether constants are objects, and none of the names is one of theirs or lies in one of their members."""
    for name, value in constants.items():
        inside = [one.partition(".")[2].partition(".")[0] for one in names if one.partition(".")[0] == name]
        if not isinstance(value, dict) or "" in inside or not value.keys().isdisjoint(inside):
            return False
    return True
