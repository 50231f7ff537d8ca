"""
Run the cases that any shipper can be asked on each that is installed, and print them side by side.

`python -m conformance.peers [--readme] [--only NAME] [CASE …]`, with `tests` on PYTHONPATH. Needs root for the cases
of permissions. A cell is `pass`, what went wrong, or a dash where the shipper has no option for it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conformance.peers import reading, restarts, rotation  # noqa: F401  # they put their cases among CASES
from conformance.peers.cases import CASES, PeerCase
from conformance.peers.drivers import DRIVERS, LOGSHIP, Driver, Inexpressible
from conformance.peers.trial import Ended, Trial

_README = Path(__file__).parents[3] / "README.md"
_MARK = "<!-- conformance peers -->", "<!-- /conformance peers -->"


def run(case: PeerCase, driver: Driver, program: str) -> str:
    """Run one case on one shipper; return the verdict."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        trial = Trial(folder, driver, program)
        try:
            return trial.verdict(case.run(trial))
        except Inexpressible:
            return "–"
        except Ended as why:
            return str(why)
        finally:
            trial.close()


def version(driver: Driver, program: str) -> str:
    """Return what a shipper calls itself."""
    words = [program, "-m", "logship", "version"] if driver is LOGSHIP else [program, _asked(driver)]
    answer = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    numbers = [word.strip("(),v") for word in answer.replace("(", " ").split() if word.strip("(),v")[:1].isdigit()]
    return f"{driver.name} {next((number for number in numbers if '.' in number), '')}".strip()


def _asked(driver: Driver) -> str:
    return {"rsyslog": "-v", "Filebeat": "version"}.get(driver.name, "--version")


def table(found: list[tuple[Driver, str]], results: dict[int, list[str]], sentences: dict[int, str]) -> str:
    """Render Markdown, with the sum of what passed in the last row."""
    rows = [f"| # | Case | {' | '.join(version(*one) for one in found)} |", f"|--:|---|{'---|' * len(found)}"]
    for number, cells in results.items():
        shown = [cell if cell in {"pass", "–"} else f"**{cell}**" for cell in cells]
        rows.append(f"| {number} | {sentences[number]} | {' | '.join(shown)} |")
    passed = [sum(cells[place] == "pass" for cells in results.values()) for place in range(len(found))]
    rows.append(f"| | of {len(results)} pass | {' | '.join(map(str, passed))} |")
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Run what is asked; 1 if logship fails a case."""
    parser = argparse.ArgumentParser(prog="conformance.peers", description=(__doc__ or "").strip().split("\n\n")[0])
    parser.add_argument("--only", help="only this shipper")
    parser.add_argument("--readme", action="store_true", help="also write the table into README.md")
    parser.add_argument("cases", nargs="*", type=int, help="only these cases")
    options = parser.parse_args(arguments)
    wanted = [driver for driver in DRIVERS if not options.only or driver.name.lower() == options.only.lower()]
    found = [(driver, program) for driver in wanted if (program := driver.found())]
    results: dict[int, list[str]] = {}
    for case in sorted(CASES, key=lambda case: case.number):
        if options.cases and case.number not in options.cases:
            continue
        began = time.monotonic()
        cells = results[case.number] = [run(case, *one) for one in found]
        sys.stdout.write(f"{case.number:4d}  {'  '.join(f'{cell:14}' for cell in cells)}  {case.sentence}")
        sys.stdout.write(f"  ({time.monotonic() - began:.0f} s)\n")
        sys.stdout.flush()
    text = table(found, results, {case.number: case.sentence for case in CASES})
    sys.stdout.write(f"\n{text}\n")
    if options.readme:
        before, rest = _README.read_text().split(_MARK[0])
        _README.write_text(f"{before}{_MARK[0]}\n{text}\n{_MARK[1]}{rest.split(_MARK[1])[1]}")
    ours = [cells for cells in results.values() if LOGSHIP in (driver for driver, _ in found) and cells[0] != "pass"]
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
