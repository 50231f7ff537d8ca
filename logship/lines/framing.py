"""
What ends a record of a file, and how its bytes become text.

Nearly always that is a newline and UTF-8, which `envelope` does fast. An entry of
`files` may name another encoding and another delimiter; positions stay bytes of
the file, whatever its encoding.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import Any

from logship.model import Chunk, Lines, Source

#: Bytes of a character's parts, where that is not one.
_WIDE = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
#: Encodings in which a later byte of a character may look like a character of its own, from "0" (0x30) on.
_DOUBLE = frozenset(
    (
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp950"),
        *("shift_jis", "cp932", "shift_jis_2004", "shift_jisx0213", "euc_jp", "euc_kr", "cp949"),
    )
)
_SINGLE = frozenset(
    (
        *(f"iso8859-{number}" for number in range(1, 17) if number != 12),
        *(f"cp125{number}" for number in range(9)),
        *("ascii", "cp437", "cp850", "cp852", "cp866", "cp874", "koi8-r", "koi8-u", "mac-roman", "tis-620"),
    )
)
_LEAST_LATER = 0x30
#: As many NUL characters in a row are no text of anybody's.
_HOLE = re.compile("\0{16,}")
_BYTE_ORDER_MARK = "\ufeff"


def known_encoding(name: str) -> str:
    """Return the usual name of an encoding; raises LookupError for one that is unknown, or has a memory of its own."""
    usual = codecs.lookup(name).name
    if usual in ("utf-8", "utf-16") or usual in _WIDE or usual in _DOUBLE or usual in _SINGLE:
        return usual
    raise LookupError(name)


def framing_of(source: Source) -> Framing:
    """Return how a file's bytes become records."""
    return _framing(source.encoding, source.delimiter)


class Framing:
    """An encoding, and what ends a record."""

    def __init__(self, encoding: str, delimiter: str) -> None:
        self._encoding = encoding
        self._newline = delimiter == "\n"
        #: Lines of UTF-8, which need nothing of this.
        self.usual = encoding == "utf-8" and self._newline
        #: The bytes that end a record.
        self.ending = delimiter.encode(encoding)
        #: Records begin and end at multiples of it.
        self.width = _WIDE.get(encoding, 1)
        self._decoder = codecs.getincrementaldecoder(encoding)
        self._doubtful = encoding in _DOUBLE and self.ending[0] >= _LEAST_LATER
        #: Wherever the ending's bytes stand a record ends, so that the last one can be looked for from behind.
        self._plain = self.width == 1 and not self._doubtful and len(set(self.ending)) == len(self.ending)

    def end(self, data: bytes, start: int = 0) -> int:
        """Return where the last whole record ends; 0: there is none. A record begins at `start`."""
        if self._plain:
            at = data.rfind(self.ending, start)
            return at + len(self.ending) if at >= 0 else 0
        ends = self.ends(data, start)
        return ends[-1] if ends else 0

    def ends(self, data: bytes, start: int = 0) -> list[int]:
        """Return where each whole record ends, just after what ends it."""
        found, begin, at = [], start, start
        decoder, decoded = self._decoder("replace"), start
        while (at := data.find(self.ending, at)) >= 0:
            if self._doubtful:
                decoder.decode(data[decoded:at])
                decoded = at
            if (at - begin) % self.width or (self._doubtful and decoder.getstate()[0]):
                at += 1  # within a character
                continue
            begin = at = at + len(self.ending)
            found.append(at)
            decoder, decoded = self._decoder("replace"), at
        return found

    def find(self, data: bytes) -> int:
        """Return where a record that is too long ends in a further part of it; -1: not there."""
        at = data.find(self.ending)
        while at >= 0 and at % self.width:
            at = data.find(self.ending, at + 1)
        return at

    def searched(self, length: int) -> int:
        """Return how many of so many bytes need not be searched again: what ends the record may have begun in them."""
        return max(length - len(self.ending) + 1, 0) // self.width * self.width

    def whole(self, data: bytes) -> bytes:
        """Drop the bytes of a character that was cut off at the end."""
        decoder = self._decoder("replace")
        decoder.decode(data)
        return data[: len(data) - len(decoder.getstate()[0])]

    def lines(self, chunk: Chunk) -> Lines:
        """Return the records of a chunk; the last may lack its end, as in a file that has ended."""
        data, size = chunk.data, len(self.ending)
        ends = [len(data)] if chunk.original_length is not None else self.ends(data)
        behind = [end - size for end in ends]
        if not ends or ends[-1] < len(data):
            ends.append(len(data))
            behind.append(len(data))
        starts = [0, *ends[:-1]]
        extra: dict[int, dict[str, Any]] = {}
        texts = [
            self._text(data[start:end], row, extra)
            for row, (start, end) in enumerate(zip(starts, behind, strict=True))
        ]
        if chunk.offset == 0:
            texts[0] = texts[0].removeprefix(_BYTE_ORDER_MARK)
        offsets = [chunk.offset + start for start in starts]
        count = len(texts)
        return Lines(
            offsets, [*offsets[1:], chunk.offset + chunk.span], texts, [""] * count, [""] * count, [], extra
        )

    def _text(self, record: bytes, row: int, extra: dict[int, dict[str, Any]]) -> str:
        text = record.decode(self._encoding, "replace")
        if "\0" in text:  # holes that a writer without O_APPEND leaves after a truncation
            kept = _HOLE.sub("", text.strip("\0"))
            if len(kept) < len(text):
                extra[row] = {"log.nul_bytes": (len(text) - len(kept)) * self.width}
            text = kept.replace("\0", "\\0")
        # Beside a delimiter of its own a line end is layout.
        return text.removesuffix("\r") if self._newline else text.strip("\r\n")


_framing = cache(Framing)
