"""The names of all options, read from the models: `elasticsearch.hosts`, its type, and whether it is a secret."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from logship.config.settings import Settings

#: Where a value lies: keys of mappings and positions in lists.
Loc = tuple[str | int, ...]

PREFIX = "LOGSHIP_"

#: Stands for a secret wherever values are shown.
MASK = "********"


@dataclass(frozen=True, slots=True)
class Option:
    """One option that takes a value."""

    #: Names of its sections and its own.
    loc: tuple[str, ...]
    field: FieldInfo

    @property
    def name(self) -> str:
        """Return the dotted name, as in YAML."""
        return ".".join(self.loc)

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return PREFIX + "__".join(self.loc).upper()

    @property
    def secret(self) -> bool:
        """Say whether its value must never be shown."""
        return SecretStr in _types(self.field.annotation)

    @property
    def mapping(self) -> bool:
        """Say whether it takes names of the user's own."""
        return get_origin(self.field.annotation) is dict

    @property
    def default(self) -> object:
        """Return the default value."""
        return self.field.get_default(call_default_factory=True, validated_data={})


@cache
def options() -> dict[str, Option]:
    """Return every option by its dotted name, in the order of the documentation."""
    return {option.name: option for option in _walk(Settings, ())}


@cache
def secrets() -> frozenset[tuple[str, ...]]:
    """Return where secrets lie; each also has a `…_file`."""
    return frozenset(option.loc for option in options().values() if option.secret)


def is_secret(loc: Loc) -> bool:
    """Say whether the value at a place is or holds what must never be shown."""
    return any(secret[: len(loc)] == loc for secret in secrets())


def annotation(loc: Loc) -> object:
    """Return the type of the option or section at a place, or None if there is none of that name."""
    found: Any = Settings
    for key in loc:
        inner = get_args(found)
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(key) if isinstance(key, str) else None
            if field is None:
                return None
            found = field.annotation
        elif inner and get_origin(found) is (list if isinstance(key, int) else dict):
            found = inner[-1]
        else:
            return None
    return found


def names_at(loc: Loc) -> list[str]:
    """Return the names that may stand in the section at a place."""
    section = annotation(loc)
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the name most like a misspelt one, or ""."""
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def _walk(model: type[BaseModel], loc: tuple[str, ...]) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _walk(field.annotation, (*loc, name))
        else:
            yield Option((*loc, name), field)


def _types(found: object) -> set[object]:
    return {found}.union(*(_types(inner) for inner in get_args(found)))
