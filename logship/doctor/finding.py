"""What a check finds, and what would mend it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from logship.errors import LogshipError

#: ok; advice: works, could be better; problem: lines are or will be lost or late; unknown: could not be checked.
State = Literal["ok", "advice", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Repair:
    """A change that needs a person's word."""

    #: What would be done, as a question that yes answers.
    question: str
    #: Does it, and says what was done; raises LogshipError or OSError when it cannot.
    act: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: State
    #: The file, container, sink or setting it is about.
    subject: str
    #: What is so, and what it leads to.
    what: str
    #: What to do about it.
    step: str = ""
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the machine; its arguments are bound."""

    name: str
    examine: Callable[[], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found."""

    check: Check
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {
            "check": self.check.name,
            "findings": [
                {
                    "state": one.state,
                    "subject": one.subject,
                    "what": one.what,
                    "step": one.step,
                    "repair": one.repair.question if one.repair else None,
                }
                for one in self.findings
            ],
        }


def examine(check: Check) -> Result:
    """Make a check; what keeps it from looking is a finding too."""
    found: list[Finding] = []
    try:
        found += check.examine()
    except LogshipError as error:
        found.append(Finding("unknown", check.name, str(error), error.hint))
    except sqlite3.DatabaseError as error:
        found.append(Finding("unknown", check.name, f"cannot be read: {error}", "see the check of the ledger"))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        reason = f"{where}{error.strerror or error}"
        found.append(Finding("unknown", check.name, f"cannot be looked at: {reason}", "run it as the agent's user"))
    return Result(check, tuple(found))


def exit_code(results: Sequence[Result]) -> int:
    """Return 1 when there is a problem, 2 when there is none but something could not be checked, else 0."""
    states = {finding.state for result in results for finding in result.findings}
    return 1 if "problem" in states else 2 if "unknown" in states else 0
