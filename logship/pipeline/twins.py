"""
Events that Dify writes twice, to stdout and to LOG_FILE: each is delivered once.

The copy that is read first is delivered; the other is counted as `copy`. The k-th event of a text in one copy pairs
with the k-th in the other, so all that is kept is how far one copy is ahead, by a digest of the text, and nothing of
what is paired. Two equal events of one copy stay two; what only one copy has is delivered.

A text tells events apart because it says when they were: one that does not is never taken for a copy. Dify's JSON
lines are stamped when they are formatted, once for each copy, with whatever a slow disk or pipe puts in between. There
the stamp counts to the minute, and near its border the minute beside it is looked at too. The oldest copy pairs first,
so that none is left over where the stamps of many equal events fall on both sides of a border.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache

from logship.ledger.unpaired import Unpaired
from logship.lines.join import Joiner
from logship.model import COPY, Events, FileRef
from logship.pipeline.encoder import Encoded, Encoder
from logship.pipeline.taken import Taken

_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)
_JSON_STAMP = re.compile(r'"ts": ?"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:[.,]\d+)?', re.ASCII)
_CLOCK = re.compile(r"\d\d:\d\d:\d\d", re.ASCII)
_DOCKER_TIME = re.compile(rb'"time": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
#: Characters in which a text that has no stamp at its start must say when it was.
_EARLY = 200
#: Characters that are compared: longer lines may have been cut in one copy and not in the other.
_COMPARED = 64 << 10
#: Seconds that JSON stamps are rounded to, and by how much those of one event may differ at least.
_PERIOD, _MARGIN = 60, 10
#: Seconds that the file system's clock may be behind that of Docker.
_SLACK = 300


class Twins:
    """A LOG_FILE, and the containers whose output has the same events; `key` makes the digests."""

    def __init__(
        self,
        services: Collection[str],
        patterns: Sequence[str],
        *,
        key: bytes,
        unpaired: Unpaired,
        outputs: Callable[[Collection[str]], bool],
    ) -> None:
        self._services = services
        self._patterns = patterns
        self._unpaired = unpaired
        #: Says whether a container of these services is read.
        self._outputs = outputs
        self._has_output = False
        self._hash = hashlib.blake2b("\n".join(patterns).encode(), digest_size=8, key=key[:64])
        #: Events of stdout after this time are not in LOG_FILE; "": there is none.
        self._until = ""

    def side(self, file: FileRef) -> int:
        """Return which copy a file holds: 1 of stdout, -1 of LOG_FILE, 0 none."""
        if file.source.envelope != "plain":
            return 1 if file.source.service in self._services else 0
        return -1 if any(fnmatchcase(file.path, pattern) for pattern in self._patterns) else 0

    def awaited(self, side: int, since: str) -> bool:
        """
        Return whether the other copy may have an event of a side and of a time (ISO 8601), or of a later one.

        Python's handlers write LOG_FILE first: what it does not hold when stdout is read, it never will.
        """
        if side < 0:
            self._has_output = self._has_output or self._outputs(self._services)
            return self._has_output
        if not self._until or since[:19] > self._until:
            self._until = self._last_written()
        return bool(self._until) and since[:19] <= self._until

    def _last_written(self) -> str:
        newest = 0.0
        for pattern in self._patterns:
            for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207  # absolute patterns
                try:
                    newest = max(newest, os.stat(path).st_mtime)  # noqa: PTH116  # for each chunk
                except OSError:
                    continue  # renamed in between
        return datetime.fromtimestamp(newest + _SLACK, UTC).strftime("%Y-%m-%dT%H:%M:%S") if newest else ""

    def take_out(self, side: int, events: Events) -> tuple[int, int]:
        """Take out the events that the other copy had before; return how many, and their bytes on disk."""
        names = [self._names(text) for text in events.texts]
        near = self._unpaired.look(key for _, keys in names for key in keys)
        keep = []
        for row, (own, keys) in enumerate(names):
            for key in keys:
                if near[key] * side < 0:
                    near[key] += side
                    break
            else:
                keep.append(row)
                if own:
                    near[own] += side
        size, gone = sum(events.sizes), len(names) - len(keep)
        if gone:
            _keep_only(events, keep)
        return gone, size - sum(events.sizes)

    def _names(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Return the key of an event, and the keys that its twin may have, the oldest first; none if it has no time."""
        digest = self._hash.copy()
        if text[:1] == "{" and (stamp := _JSON_STAMP.search(text)) and (second := _seconds(stamp[1])):
            digest.update(text[: stamp.start()].encode(errors="surrogatepass"))
            digest.update(text[stamp.end() : _COMPARED].encode(errors="surrogatepass"))
            name, within = digest.hexdigest(), second % _PERIOD
            own = f"{second - within:010d}{name}"
            if within < _MARGIN:
                return own, (f"{second - within - _PERIOD:010d}{name}", own)
            if within >= _PERIOD - _MARGIN:
                return own, (own, f"{second - within + _PERIOD:010d}{name}")
            return own, (own,)
        stamp = _STAMP.match(text)
        if stamp is None and _CLOCK.search(text, 0, _EARLY) is None:
            return "", ()
        digest.update(text[:_COMPARED].encode(errors="surrogatepass"))
        own = f"{_seconds(stamp[0]) if stamp else 0:010d}{digest.hexdigest()}"
        return own, (own,)


@lru_cache(1000)
def _seconds(stamp: str) -> int:
    """Return a stamp as seconds since 1970, as if it were of UTC; 0 when there is no such time."""
    try:
        return max(int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()), _PERIOD)
    except ValueError:
        return 0


def _keep_only(events: Events, keep: list[int]) -> None:
    events.extra = {new: events.extra[old] for new, old in enumerate(keep) if old in events.extra}
    for name in ("offsets", "sizes", "texts", "times", "streams"):
        column = getattr(events, name)
        setattr(events, name, [column[row] for row in keep])


class Once:
    """The encoder of a file of which there may be another copy."""

    def __init__(self, encoder: Encoder, twins: Twins, side: int) -> None:
        self.dataset = encoder.dataset
        self._encoder = encoder
        self._twins = twins
        self._side = side

    def take(self, data: bytes, raw: Sequence[bytes], edges: Sequence[int]) -> Taken | None:
        """Make documents the short way, unless there may be another copy: then each event is looked at."""
        found = _DOCKER_TIME.search(raw[0])
        if self._twins.awaited(self._side, found[1].decode() if found else ""):
            return None
        return self._encoder.take(data, raw, edges)

    def encode(self, events: Events, taken: Sequence[Taken] = ()) -> Encoded:
        """Return the documents of those events that the other copy did not have before."""
        gone = size = 0
        if events.texts and self._twins.awaited(self._side, events.times[0]):
            gone, size = self._twins.take_out(self._side, events)
        encoded = self._encoder.encode(events, taken)
        if gone:
            encoded.dropped[COPY] = gone
            encoded.bytes_dropped += size
        return encoded


def once(
    bind: Callable[[FileRef], tuple[Encoder, Joiner]], twins: Sequence[Twins]
) -> Callable[[FileRef], tuple[Encoder | Once, Joiner]]:
    """Return what binds a file as `bind` does, and leaves out what the other copy had before."""

    def bound(file: FileRef) -> tuple[Encoder | Once, Joiner]:
        encoder, joiner = bind(file)
        sides = ((one, one.side(file)) for one in twins)
        return next((Once(encoder, one, side) for one, side in sides if side), encoder), joiner

    return bound
