"""
Write unsealed batches of a ledger into segments: the archiver's child process.

A child, because DuckDB costs more memory than the whole agent: it comes, seals at most `--max-bytes`, prints the
catalogue rows as JSON and ends. It only reads the ledger; the parent enters the rows. A segment has its final name only
when it is whole and on the disk, so whatever happens here leaves at worst a file that no row names.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb
import orjson

from logship.model import by_time
from logship.store import engine
from logship.store.batches import open_ledger, unpack
from logship.store.sealed import Sealed, locked, sync_directory

ROW_GROUP = 20_000
MAX_BYTES = 32 << 20
#: Before compression; some logs are mostly repetition.
MAX_PLAIN = 64 << 20
#: DuckDB's own limit while it sorts and writes that much.
MEMORY = "256MB"
#: What one row group holds at most, so that a few large documents do not fill the memory.
GROUP_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class _Waiting:
    seq: int
    dataset: str
    count: int
    first_time: str
    last_time: str
    #: Bytes as they lie, and before compression.
    packed: int
    size: int


def waiting(ledger: sqlite3.Connection, max_bytes: int) -> dict[str, list[_Waiting]]:
    """Choose the oldest unsealed batches, by dataset, until their bodies reach `max_bytes`; at least one."""
    chosen: dict[str, list[_Waiting]] = {}
    packed = plain = 0
    rows = ledger.execute(
        "SELECT seq, dataset, count, first_time, last_time, length(body), size FROM batch"
        " WHERE segment IS NULL ORDER BY seq"
    )
    for row in rows:
        batch = _Waiting(*row)
        packed += batch.packed
        plain += batch.size
        if chosen and (packed > max_bytes or plain > MAX_PLAIN):
            break
        chosen.setdefault(batch.dataset, []).append(batch)
    rows.close()
    return chosen


def seal(state_dir: Path, *, max_bytes: int = MAX_BYTES, memory: str = MEMORY) -> list[Sealed]:
    """
    Write the oldest unsealed batches into one segment for each dataset.

    When they are too much for the memory, seal fewer; in the end one batch at a time.
    """
    segments = state_dir / "segments"
    with closing(open_ledger(state_dir)) as ledger:
        while True:
            chosen = waiting(ledger, max_bytes)
            try:
                return [_write(ledger, segments, dataset, batches, memory) for dataset, batches in chosen.items()]
            except duckdb.OutOfMemoryException:
                if sum(len(batches) for batches in chosen.values()) == 1:
                    raise
                max_bytes = sum(batch.packed for batches in chosen.values() for batch in batches) // 4


def _write(ledger: sqlite3.Connection, segments: Path, dataset: str, batches: list[_Waiting], memory: str) -> Sealed:
    first = min((batch.first_time for batch in batches), key=by_time)
    directory = segments / first[:10]
    if not directory.exists():
        directory.mkdir(mode=0o700)
        sync_directory(segments)
    final = directory / f"{quote(dataset, safe='')}-{batches[0].seq}.parquet"
    temporary = final.with_suffix(".tmp")
    with engine.engine(segments, memory=memory, threads=1) as connection:
        engine.create_raw(connection)
        for batch in batches:
            (body,) = ledger.execute("SELECT body FROM batch WHERE seq = ?", (batch.seq,)).fetchone()
            ids, documents = unpack(body)
            if len(ids) != batch.count or len(documents) != batch.count:
                raise ValueError(f"batch {batch.seq} holds {len(ids)} documents; its row says {batch.count}")
            engine.insert_raw(
                connection, seq=batch.seq, dataset=dataset, fallback=batch.first_time, ids=ids, documents=documents
            )
        count = _copy(connection, temporary, sum(batch.size for batch in batches))
    size, sha256 = _finish(temporary, final)
    return Sealed(
        path=str(final.relative_to(segments.parent)),
        dataset=dataset,
        seqs=[batch.seq for batch in batches],
        count=count,
        first_time=first,
        last_time=max((batch.last_time for batch in batches), key=by_time),
        size=size,
        sha256=sha256,
    )


def _copy(connection: duckdb.DuckDBPyConnection, target: Path, size: int) -> int:
    literal = "'" + str(target).replace("'", "''") + "'"
    (rows,) = connection.execute("SELECT count(*) FROM raw").fetchone() or (0,)
    group = min(ROW_GROUP, max(2048, GROUP_BYTES * rows // size))
    connection.execute(
        f"COPY ({engine.projection()} ORDER BY time, seq, row) TO {literal}"
        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group})"
    )
    return int(rows)


def _finish(temporary: Path, final: Path) -> tuple[int, str]:
    temporary.chmod(0o600)
    with temporary.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        os.fsync(file.fileno())
    size = temporary.stat().st_size
    temporary.rename(final)
    sync_directory(final.parent)
    return size, digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Seal once, and print what was made as a JSON list."""
    parser = argparse.ArgumentParser(prog="logship.store.seal", description=main.__doc__)
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--max-bytes", type=int, default=MAX_BYTES)
    parser.add_argument("--memory", default=MEMORY)
    options = parser.parse_args(arguments)
    os.umask(0o077)
    segments = options.state_dir / "segments"
    segments.mkdir(mode=0o700, exist_ok=True)
    with locked(segments) as free:
        made = seal(options.state_dir, max_bytes=options.max_bytes, memory=options.memory) if free else []
        sys.stdout.buffer.write(orjson.dumps([asdict(sealed) for sealed in made]))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
