"""Which files are rotated, told by the patterns of the configuration."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from logship.model import Source
from logship.rotation.rotator import Policy


def limited_by_docker(log: Path) -> bool:
    """Tell whether Docker itself rotates a container's log: `max-size` in the `hostconfig.json` beside it."""
    try:
        options = orjson.loads((log.parent / "hostconfig.json").read_bytes())["LogConfig"]["Config"]
        return bool(options.get("max-size"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


class Managed:
    """Gives the policy of files that match a pattern, and of Docker's where that was agreed to."""

    def __init__(self, patterns: Sequence[str], policy: Policy, *, docker: bool) -> None:
        self._patterns = [os.path.abspath(pattern) for pattern in patterns]  # noqa: PTH100  # a glob is no path
        self._policy = policy
        self._docker = docker

    def __bool__(self) -> bool:
        return self._docker or bool(self._patterns)

    def __call__(self, found: str, source: Source) -> Policy | None:
        """Return how a file is rotated; None when logship leaves it alone."""
        if "container" in source.fields:
            ours = self._docker and found.endswith("-json.log") and not limited_by_docker(Path(found))
            return self._policy if ours else None
        matches = any(found in glob.glob(pattern, recursive=True) for pattern in self._patterns)  # noqa: PTH207
        return self._policy if matches else None
