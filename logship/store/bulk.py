"""Reading a batch's blob: gzip of action line, document, action line, and so on."""

from __future__ import annotations

import orjson
from isal import igzip


def unpack(body: bytes) -> tuple[list[str], list[str]]:
    """Return the ids and the documents' exact text of a batch."""
    text: bytes = igzip.decompress(body)  # type: ignore[no-untyped-call]
    lines = text.split(b"\n")
    actions, documents = lines[0:-1:2], lines[1::2]
    ids = [next(iter(orjson.loads(action).values()))["_id"] for action in actions]
    return ids, [document.decode("utf-8", "replace") for document in documents]
