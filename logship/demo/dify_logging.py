"""
Python logging, set up as Dify sets it up.

Two handlers on the root logger with one formatter and the same filters: a
`RotatingFileHandler` on LOG_FILE, if that is set, and a `StreamHandler` on
stdout. LOG_FORMAT, LOG_DATEFORMAT, LOG_TZ and LOG_OUTPUT_FORMAT have Dify's
meanings and defaults, only that LOG_FILE_MAX_SIZE may be a fraction of a
megabyte here, so that a file is rotated within seconds.
"""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s [%(threadName)s] [%(filename)s:%(lineno)d] %(trace_id)s - %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
_SEVERITY = {"WARNING": "WARN", "CRITICAL": "ERROR"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes a request."""

    tenant_id: str
    user_id: str
    user_type: str = "account"


#: The request or task that is being handled: ten hex digits, or "" outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")
identity: ContextVar[Identity | None] = ContextVar("identity", default=None)


class TraceContextFilter(logging.Filter):
    """Give every record the trace id of its request, empty outside of one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes; let everything pass."""
        current = request_id.get()
        record.req_id = current
        record.trace_id = uuid.uuid5(uuid.NAMESPACE_DNS, current).hex if current else ""
        return True


class IdentityContextFilter(logging.Filter):
    """Give every record the identity of who makes the request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attribute; let everything pass."""
        record.identity = identity.get()
        return True


class ZonedFormatter(logging.Formatter):
    """Text, with stamps in LOG_TZ and no zone written."""

    def __init__(self, layout: str, date_format: str, zone: str) -> None:
        super().__init__(layout, date_format)
        self.converter = lambda seconds: datetime.fromtimestamp(seconds or 0, ZoneInfo(zone)).timetuple()


class JsonFormatter(logging.Formatter):
    """One JSON object a line; only what is not empty."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        found: dict[str, object] = {
            "ts": now,
            "severity": _SEVERITY.get(record.levelname, record.levelname),
            "service": "langgenius/dify",
            "caller": f"{record.filename}:{record.lineno}",
            "message": record.getMessage(),
        }
        who = getattr(record, "identity", None)
        if trace := getattr(record, "trace_id", ""):
            found["trace_id"] = trace
        if isinstance(who, Identity):
            found["identity"] = {"tenant_id": who.tenant_id, "user_id": who.user_id, "user_type": who.user_type}
        if record.exc_info and record.levelno >= logging.ERROR:
            found["error_source"] = "system"
            found["stack_trace"] = self.formatException(record.exc_info)
        return orjson.dumps(found).decode()


def configure(environment: Mapping[str, str]) -> None:
    """Install the handlers that the variables ask for."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if log_file := environment.get("LOG_FILE"):
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        size = int(float(environment.get("LOG_FILE_MAX_SIZE", "20")) * 1024 * 1024)
        backups = int(environment.get("LOG_FILE_BACKUP_COUNT", "5"))
        handlers.insert(0, RotatingFileHandler(log_file, maxBytes=size, backupCount=backups))
    if environment.get("LOG_OUTPUT_FORMAT") == "json":
        formatter: logging.Formatter = JsonFormatter()
    else:
        formatter = ZonedFormatter(
            environment.get("LOG_FORMAT", FORMAT),
            environment.get("LOG_DATEFORMAT", DATE_FORMAT),
            environment.get("LOG_TZ", "UTC"),
        )
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(TraceContextFilter())
        handler.addFilter(IdentityContextFilter())
    logging.basicConfig(level=environment.get("LOG_LEVEL", "INFO"), handlers=handlers, force=True)
