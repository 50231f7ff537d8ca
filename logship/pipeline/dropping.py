"""
Events that the operator does not want, by named rules: left out, or a share of them kept.

A rule is off until the settings name it (`drop: {health_checks: 0.1}`). Whether
a sampled event is kept depends on its id alone, so that reading it again after a
crash decides alike, and counts alike.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from logship.errors import ConfigError
from logship.pipeline.columns import Column
from logship.pipeline.spec import DropRule, Pipelines


class Drops:
    """The rules of one pipeline that are on, for one file."""

    def __init__(self, rules: Iterable[DropRule], keep: Mapping[str, float], key: str) -> None:
        self._key = key
        self._rules = [(_Rule(rule), share) for rule in rules if (share := kept(rule, keep)) < 1]

    def __bool__(self) -> bool:
        """Say whether any rule is on."""
        return bool(self._rules)

    def find(
        self, form: str | None, messages: Sequence[str], columns: Sequence[tuple[str, Column]], offsets: Sequence[int]
    ) -> dict[int, str]:
        """Return the positions of events to leave out, and for each the rule that did it."""
        found: dict[int, str] = {}
        fields = dict(columns)
        for rule, share in self._rules:
            for position in rule.find(form, messages, fields):
                # What a rule spares as a sample, a later one may still leave out.
                if position not in found and not (share and self._drawn(offsets[position], share)):
                    found[position] = rule.name
        return found

    def _drawn(self, offset: int, share: float) -> bool:
        digest = hashlib.blake2b(b"%b-%d" % (self._key.encode(), offset), digest_size=8).digest()
        return int.from_bytes(digest) < share * 2**64


class _Rule:
    def __init__(self, spec: DropRule) -> None:
        self.name = spec.name
        self._formats = spec.formats
        self._match = re.compile(spec.match, re.ASCII).match if spec.match else None
        self._where = {name: re.compile(pattern, re.ASCII).fullmatch for name, pattern in spec.where.items()}

    def find(self, form: str | None, messages: Sequence[str], fields: Mapping[str, Column]) -> Sequence[int]:
        if self._formats and form not in self._formats:
            return ()
        positions: Sequence[int] = range(len(messages))
        for name, match in self._where.items():
            column = fields.get(name, [])
            values = {value for value in set(column) if value is not None and match(_text(value))}
            positions = [position for position in positions if values and column[position] in values]
        if self._match:
            positions = [position for position in positions if self._match(messages[position])]
        return positions


def kept(rule: DropRule, keep: Mapping[str, float]) -> float:
    """Return the share of a rule's events that is kept: what the settings say, else the pipeline."""
    return keep.get(rule.name, 0.0 if rule.enabled else 1.0)


def shares(pipelines: Pipelines, drop: Mapping[str, bool | float]) -> dict[str, float]:
    """Return the share to keep by rule; raises ConfigError when no pipeline has a rule of that name."""
    known = {rule.name for spec in pipelines.specs.values() for rule in spec.drop}
    for name in drop:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"drop.{name}: no pipeline has a rule of that name" + (f"; did you mean {near[0]}?" if near else ""),
                f"there are {', '.join(sorted(known))}; `logship pipelines show NAME` lists those of a service",
            )
    return {name: float(not value) if isinstance(value, bool) else float(value) for name, value in drop.items()}


def _text(value: bytes) -> str:
    """Return a JSON string or number as text."""
    return (value[1:-1] if value[:1] == b'"' else value).decode(errors="replace")
