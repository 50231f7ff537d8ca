"""
Random and mutated lines through every pipeline and envelope.

    make fuzz [FUZZ="--minutes 10 --seed 7"]
    python tests/fuzz/fuzz.py --seed 7 --case 1234    one case of a seed again

No line may raise, lose a word, or cost more than in proportion. Exits with 1 at the
first case that fails, after saying how to see it again.
"""

import argparse
import math
import secrets
import sys
import time

import click
from mutations import PIPELINES, Case, case

from logship.data import data_path
from logship.lines.envelope import cut, unwrap, unwrap_some
from logship.lines.join import Joiner, compile_starts
from logship.model import Chunk, FileRef, Source
from logship.pipeline.compiled import Compiled, compile_pipeline
from logship.pipeline.encoder import Encoder
from logship.pipeline.redaction import Redactor

#: CPU seconds that any case may take, and more for each byte: a hundred times what lines take.
_FREE, _A_BYTE = 0.2, 1e-4
#: Fields that hold the text of an event.
_TEXT = (b'"message":"', b'"original":"', b'"stack_trace":"')


class Fuzzer:
    """Reads cases as the agent would: in chunks, by the short way where it is taken, to the end."""

    def __init__(self) -> None:
        self._redactor = Redactor.load(data_path("pipelines") / "redaction.yaml", policies={}, key=b"k" * 32)
        self._compiled: dict[str, Compiled] = {}

    def check(self, one: Case) -> None:
        """Raise AssertionError if a case breaks what must hold; other errors are failures, too."""
        begin = time.process_time()
        documents, redacted = self._documents(one)
        seconds = time.process_time() - begin
        limit = _FREE + _A_BYTE * len(one.data)
        if seconds > limit:  # a busy machine is no fault of the case
            begin = time.process_time()
            self._documents(one)
            seconds = time.process_time() - begin
        assert seconds <= limit, f"{seconds:.2f} s of CPU for {len(one.data)} bytes"
        text = one.word[2:].lower().encode()
        for document in b"".join(documents).split(b"\n")[1::2]:
            assert any(name in document for name in _TEXT), document[:300]
        if not redacted:
            assert text in b"".join(documents).lower(), f"{one.word} was in a line and is in no document"

    def _documents(self, one: Case) -> tuple[list[bytes], int]:
        source = Source(one.service, one.envelope)
        spec = PIPELINES.for_source(source)
        if spec.name not in self._compiled:
            self._compiled[spec.name] = compile_pipeline(spec, "UTC")
        encoder = Encoder(spec, source, self._redactor, key="key", compiled=self._compiled[spec.name], constants={})
        joiner = Joiner(compile_starts(spec.starts), compile_starts(spec.alone), max_lines=200, max_bytes=1 << 18)
        found: list[bytes] = []
        redacted = offset = 0
        lines = one.data.splitlines(keepends=True) if b"\r" not in one.data else [one.data]
        for start in range(0, len(lines), 40):
            data = b"".join(lines[start : start + 40])
            chunk = Chunk(FileRef(1, "key", "/f", source), offset, data, len(data))
            offset += len(data)
            taken = None
            if one.envelope == "docker" and not joiner.has_parts:
                raw, edges = cut(chunk)
                taken = encoder.take(chunk.data, raw, edges)
            unwrapped = unwrap(chunk) if taken is None else unwrap_some(raw, edges, taken.rest)
            if taken is not None and "" in unwrapped.times:
                taken, unwrapped = None, unwrap(chunk)
            encoded = encoder.encode(joiner.feed(unwrapped, 0), taken)
            found += encoded.documents
            redacted += sum(encoded.redacted.values())
        encoded = encoder.encode(joiner.flush(math.inf))
        found += encoded.documents
        assert all(document.endswith(b"\n") for document in found)
        return found, redacted + sum(encoded.redacted.values())


def run(seed: int, seconds: float, fuzzer: Fuzzer) -> tuple[int, str]:
    """Check cases of a seed for some seconds; return how many, and what failed."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        try:
            fuzzer.check(case(seed, number))
        except Exception as error:
            return number, f"case {number} of seed {seed}: {type(error).__name__}: {error}"
        number += 1
    return number, ""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--case", type=int, default=None, help="check and show this case alone")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    click.echo(f"seed {seed}")
    fuzzer = Fuzzer()
    if options.case is not None:
        one = case(seed, options.case)
        click.echo(
            f"{one.service}, {one.envelope}, the word is {one.word}\n{one.data.decode(errors='replace')}\n"
        )
        fuzzer.check(one)
        return 0
    count, failure = run(seed, options.minutes * 60, fuzzer)
    if failure:
        again = failure.split()[1]
        click.echo(f"{failure}\nagain: python tests/fuzz/fuzz.py --seed {seed} --case {again}", err=True)
        return 1
    click.echo(f"{count} files, nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
