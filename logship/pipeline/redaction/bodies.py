"""Bodies that Dify logs at DEBUG: prompts, answers, passwords; by default nothing of them is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.quotes import end_of
from logship.pipeline.redaction.values import Found

_BODY = re.compile(r"(?:Request|Response) Body:(?:[ \t\r\n]|\\{1,7}[nrt]){0,8}", re.ASCII)


def find(text: str, mark: Marks) -> Iterator[Found]:
    """Yield the body that follows `Request Body:`, to the end of the text or of the JSON string it is in."""
    match = _BODY.search(text)
    if not match:
        return
    end = len(text)
    if text[:1] == "{" and "\n" not in text:
        end, _ = end_of(text, match.end(), 0, '"')
    value = text[match.end() : end]
    if value.strip() and not is_mark(value):
        yield Found(match.end(), end, "body", mark("body", value))
