"""What a courier expects of a place that documents are sent to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from logship.model import Receipt, StoredBatch


class SinkUnavailable(Exception):
    """
    The sink cannot take anything now, or nobody knows whether it took it.

    Sending the same batch again is always safe: ids make it so.
    """

    def __init__(
        self, reason: str, *, hint: str = "", pause: float = 0.0, unknown: bool = False, alarm: bool = False
    ) -> None:
        super().__init__(f"{reason}; {hint}" if hint else reason)
        #: The least number of seconds to leave it alone.
        self.pause = pause
        #: Whether it may have taken what it was sent.
        self.unknown = unknown
        #: Whether it stays so until somebody does something.
        self.alarm = alarm


class Sink(Protocol):
    """A place that documents are sent to. It never waits and never repeats by itself."""

    @property
    def name(self) -> str:
        """Name of the sink's cursor in the ledger."""

    def send(self, batch: StoredBatch, only: frozenset[str] | None) -> Receipt:
        """
        Send a batch, or only the documents with the given ids.

        The receipt *must* name exactly one outcome for each document sent; a
        document counts as delivered when it would survive a power cut there.
        What was delivered before *must not* appear a second time. Raises
        SinkUnavailable when the outcome is unknown or nothing can be sent.
        """

    def close(self) -> None:
        """Let go of connections and files."""


@runtime_checkable
class Concurrent(Protocol):
    """A sink to which order does not matter: several batches may be on their way, from several threads."""

    @property
    def in_flight(self) -> int:
        """Requests under way at a time, at most."""


@runtime_checkable
class Doubting(Protocol):
    """A sink that knows which batches it may have taken although nobody was told so."""

    @property
    def doubtful(self) -> frozenset[int]:
        """Sequence numbers of batches that may be there; those that have an outcome may be among them."""


def under_way(sinks: Iterable[Sink]) -> dict[str, int]:
    """Return how many batches each sink may be sending at a time, by name."""
    return {sink.name: sink.in_flight if isinstance(sink, Concurrent) else 1 for sink in sinks}
