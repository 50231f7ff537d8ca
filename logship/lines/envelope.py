r"""
From bytes to lines: take off what the container engine wrapped around them.

Docker's json-file: one object a line, `{"log": "…\n", "stream": "stdout", "time": "…"}`;
a line over 16 KiB is split, and only the last part ends in a newline.

CRI, of containerd and CRI-O: `2025-11-20T08:00:00.123456789Z stdout F text`; the
first tag is P for a part of a line and F for its end, more follow after colons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import accumulate
from typing import Any

import orjson

from logship.lines.colours import without_colours
from logship.lines.framing import framing_of
from logship.model import Chunk, Lines

_BRACE = ord("{")
_CRI = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d) (stdout|stderr) ([PF])(?::\S*)?(?: (.*))?",
    re.ASCII | re.DOTALL,
)
#: As many NUL bytes in a row, inside a line, are no text of anybody's.
_HOLE = re.compile(rb"\0{16,}")


def cut(chunk: Chunk) -> tuple[list[bytes], list[int]]:
    """Return the lines of a chunk, each with its newline, and where on disk each begins and the last ends."""
    raw = BytesIO(chunk.data).readlines()  # a third of the time of bytes.split
    edges = list(accumulate(map(len, raw), initial=chunk.offset))
    edges[-1] = chunk.offset + chunk.span  # a cut line is longer on disk
    return raw, edges


def unwrap_some(raw: Sequence[bytes], edges: Sequence[int], rows: Sequence[int]) -> Lines:
    """Return some of the lines of a Docker json-file without their envelope."""
    some = [raw[row] for row in rows]
    lines = _docker(some, [edges[row] for row in rows], [edges[row + 1] for row in rows])
    return without_colours(lines, b"".join(some))


def unwrap(chunk: Chunk, lines_of: tuple[list[bytes], list[int]] | None = None) -> Lines:
    """
    Return the lines of a chunk without their envelope; a broken line keeps its raw text and says why.

    `lines_of` is what `cut` gave for it, where that was asked for already.
    """
    envelope, framing = chunk.file.source.envelope, framing_of(chunk.file.source)
    if framing.usual:
        raw, edges = lines_of or cut(chunk)
        lines = _docker(raw, edges[:-1], edges[1:]) if envelope == "docker" else _plain(chunk.data, raw, edges)
    else:
        lines = framing.lines(chunk)
    if envelope == "cri":
        lines = _cri(lines)
    without_colours(lines, chunk.data)
    if chunk.original_length is not None:
        lines.extra.setdefault(0, {}).update({"log.flags": ["truncated"], "log.original_length": chunk.original_length})
    return lines


def _plain(data: bytes, raw: list[bytes], edges: list[int]) -> Lines:
    extra: dict[int, dict[str, Any]] = {}
    if b"\0" in data:  # holes that a writer without O_APPEND leaves after a truncation, or a crash of the machine
        raw = [_without_hole(line, position, extra) if b"\0" in line else line for position, line in enumerate(raw)]
        data = b"".join(raw)
    try:
        texts = data.decode().split("\n")
        if len(texts) > len(raw):
            texts.pop()
    except UnicodeDecodeError:
        texts = [line.removesuffix(b"\n").decode(errors="replace") for line in raw]
    if "\r" in texts[0] or b"\r\n" in data:
        texts = [text.removesuffix("\r") for text in texts]
    if edges[0] == 0:
        texts[0] = texts[0].removeprefix("\ufeff")
    count = len(texts)
    return Lines(edges[:-1], edges[1:], texts, [""] * count, [""] * count, [], extra)


def _without_hole(line: bytes, position: int, extra: dict[int, dict[str, Any]]) -> bytes:
    """Take holes out of a line, and note how many NUL bytes they were; single ones inside it are escaped."""
    inner = line.removesuffix(b"\n")
    text = _HOLE.sub(b"", inner.strip(b"\0"))
    if len(text) < len(inner):
        extra[position] = {"log.nul_bytes": len(inner) - len(text)}
    return text.replace(b"\0", b"\\0") + line[len(inner) :]


def _cri(lines: Lines) -> Lines:
    """Take CRI's stamp, stream and tags off; a line without them stays as it is and says so."""
    texts, times, streams, partial = lines.texts, lines.times, lines.streams, []
    for position, text in enumerate(texts):
        found = _CRI.fullmatch(text)
        partial.append(found is not None and found[5] == "P")
        if found:
            times[position], streams[position] = _utc(found), found[4]
            texts[position] = (found[6] or "").removesuffix("\r")
        elif text:
            lines.extra[position] = {"error.type": "envelope", "error.message": "not a CRI line", "tags": ["unparsed"]}
    lines.partial = partial if any(partial) else []
    return lines


def is_cri(text: str) -> bool:
    """Return whether a line is one that containerd or CRI-O wrote."""
    return _CRI.match(text) is not None


def _utc(found: re.Match[str]) -> str:
    if found[3] != "Z":
        try:
            local = datetime.fromisoformat(found[1] + found[3]).astimezone(UTC)
        except (ValueError, OverflowError):
            return ""
        return f"{local:%Y-%m-%dT%H:%M:%S}{found[2] or ''}Z"
    return f"{found[1]}{found[2] or ''}Z"


def _docker(raw: list[bytes], offsets: list[int], ends: list[int]) -> Lines:
    extra: dict[int, dict[str, Any]] = {}
    try:
        records = orjson.loads(b"[%b]" % b",".join(raw))
        # Each line is one object: a line that holds two, or half of one, must not shift its neighbours.
        if len(records) != len(raw) or {line[0] for line in raw} != {_BRACE}:
            raise ValueError
        logs = [record["log"] for record in records]
        streams = [record["stream"] for record in records]
        times = [record["time"] for record in records]
        whole = [text[-1:] == "\n" for text in logs]
    except (ValueError, KeyError, TypeError, IndexError):
        records = [_record(line, position, extra) for position, line in enumerate(raw)]
        logs, streams, times = ([record[name] for record in records] for name in ("log", "stream", "time"))
        whole = [text[-1:] == "\n" for text in logs]
    for position, record in enumerate(records) if len(records[0]) > 3 or len(records[-1]) > 3 else ():
        if record.get("attrs"):
            extra.setdefault(position, {})["container.labels"] = record["attrs"]
    if all(whole):
        texts = [text[:-1] for text in logs]
        partial: list[bool] = []
    else:
        texts = [text[:-1] if ends else text for text, ends in zip(logs, whole, strict=True)]
        partial = [not ends for ends in whole]
    if any("\r" in text for text in (texts[0], texts[-1])):  # a terminal's line ends
        texts = [text.removesuffix("\r") for text in texts]
    return Lines(offsets, ends, texts, times, streams, partial, extra)


def _record(line: bytes, position: int, extra: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Decode one record on its own; what is not one becomes the text, with the reason beside it."""
    text = line.strip(b"\0 \n")
    if not text:
        return {"log": "\n", "stream": "", "time": ""}
    try:
        record = json.loads(text.decode(errors="replace"))  # takes lone surrogates, which orjson refuses
        log, stream, time = record["log"], record["stream"], record.get("time") or ""
        if isinstance(log, str) and isinstance(stream, str) and isinstance(time, str):
            return {**record, "log": log.encode(errors="replace").decode(), "stream": stream, "time": time}
        reason = "a field of the Docker record is not text"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        reason = "not a Docker json-file record"
    extra[position] = {"error.type": "envelope", "error.message": reason, "tags": ["unparsed"]}
    return {"log": text.decode(errors="replace").replace("\0", "\\0") + "\n", "stream": "", "time": ""}
