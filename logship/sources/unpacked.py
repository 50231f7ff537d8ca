"""What a gzip file holds (RFC 1952), read from its beginning to its end, member after member, as far as it is there."""

from __future__ import annotations

import os

from isal import isal_zlib

_READ = 1 << 16


class Unpacked:
    """Unpacks an open file in order, never more than asked for at once; a file that grows is read on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0
        self._input = b""
        self._inner = isal_zlib.decompressobj(31)
        #: A member has ended, and the next one has not begun.
        self._between = True
        #: Bytes that were given.
        self.position = 0
        #: Why nothing more can be unpacked; empty: nothing is wrong.
        self.broken = ""

    @property
    def complete(self) -> bool:
        """Tell whether the last member that was begun has ended."""
        return self._between and not self._input and self._at > 0

    def take(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; none when no more are there, or can be unpacked."""
        while not self.broken:
            more = self._fill()
            if self._between and not self._begin():
                return b""
            try:
                data: bytes = self._inner.decompress(self._input, limit)
            except isal_zlib.error as error:  # type: ignore[misc]  # the stub says it is an instance
                self.broken = f"damaged after {self.position:,} bytes: {error}"
                return b""
            self._input = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
            self._between = self._inner.eof
            if data:
                self.position += len(data)
                return data
            if not more:
                return b""
        return b""

    def skip(self, position: int, keep: int) -> bytes:
        """Go on to a position and return the bytes before it, at most `keep`; fewer when it has not so many."""
        last = b""
        while self.position < position and (data := self.take(min(_READ, position - self.position))):
            last = (last + data)[-keep:] if keep else b""
        return last

    def _fill(self) -> bool:
        """Read on when there is no input; False when there is no more."""
        if self._input:
            return True
        self._input = os.pread(self._descriptor, _READ, self._at)
        self._at += len(self._input)
        return bool(self._input)

    def _begin(self) -> bool:
        """Begin the next member; False when it is not there, or is none."""
        self._input = self._input.lstrip(b"\0")  # some writers fill up with NUL bytes
        if len(self._input) == 1:
            more = os.pread(self._descriptor, _READ, self._at)
            self._at += len(more)
            self._input += more
        if len(self._input) < 2:
            return False
        if not self._input.startswith(b"\x1f\x8b"):
            self.broken = f"no gzip after {self.position:,} bytes" if self.position else "no gzip"
            return False
        self._inner = isal_zlib.decompressobj(31)
        self._between = False
        return True
