"""Which files are rotated, told by the patterns of the configuration."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

from logship.model import Source
from logship.rotation.rotator import Policy


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
            return self._policy if self._docker and found.endswith("-json.log") else None
        matches = any(found in glob.glob(pattern, recursive=True) for pattern in self._patterns)  # noqa: PTH207
        return self._policy if matches else None
