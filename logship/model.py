"""The types that travel from a file to a sink; DESIGN terms, one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Envelope = Literal["plain", "docker", "cri"]
#: Among the rules that events are dropped by: another copy of the event was delivered (pipeline/twins.py).
COPY = "copy"


@dataclass(frozen=True, slots=True)
class Source:
    """What is known about where a file's lines come from, before any line is read."""

    #: Compose service (`api`, `nginx`), or a name derived from the path.
    service: str
    #: How lines are wrapped on disk.
    envelope: Envelope = "plain"
    #: Image with tag (`langgenius/dify-api:1.13.3`), or "".
    image: str = ""
    #: IANA zone of stamps that carry none.
    zone: str = "UTC"
    #: ECS fields equal for every document of the file, nested (`{"container": {"id": …}}`).
    fields: dict[str, Any] = field(default_factory=dict)
    #: Encoding of the text on disk, and what ends a record; others than these are the business of lines/framing.py.
    encoding: str = "utf-8"
    delimiter: str = "\n"


@dataclass(frozen=True, slots=True)
class FileRef:
    """One generation of a file: a rename keeps it, a truncation or a new inode ends it."""

    #: Row in the ledger's `file` table.
    id: int
    #: Prefix of the ids of all its documents, `<time><digest>`; unique in the ledger.
    key: str
    #: Path at discovery.
    path: str
    source: Source


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes as they came off the disk: whole lines of one file."""

    file: FileRef
    #: Logical offset of `data[0]`; grows for ever within a generation.
    offset: int
    #: Whole lines, each with what ends it, a newline as a rule; the last may lack it when the generation has ended.
    data: bytes
    #: Bytes on disk that `data` stands for; larger than `len(data)` only when a long line was cut.
    span: int
    #: Set on a chunk that holds one cut line: its length on disk, in bytes.
    original_length: int | None = None


@dataclass(slots=True)
class Lines:
    """Columns of one chunk's lines, envelope removed, partial lines not yet joined."""

    #: Logical offset of each line's first byte on disk.
    offsets: list[int]
    #: Logical offset just after each line on disk.
    ends: list[int]
    #: The text, without newline.
    texts: list[str]
    #: The envelope's stamp, ISO 8601, or "".
    times: list[str]
    #: `stdout`, `stderr` or "".
    streams: list[str]
    #: True where the envelope says that the line goes on in the next one; empty when none does.
    partial: list[bool] = field(default_factory=list)
    #: Extra fields by position in the columns: markers of cut or broken lines, container attributes.
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Events:
    """Columns of joined events: an event is one or more lines of one stream."""

    offsets: list[int] = field(default_factory=list)
    #: Bytes on disk of each event.
    sizes: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    #: Extra fields by position in the columns, dotted names.
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: Lines that the events were joined from.
    lines: int = 0
    #: Bytes on disk that are in no event: empty lines outside an event.
    skipped: int = 0


def by_time(stamp: str) -> str:
    """Return what a stamp in UTC sorts by: as text, `05Z` would come after `05.500Z`."""
    return stamp.rstrip("Z")


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of one data stream, as they will lie in the ledger."""

    #: `dify.api`, `dify.nginx` …
    dataset: str
    #: Action line, document, action line, document …; each ends in a newline.
    body: bytes
    count: int
    #: Smallest and largest `@timestamp`, ISO 8601 UTC.
    first_time: str
    last_time: str
    #: Documents by file id.
    files: dict[int, int]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one file has come: what a commit records beside the documents."""

    file: int
    #: Every byte before it is accounted for.
    position: int
    #: Streams whose lines are accounted for beyond `position`: a restart skips them up to there.
    done: dict[str, int]
    #: Logical offset just after the last byte read (pending bytes included).
    read: int
    #: Last bytes before `position` (at most 1 KiB), to recognise the content later.
    tail: bytes
    #: Increments since the last commit.
    lines: int = 0
    events: int = 0
    #: Bytes on disk that became documents, were dropped by rule, or hold no line; since the last commit.
    bytes_documents: int = 0
    bytes_dropped: int = 0
    bytes_skipped: int = 0
    #: Events dropped, by rule; since the last commit.
    dropped: dict[str, int] = field(default_factory=dict)
    #: Events that no format matched; since the last commit.
    unparsed: int = 0


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch read back from the ledger."""

    seq: int
    dataset: str
    count: int
    first_time: str
    last_time: str
    files: dict[int, int]
    #: gzip of the bulk body; sent as it lies.
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that a sink refused."""

    #: `_id`: `<file key>-<offset>`.
    id: str
    document: bytes
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: every document is in exactly one of the four."""

    delivered: int = 0
    #: Already there (409): our own earlier attempt.
    duplicate: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    #: Ids to send again later (429, 503).
    deferred: list[str] = field(default_factory=list)
    #: Why documents were deferred, for the status page.
    reason: str = ""
    #: Of the documents, so many were sent again without knowing what became of the first time.
    redelivered: int = 0


def document_id(key: str, offset: int) -> str:
    """Return the id of the document whose first byte lies at a logical offset of a file generation."""
    return f"{key}-{offset}"
