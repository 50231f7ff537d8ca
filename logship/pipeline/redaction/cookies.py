"""Cookies: every value of a `Cookie` or `Set-Cookie` header goes, names and attributes stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logship.pipeline.redaction import judge
from logship.pipeline.redaction.marks import Marks
from logship.pipeline.redaction.quotes import end_of
from logship.pipeline.redaction.values import Found

_HEADER = re.compile(
    r"(?i:\bcookies?|(?<=\\[nrt])cookies?|(?<=_)cookies?)(?:\\{0,7}[\"'`])?"
    r"\s{0,8}(?:[:=]|：|\\{1,7}uff1a|,(?=\s?b?[\"']))\s{0,8}([\[({]\s{0,80})?(?:b?(\\{0,7})([\"'`]))?",
    re.ASCII,
)
#: `name=value` of a header, and `'name': 'value'` of a dict.
_PAIR = re.compile(r"[\s;,&]{0,8}([\w!#$%&'*+.^`|~-]{1,100})=(?:\\{0,7}[\"'])?([^\s;,\"'\\\x00]*)", re.ASCII)
_ITEM = re.compile(
    r"[\s,]{0,80}\\{0,7}[\"']([\w.-]{1,100})\\{0,7}[\"']\s?:\s?\\{0,7}[\"']([^\"'\\\x00]*)\\{0,7}[\"']", re.ASCII
)
_LONE = re.compile(r"[^\s;,\"'\\\x00{}()<>]+", re.ASCII)
_FLAG = re.compile(r"[\s;]{0,4}(?i:secure|httponly|partitioned)(?=[\s;,\"'\\]|$)", re.ASCII)
#: A small number, or a language: no secret.
_PLAIN = re.compile(r"\d{1,5}|[a-z]{2}(?:[-_](?:[A-Z]{2}|Hans|Hant))?", re.ASCII)
_ATTRIBUTES = frozenset(
    {"path", "expires", "max-age", "domain", "samesite", "secure", "httponly", "priority", "version"}
)
_DATE = re.compile(r",? ?\d{1,2}[ -][A-Za-z]{3}[ -]\d{2,4} [\d:]{8}(?: GMT)?", re.ASCII)


def find(text: str, mark: Marks) -> Iterator[Found]:
    """Yield the values of a text's cookies, in order."""
    position = 0
    while header := _HEADER.search(text, position):
        position = header.end()
        end = len(text)
        form = _PAIR
        if header[1] and header[1][0] == "{":
            form, position = _ITEM, header.end(1)
        elif header[3]:
            end, _ = end_of(text, position, len(header[2]), header[3])
        pairs = 0
        while True:
            if flag := _FLAG.match(text, position, end):
                position = flag.end()
                continue
            pair = form.match(text, position, end)
            if not pair:
                break
            pairs += 1
            position = pair.end()
            if pair[1].lower() in _ATTRIBUTES:
                if date := _DATE.match(text, position, end):
                    position = date.end()
                continue
            if not judge.harmless(pair[2]) and not _PLAIN.fullmatch(pair[2]):
                yield Found(pair.start(2), pair.end(2), "cookie", mark("cookie", pair[2]))
        if not pairs and (lone := _LONE.match(text, position, end)):
            position = lone.end()
            if judge.mixed(lone[0]) and len(lone[0]) > 7 and judge.given(lone[0]):
                yield Found(lone.start(), lone.end(), "cookie", mark("cookie", lone[0]))
