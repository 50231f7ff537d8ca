"""
The board: every conformance case, whether it passes, and how long it took.

`python -m conformance.board [FILE.md] [pytest options]`, with `tests` on PYTHONPATH, runs the cases, prints the board
and writes it to FILE.md as Markdown. The exit code is pytest's.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

#: Cases in the list that the suite follows.
TOTAL = 118
_NAME = re.compile(r"test_case_(\d{3})_")


@dataclass
class Case:
    """One case: its tests may be several, with parameters."""

    number: int
    sentence: str
    outcomes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    #: The case is not built word for word; its test says how.
    in_spirit: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether every test of the case passed."""
        return bool(self.outcomes) and set(self.outcomes) == {"passed"}

    @property
    def result(self) -> str:
        """Return `pass`, with a star when the case is built in its spirit, or `FAIL`."""
        return ("pass*" if self.in_spirit else "pass") if self.passed else "FAIL"


class Board:
    """Collects the outcomes while pytest runs; a pytest plugin."""

    def __init__(self) -> None:
        self.cases: dict[int, Case] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        """Run the cases in the order of their numbers."""
        items[:] = [item for item in items if _NAME.match(item.name)]
        items.sort(key=lambda item: _number(item.name))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the cases that will run."""
        for item in session.items:
            assert isinstance(item, pytest.Function)
            number = _number(item.name)
            case = self.cases.setdefault(number, Case(number, _sentence(item)))
            case.in_spirit |= "In spirit:" in (item.function.__doc__ or "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended."""
        case = self.cases[_number(report.nodeid.rpartition("::")[2])]
        case.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            case.outcomes.append(report.outcome)

    def rows(self) -> list[Case]:
        """Return the cases by number."""
        return [self.cases[number] for number in sorted(self.cases)]

    def text(self) -> str:
        """Return the board for a terminal."""
        lines = [f"{case.number:4d}  {case.result:5}  {case.seconds:6.2f} s  {case.sentence}" for case in self.rows()]
        return "\n".join([*lines, self.summary()]) + "\n"

    def markdown(self) -> str:
        """Return the board as a Markdown table."""
        rows = [
            f"| {case.number} | {case.sentence.replace('|', '&#124;')} | {case.result} | {case.seconds:.2f} s |"
            for case in self.rows()
        ]
        return "\n".join(["| # | Case | Result | Time |", "|--:|---|---|--:|", *rows, "", self.summary()]) + "\n"

    def summary(self) -> str:
        """Return how many cases pass, of all there are, and which were not run."""
        passed = sum(case.passed for case in self.cases.values())
        spirit = sum(case.passed and case.in_spirit for case in self.cases.values())
        missing = [number for number in range(1, TOTAL + 1) if number not in self.cases]
        without = f" Not run: {_ranges(missing)}." if missing else ""
        return f"{passed} of {TOTAL} cases pass, {spirit} of them (*) built in spirit; their tests say how.{without}"


def _number(name: str) -> int:
    found = _NAME.match(name)
    return int(found[1]) if found else 0


def _sentence(item: pytest.Function) -> str:
    return " ".join((item.function.__doc__ or item.name).strip().split("\n\n")[0].split())


def _ranges(numbers: list[int]) -> str:
    """Write numbers as people do: 2, 20, 81-118."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def main(arguments: list[str]) -> int:
    """Run the cases and show the board."""
    target = Path(arguments.pop(0)) if arguments and arguments[0].endswith(".md") else None
    board = Board()
    code = pytest.main([str(Path(__file__).parent), *arguments], plugins=[board])
    sys.stdout.write("\n" + board.text())
    if target:
        target.write_text(board.markdown())
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
