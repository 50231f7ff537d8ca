"""What is known of fields: their types, as the index templates map them, and which have a column in the segments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a field's values are compared; the Elasticsearch mapping type of the same name."""

    KEYWORD = "keyword"
    TEXT = "text"
    LONG = "long"
    DOUBLE = "double"
    DATE = "date"
    IP = "ip"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the segments that holds one field of each document."""

    name: str
    #: Dotted ECS name.
    field: str
    kind: Kind
    sql_type: str = "VARCHAR"


#: Filled from the document; `id`, `seq`, `row`, `dataset` and `document` itself come with it.
COLUMNS = (
    Column("time", "@timestamp", Kind.DATE, "TIMESTAMPTZ"),
    Column("level", "log.level", Kind.KEYWORD),
    Column("service", "service.name", Kind.KEYWORD),
    Column("container", "container.name", Kind.KEYWORD),
    Column("host", "host.name", Kind.KEYWORD),
    Column("trace", "trace.id", Kind.KEYWORD),
    Column("tenant", "organization.id", Kind.KEYWORD),
    Column("user", "user.id", Kind.KEYWORD),
    Column("app", "dify.app.id", Kind.KEYWORD),
    Column("method", "http.request.method", Kind.KEYWORD),
    Column("path", "url.path", Kind.KEYWORD),
    Column("status", "http.response.status_code", Kind.LONG, "BIGINT"),
    Column("action", "event.action", Kind.KEYWORD),
    Column("outcome", "event.outcome", Kind.KEYWORD),
    Column("source_ip", "source.ip", Kind.IP),
    Column("message", "message", Kind.TEXT),
)

#: Columns that are not read from the document, by the name a query gives them.
GIVEN = {
    "_id": Column("id", "_id", Kind.KEYWORD),
    "event.dataset": Column("dataset", "event.dataset", Kind.KEYWORD),
    "data_stream.dataset": Column("dataset", "data_stream.dataset", Kind.KEYWORD),
}

BY_FIELD = GIVEN | {column.field: column for column in COLUMNS}

_KINDS = {
    Kind.TEXT: "message error.message error.stack_trace event.original",
    Kind.DATE: "@timestamp event.created event.ingested event.start event.end",
    Kind.IP: "source.ip client.ip destination.ip server.ip host.ip network.forwarded_ip related.ip "
    "source.nat.ip destination.nat.ip observer.ip",
    Kind.LONG: "event.sequence event.duration event.severity log.origin.file.line log.offset process.pid "
    "process.uptime process.parent.pid process.thread.id process.exit_code source.port client.port "
    "destination.port server.port "
    "url.port source.bytes client.bytes destination.bytes server.bytes network.bytes network.packets "
    "http.response.status_code http.request.bytes http.response.bytes http.request.body.bytes "
    "http.response.body.bytes gen_ai.usage.input_tokens gen_ai.usage.output_tokens file.size source.as.number "
    "log.original_length log.nul_bytes log.syslog.priority dify.task.retry_seconds dify.worker.pid "
    "dify.nginx.connection dify.db.rows logship.chain.index logship.delivered logship.duplicate logship.rejected "
    "logship.pending logship.lag_seconds logship.lines logship.events logship.unparsed logship.dropped logship.copies "
    "logship.redacted logship.gaps logship.lost_bytes logship.read_bytes logship.lag_bytes logship.state_bytes "
    "logship.gap.first logship.gap.behind logship.gap.bytes logship.gap.documents",
    Kind.DOUBLE: "event.risk_score event.risk_score_norm host.cpu.usage",
}
KINDS = {name: kind for kind, names in _KINDS.items() for name in names.split()}

#: Objects whose keys are not fields of their own; a key may hold dots.
FLATTENED = ("dify.attributes", "container.labels", "labels")


def kind_of(field: str) -> Kind:
    """Return how a field is compared; whatever is not in the table is a keyword."""
    return KINDS.get(field, Kind.KEYWORD)


def json_key(name: str) -> str:
    """Return one step of a JSON path."""
    return '."' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def json_path(field: str) -> str:
    """Return the JSON path of a dotted field name, every part quoted."""
    return "$" + "".join(json_key(part) for part in field.split("."))
