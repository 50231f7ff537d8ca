"""
The agent's own log, on stderr.

What repeats is counted instead of repeated; secrets are masked; at error level
nothing is written that could be a line of somebody's log.
"""

from __future__ import annotations

import atexit
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from logship.errors import LogshipError

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

MASK = "********"
_SECRET = re.compile(
    r"(?i)(?:^|[_.-])(?:passw(?:or)?d|passphrase|secret|token|bearer|authorization|cookie|credentials?|api_?key)"
    r"(?:$|[_.-])"
)
#: A login in a URL; a header's value.
_INSIDE = re.compile(r"(?i)(://[^\s/:@]*:)[^\s/@]+(?=@)|\b((?:bearer|basic|apikey)\s+)[A-Za-z0-9+/=_.~-]{8,}")
#: Keys that hold a log's text.
_TEXT = frozenset({"document", "documents", "line", "lines_text", "text", "body", "original", "message", "sample"})
#: Keys that tell one cause of an event from another.
_SUBJECT = ("key", "file", "path", "sink", "service", "container", "error")
_GRAVE = frozenset({"error", "critical", "exception"})
#: Key of an event's kind, where its name varies; not written.
_FORM = "_form"


def configure(level: Level = "info", format: Format = "auto", stream: TextIO | None = None) -> None:
    """Set up structlog, and lead what libraries log by `logging` to the same place."""
    stream = stream or sys.stderr
    console = format == "console" or (format == "auto" and stream.isatty())
    repeats = Repeats()
    least = getattr(logging, level.upper())
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            Exceptions(debug=level == "debug"),
            withhold,
            mask,
            repeats,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    # Libraries log whole requests below warning; a request holds documents.
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[_Forward()], force=True)
    # What its warnings say, that a node does not answer, we say ourselves, in the terms of delivery.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    atexit.unregister(close)
    atexit.register(close)
    global _active
    _active = repeats


def mask(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Mask the values of keys that name secrets, and logins inside texts."""
    return {key: _masked(key, value) for key, value in event.items()}


def withhold(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Put the length in place of a log's text, at error level and above."""
    if method not in _GRAVE:
        return event
    return {
        key: f"({len(value)} withheld)"
        if key in _TEXT and isinstance(value, str | bytes | list | tuple | dict)
        else value
        for key, value in event.items()
    }


class Exceptions:
    """Turn `exc_info` into text: whole when debugging, else without messages that may quote a log's text."""

    def __init__(self, *, debug: bool) -> None:
        self._debug = debug

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG002
        """Replace `exc_info` by `exception`."""
        error = _exception(event.pop("exc_info", None))
        if error is not None:
            event["exception"] = "".join(traceback.format_exception(error)) if self._debug else _places(error)
        return event


@dataclass(slots=True)
class _Window:
    name: str
    since: float
    seen: int = 0
    held: int = 0


class Repeats:
    """
    Let the first events of a kind through and count the rest.

    A kind is the event's name and its subject (key, file, sink …); of a library's
    line, its form without the numbers in it. When its window is over, one line
    says how often it was held back.
    """

    def __init__(
        self,
        limit: int = 5,
        seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        report: Callable[[str, int], None] | None = None,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._report = report or self._log
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._lock = threading.Lock()

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG002
        """Pass an event on, or drop it."""
        form = event.pop(_FORM, ())
        if event.get("event") == "repeated":
            return event
        name = str(event.get("event"))
        kind = (method, *(form or (name,)), *(str(event[key]) for key in _SUBJECT if key in event))
        with self._lock:
            over = self._take(self._clock() - self._seconds)
            window = self._windows.setdefault(kind, _Window(name, self._clock()))
            window.seen += 1
            held = window.seen > self._limit
            window.held += held
        for name, times in over:
            self._report(name, times)
        if held:
            raise structlog.DropEvent
        return event

    def close(self) -> None:
        """Report what is still held back."""
        with self._lock:
            over = self._take(float("inf"))
        for name, times in over:
            self._report(name, times)

    def _take(self, before: float) -> list[tuple[str, int]]:
        # Windows lie in the order of their beginning, so the look is short.
        over = []
        while self._windows:
            kind, window = next(iter(self._windows.items()))
            if window.since > before:
                break
            del self._windows[kind]
            if window.held:
                over.append((window.name, window.held))
        return over

    def _log(self, name: str, times: int) -> None:
        structlog.get_logger().warning("repeated", of=name, times=times, seconds=self._seconds)


class _Forward(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it under the library's name."""
        method = record.levelname.lower() if record.levelno <= logging.ERROR else "error"
        log = structlog.get_logger()
        # "failed for 7 times in a row" and "for 8 times" are one thing that repeats.
        arguments = record.args if isinstance(record.args, tuple) else ()
        texts = (str(one)[:200] for one in arguments if not isinstance(one, int | float))
        getattr(log, method, log.warning)(
            record.getMessage(),
            logger=record.name,
            exc_info=record.exc_info or None,
            **{_FORM: (record.name, str(record.msg), *texts)},
        )


_active: Repeats | None = None


def close() -> None:
    """Report what is still held back; done at exit too."""
    if _active is not None and not sys.stderr.closed:
        _active.close()


def _masked(key: str, value: object) -> object:
    if value is not None and value != "" and _SECRET.search(key):
        return MASK
    if isinstance(value, Mapping):
        return {inner: _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", item) for item in value]
    if isinstance(value, str):
        return _INSIDE.sub(lambda found: (found[1] or found[2]) + MASK, value)
    return value


def _exception(found: ExcInfo | BaseException | bool | None) -> BaseException | None:
    if isinstance(found, BaseException):
        return found
    if isinstance(found, tuple):
        return found[1]
    return sys.exc_info()[1] if found else None


def _places(error: BaseException) -> str:
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < 5:
        frames = traceback.extract_tb(seen.__traceback__)
        at = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames[-5:]))
        # Ours and the system's own messages name paths and causes, never a log's text.
        said = f": {seen}" if isinstance(seen, LogshipError | OSError) else ""
        lines.append(f"{type(seen).__name__}{said} at {at}")
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines)
