"""
How much a server is given in one request: less when it says that it is too busy, slowly more when it keeps up.

Additive increase, multiplicative decrease (RFC 5681, section 3.1), on the
bytes of a request before compression.
"""

from __future__ import annotations

import threading

#: Elastic, "Tune for indexing speed": beyond a couple of tens of megabytes larger requests do not help.
MOST = 16 << 20
_LEAST = 4 << 10
_STEPS = 64


class Pace:
    """The limit that holds now; threads may share it."""

    def __init__(self, most: int = MOST) -> None:
        self.limit = most
        self._most = most
        self._lock = threading.Lock()

    def slower(self, size: int) -> None:
        """Note that a request of so many bytes was put off."""
        with self._lock:
            self.limit = max(_LEAST, min(self.limit, size) // 2)

    def faster(self) -> None:
        """Note that a request was taken."""
        with self._lock:
            self.limit = min(self._most, self.limit + max(self._most // _STEPS, 1))
