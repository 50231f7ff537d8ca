"""The user agent in parts: `user_agent.name`, `.version`, `.os.*` and `.device.name` beside the original."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from logship.pipeline.columns import Cached, Column

if TYPE_CHECKING:
    from ua_parser import OS, UserAgent
    from ua_parser.regex import Resolver

#: Longer ones stay as they are: they are nobody's browser, and every pattern would read all of it.
_LONGEST = 1000


class UserAgents:
    """Makes one object of a column of user agents; what was seen lately is not parsed again."""

    def __init__(self) -> None:
        self._known = Cached(_parts)

    def __call__(self, column: Column) -> list[tuple[str, Column]]:
        """Return the column `user_agent` for the column `user_agent.original`, as ECS names its parts."""
        return [("user_agent", list(map(self._known.__getitem__, column)))]


def _parts(value: bytes) -> dict[str, Any]:
    text = orjson.loads(value)
    if len(value) > _LONGEST:
        return {"original": text}
    # The patterns take some 30 MB, and only agents that meet a user agent need them.
    from ua_parser import Domain

    found = _resolver()(text, Domain.ALL)
    parts: dict[str, Any] = {"original": text}
    if found.user_agent:
        parts |= _named(found.user_agent)
    if found.os:
        parts["os"] = _named(found.os)
    if found.device:
        parts["device"] = {"name": found.device.family}
    return parts


def _named(found: UserAgent | OS) -> dict[str, str]:
    parts = [found.major, found.minor, found.patch, found.patch_minor]
    version = ".".join(part for part in parts if part)
    return {"name": found.family, "version": version} if version else {"name": found.family}


@cache
def _resolver() -> Resolver:
    from ua_parser.loaders import load_builtins
    from ua_parser.regex import Resolver

    return Resolver(load_builtins())
