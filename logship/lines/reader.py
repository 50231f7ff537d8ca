"""
Files and standard input as blocks of whole lines, in bounded memory.

What Windows and log rotation do to a file is undone on the way: UTF-16
becomes UTF-8, gzip is unpacked.
"""

from __future__ import annotations

import codecs
import io
import math
import select
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from logship.errors import LogshipError

_READ = 64 << 10
_GZIP = b"\x1f\x8b\x08"
#: How files begin that are compressed otherwise, with what, and what unpacks them.
_OTHERS = {
    b"BZh91AY&SY": ("bzip2", "bzcat"),
    b"\xfd7zXZ\0": ("xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstdcat"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines; the last one of a stream may lack its newline."""

    data: bytes
    #: Bytes that it stands for; more than `data` when a long line was cut.
    span: int
    #: Length of the cut line that the block is.
    original_length: int | None = None


def blocks(
    stream: BinaryIO, *, limit: int = 1 << 20, quiet: float = 1.0, trouble: Callable[[LogshipError], None] | None = None
) -> Iterator[Block | None]:
    """
    Yield a stream's lines in blocks; None when a pipe has been quiet for `quiet` seconds.

    A line longer than `limit` bytes is cut and says how long it was. `trouble` is told what is wrong with a compressed
    file, and the next step, after what could be unpacked.
    """
    rest, cut = b"", 0
    for part in _decoded(_parts(stream, quiet), trouble or (lambda _: None)):
        if part is None:
            yield None
            continue
        if cut:
            head, newline, part = part.partition(b"\n")
            cut += len(head) + len(newline)
            if not newline:
                continue
            yield Block(rest, cut, cut - 1)
            rest, cut = b"", 0
        whole, newline, tail = (rest + part).rpartition(b"\n")
        rest = tail
        if newline:
            yield Block(whole + newline, len(whole) + 1)
        if len(rest) > limit:
            rest, cut = rest[:limit], len(rest)
    if rest:
        yield Block(rest, cut or len(rest), cut or None)


def _parts(stream: BinaryIO, quiet: float) -> Iterator[bytes | None]:
    """Yield bytes as they come; None when there are none for a while."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        descriptor = -1
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    idle = False
    while True:
        if descriptor >= 0 and not idle and quiet < math.inf and not select.select([descriptor], [], [], quiet)[0]:
            idle = True
            yield None
            continue
        part = read(_READ)
        idle = False
        if not part:
            return
        yield part


def _decoded(parts: Iterator[bytes | None], trouble: Callable[[LogshipError], None]) -> Iterator[bytes | None]:
    decode: Callable[[bytes], bytes] | None = None
    for part in parts:
        if part is None:
            yield None
            continue
        if decode is None:
            for magic, (name, program) in _OTHERS.items():
                if part.startswith(magic):
                    trouble(LogshipError(f"is compressed with {name}", f"unpack it: {program} FILE | logship parse"))
                    return
            decode = _decoder(part)
        yield decode(part)
    if isinstance(decode, _Gunzip) and decode.problem:
        trouble(LogshipError(decode.problem, "what comes before was read; is there a whole copy?"))


def _decoder(first: bytes) -> Callable[[bytes], bytes]:
    if first.startswith(_GZIP):
        return _Gunzip()
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        wide = codecs.getincrementaldecoder("utf-16")("replace")
        return lambda part: wide.decode(part).encode("utf-8", "replace")
    return lambda part: part


class _Gunzip:
    """Unpacks gzip, one member after another; `problem` says at the end what was wrong."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self._given = 0
        self._damage = ""
        #: A member was begun and has not ended.
        self._begun = False

    @property
    def problem(self) -> str:
        """Why not all could be unpacked; empty if it was."""
        return self._damage or ("the compressed data is cut off" if self._begun else "")

    def __call__(self, part: bytes) -> bytes:
        out = io.BytesIO()
        while not self._damage:
            if not self._begun:
                part = part.lstrip(b"\0")  # some writers fill up with NUL bytes
            if not part:
                break
            try:
                out.write(self._inner.decompress(part))
            except zlib.error:
                self._damage = f"the compressed data is damaged after {self._given + out.tell():,} unpacked bytes"
                break
            self._begun = not self._inner.eof
            part = self._inner.unused_data
            if self._inner.eof:
                self._inner = zlib.decompressobj(31)
        self._given += out.tell()
        return out.getvalue()
