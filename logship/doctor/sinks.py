"""The places that documents go to: do they answer, and may we write there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from logship.delivery.sink import SinkUnavailable
from logship.doctor.finding import Finding
from logship.elastic.client import Client
from logship.elastic.keys import only_writes
from logship.elastic.server import ask
from logship.errors import LogshipError

if TYPE_CHECKING:
    from logship.delivery.sinks.forward import ForwardSink

_STREAMS = "logs-dify.*-*"
_PRIVILEGES = ("create_doc", "auto_configure")


def elasticsearch(connect: Callable[[], Client]) -> Iterator[Finding]:
    """Ask the server who it is, and whether documents may be created in our data streams."""
    client = connect()
    try:
        answer = ask(client, "GET", "/")
        if answer.status == 401:
            what = f"refuses who we are: {answer.error()}"
            yield Finding("problem", "elasticsearch", what, "check the API key or the password")
            return
        # A key with the least rights may not ask: it answers 403, and is there all the same.
        if answer.status not in (200, 403):
            yield Finding("problem", "elasticsearch", f"answers {answer.error()}", "is it Elasticsearch, and healthy?")
            return
        lacking = _lacking(client)
        others = only_writes(client)
    except LogshipError as error:
        yield Finding("problem", "elasticsearch", str(error), error.hint)
        return
    finally:
        client.close()
    if lacking:
        what = f"answers, but its key lacks {', '.join(lacking)} on {_STREAMS}: every document would be refused"
        yield Finding("problem", "elasticsearch", what, "`logship setup` makes keys with what is needed")
    else:
        body = answer.json()
        version = body.get("version", {}).get("number", "") if isinstance(body, dict) else ""
        left = "; templates are left to `logship setup`: this key only writes" if others else ""
        yield Finding("ok", "elasticsearch", f"{version} answers, and takes documents{left}".lstrip())


def _lacking(client: Client) -> list[str]:
    """Return the privileges we have not; none where the server has no security, or does not tell."""
    wanted = {"index": [{"names": [_STREAMS], "privileges": list(_PRIVILEGES)}]}
    answer = ask(client, "POST", "/_security/user/_has_privileges", wanted)
    body = answer.json() if answer.status == 200 else None
    found = body.get("index", {}).get(_STREAMS, {}) if isinstance(body, dict) else {}
    return [name for name in _PRIVILEGES if found.get(name) is False]


def forward(connect: Callable[[], ForwardSink]) -> Iterator[Finding]:
    """Connect to Fluentd or Fluent Bit, and prove the shared key where there is one."""
    try:
        sink = connect()
    except LogshipError as error:
        yield Finding("problem", "forward", str(error), error.hint)
        return
    try:
        sink.greet()
    except SinkUnavailable as error:
        yield Finding("problem", "forward", str(error), "is it running, and its in_forward listening there?")
    else:
        yield Finding("ok", "forward", "takes connections")
    finally:
        sink.close()


def file_sink(path: Path) -> Iterator[Finding]:
    """Tell whether the file sink can write where it is to."""
    place = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    if place.is_file() == (place == path) and os.access(place, os.W_OK):
        yield Finding("ok", str(path), "can be written")
    else:
        yield Finding("problem", str(path), f"cannot be written: {place} is in the way, or another user's", (
            "check the owner and mode of the folder, and that file_sink.path names a file"
        ))  # fmt: skip
