"""Passwords in URLs: `scheme://user:password@host`, also where the password holds what it should have escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logship.pipeline.redaction import judge
from logship.pipeline.redaction.marks import Marks, is_mark
from logship.pipeline.redaction.values import Found

_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}:(?=\\{0,7}/)", re.ASCII)
_SLASHES = re.compile(r":\\{0,7}/\\{0,7}/")
#: What a URL may hold; a quote, white space or an angle bracket ends it.
_AUTHORITY = re.compile(r"[^\s\"'`<>\x00]{1,400}")
_HOST = re.compile(
    r"(?:[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.%]+\])?(?::\d{1,5})?(?=\\{0,7}/|[?#\s\"'`<>,;)\]}&\x00]|[.:]?$|\.\s|%2F|\(|:\s|\\)",
    re.ASCII,
)
_WEB = re.compile(r"(?:https?|wss?|ftp|ssh|git)$", re.ASCII | re.IGNORECASE)
_PORT = re.compile(r"\d{1,5}(?=\\{0,7}(?:/|$)|[?#])", re.ASCII)
#: Go's and JDBC's: `user:password@tcp(host)`.
_GO = re.compile(r"(?<![A-Za-z0-9_.-])[\w.-]{1,60}:([^\s\"'`/@]{1,120})@(?=(?:tcp|unix|udp)\()", re.ASCII)


def find(text: str, mark: Marks) -> Iterator[Found]:
    """Yield the passwords of a text's URLs, in order."""
    position = 0
    while match := _SLASHES.search(text, position):
        position = match.end()
        if found := _password(text, match, mark):
            position = found.end
            yield found


def find_go(text: str, mark: Marks) -> Iterator[Found]:
    """Yield the passwords of Go's data source names."""
    for match in _GO.finditer(text):
        if not judge.harmless(match[1]):
            yield Found(match.start(1), match.end(1), "url-password", mark("url-password", match[1]))


def _password(text: str, slashes: re.Match[str], mark: Marks) -> Found | None:
    start = slashes.end()
    authority = _AUTHORITY.match(text, start)
    if not authority or "@" not in authority[0]:
        return None
    run = authority[0]
    colon = run.find(":")
    slash = min((place for place in (run.find("/"), run.find("?"), run.find("#")) if place >= 0), default=len(run))
    # The last @ that a host follows, before the path; behind a slash only if what precedes it is no host and port.
    places = [place.start() for place in re.finditer("@", run) if _HOST.match(run, place.end())]
    if colon < 0 or colon > slash:
        return _user_only(run, start, [place for place in places if place < slash], mark)
    near = [place for place in places if colon < place < slash]
    if near:
        # A path of a database or a queue holds no @; that of a web page may.
        beyond = (
            [place for place in places if place > near[-1]]
            if not _WEB.search(text[max(0, slashes.start() - 6) : slashes.start()])
            else []
        )
        end = (beyond or near)[-1]
    elif colon > 0 and (_PORT.match(run, colon + 1) or run[colon + 1 : colon + 2] in "/\\"):
        return _user_only(run, start, [place for place in places if place < colon], mark)
    else:
        far = [place for place in places if place > colon]
        if not far:
            return None
        end = far[0]
    value = run[colon + 1 : end]
    if judge.harmless(value) or is_mark(value[-1:]):
        if not value:
            return _user_only(run, start, [colon], mark)
        return None
    return Found(start + colon + 1, start + end, "url-password", mark("url-password", value))


def _user_only(run: str, start: int, places: list[int], mark: Marks) -> Found | None:
    """Take a user without a password for a token if it looks like one."""
    if not places:
        return None
    value = run[: places[-1]]
    if len(value) < 16 or not judge.random(value) or judge.harmless(value) or is_mark(value[-1:]):
        return None
    return Found(start, start + len(value), "url-password", mark("url-password", value))
