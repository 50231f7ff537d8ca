"""
The cases, by the numbers of the list, as any shipper of files can be asked: real processes, files and seconds.

Each returns the lines that were written by generation of file; the verdict is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.peers.trial import Trial

Generations = list[list[str]]


@dataclass(frozen=True)
class PeerCase:
    """A case: its number, one sentence, and what it does."""

    number: int
    sentence: str
    run: Callable[[Trial], Generations]


CASES: list[PeerCase] = []


def case(number: int) -> Callable[[Callable[[Trial], Generations]], Callable[[Trial], Generations]]:
    """Put a function among the cases; its docstring is the sentence."""

    def added(run: Callable[[Trial], Generations]) -> Callable[[Trial], Generations]:
        CASES.append(PeerCase(number, (run.__doc__ or "").strip().rstrip("."), run))
        return run

    return added
