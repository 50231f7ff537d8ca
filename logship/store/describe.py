"""
Tell what segments hold that no catalogue names: a process of its own, because DuckDB never lives in the agent.

Prints rows of the catalogue as JSON; a segment that cannot be read has none.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import orjson

from logship.errors import LedgerError
from logship.store.sealed import Sealed


def describe(state_dir: Path, paths: list[Path]) -> list[Sealed]:
    """Return the catalogue's rows of segments; those that cannot be read are left out. Raises LedgerError."""
    command = [sys.executable, "-m", "logship.store.describe", str(state_dir), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise LedgerError(f"the segments in {state_dir} cannot be read: {last}", "see `logship doctor`")
    return [Sealed(**row) for row in orjson.loads(done.stdout)]


def _rows(state_dir: Path, paths: list[Path]) -> list[Sealed]:
    import duckdb

    found = []
    with duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for path in paths:
            try:
                row = connection.execute(
                    "SELECT min(dataset), min(seq), max(seq), count(*), min(time), max(time) FROM read_parquet(?)",
                    [[str(path)]],
                ).fetchone()
            except duckdb.Error:
                continue
            if row is None or not row[3]:
                continue
            dataset, first, last, count, begin, end = row
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            relative = str(path.relative_to(state_dir))
            seqs, size = [first, last], path.stat().st_size
            found.append(Sealed(relative, dataset, seqs, count, _text(begin), _text(end), size, digest))
    return found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps([asdict(one) for one in _rows(Path(sys.argv[1]), [*map(Path, sys.argv[2:])])]))
