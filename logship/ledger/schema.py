"""The tables of `ledger.db`, and how an older ledger becomes a newer one."""

VERSION = 4

#: What came with format 2: gaps, compressed files, rows that are let go.
_SINCE_2 = """
-- Bytes of files that will never be in a document (gaps.py).
CREATE TABLE gap (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    file INTEGER NOT NULL,
    path TEXT NOT NULL,
    first INTEGER NOT NULL,               -- logical offset of the first lost byte
    behind INTEGER,                       -- logical offset just after the last one; NULL: not known
    cause TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0, -- documents that had been made of the bytes, and were dropped
    at TEXT NOT NULL,
    UNIQUE (file, first)
);

-- Files that hold a generation compressed, and how they are recognised (sources/compressed.py).
CREATE TABLE compressed (
    file INTEGER PRIMARY KEY,             -- the generation
    head BLOB NOT NULL,                   -- mark of the compressed file's first bytes
    size INTEGER NOT NULL,                -- bytes that were unpacked
    trailer BLOB NOT NULL                 -- the last 8 of them
);

-- Keys of generations whose rows were let go (retire.py), so that no key is given twice.
CREATE TABLE spent (
    key BLOB PRIMARY KEY,                 -- time and digest, as in file.key
    number INTEGER NOT NULL               -- how often it was given
) WITHOUT ROWID;

CREATE INDEX file_ended ON file (id) WHERE state = 'ended';
"""

#: What came with format 3: events that Dify writes twice.
_SINCE_3 = """
-- Events of which one of two copies was read so far (unpaired.py).
CREATE TABLE unpaired (
    key TEXT PRIMARY KEY,                 -- the event's second, and a digest made with the installation's key
    ahead INTEGER NOT NULL                -- how often stdout had it more than LOG_FILE; below 0: less
) WITHOUT ROWID;
"""

#: What came with format 4: documents that were given up.
_SINCE_4 = """
-- Documents that were given up at the end of the disk budget (oldest.py).
ALTER TABLE outcome ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
"""

SCHEMA = (
    """
-- `redacted`: JSON, secrets taken out of documents, by rule.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row for each generation of a file.
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,             -- prefix of its documents' ids
    path TEXT NOT NULL,                   -- where it was last seen
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    base INTEGER NOT NULL DEFAULT 0,      -- logical offset of the file's first byte on disk
    service TEXT NOT NULL,
    source TEXT NOT NULL,                 -- JSON of model.Source
    head BLOB NOT NULL,                   -- mark of its first bytes (marks.py)
    tail BLOB NOT NULL,                   -- mark of the last bytes before `position`
    position INTEGER NOT NULL DEFAULT 0,  -- every byte before it is accounted for
    done TEXT NOT NULL DEFAULT '{}',      -- JSON: streams accounted for beyond `position`
    read INTEGER NOT NULL DEFAULT 0,      -- just after the last byte read
    state TEXT NOT NULL DEFAULT 'open',   -- open, ended (read to its end and closed)
    first_seen TEXT NOT NULL,
    last_read TEXT NOT NULL,
    lines INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,    -- documents made
    unparsed INTEGER NOT NULL DEFAULT 0,
    bytes_documents INTEGER NOT NULL DEFAULT 0,
    bytes_dropped INTEGER NOT NULL DEFAULT 0,
    bytes_skipped INTEGER NOT NULL DEFAULT 0,
    dropped TEXT NOT NULL DEFAULT '{}'    -- JSON: events dropped, by rule
);
CREATE INDEX file_inode ON file (device, inode);

CREATE TABLE batch (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_time TEXT NOT NULL,
    last_time TEXT NOT NULL,
    files TEXT NOT NULL,                  -- JSON: documents by file id
    size INTEGER NOT NULL,                -- bytes before compression
    segment INTEGER,                      -- the segment that holds a copy; NULL while unsealed
    body BLOB NOT NULL                    -- gzip of the bulk body; last, so that reading the rest is cheap
);

CREATE INDEX batch_unsealed ON batch (seq) WHERE segment IS NULL;

-- One row for each follower (sink).
CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,                 -- every batch up to it has an outcome for each document
    last_error TEXT NOT NULL DEFAULT '',
    last_error_at TEXT NOT NULL DEFAULT '',
    updated TEXT NOT NULL
) WITHOUT ROWID;

-- What became of each file's documents, by follower.
CREATE TABLE outcome (
    cursor TEXT NOT NULL,
    file INTEGER NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0,
    duplicate INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (cursor, file)
) WITHOUT ROWID;

CREATE TABLE rejected (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    cursor TEXT NOT NULL,
    dataset TEXT NOT NULL,
    id TEXT NOT NULL,                     -- the document's _id
    status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    document BLOB NOT NULL,
    at TEXT NOT NULL,
    replay INTEGER NOT NULL DEFAULT 0     -- 1: to be sent again
);

-- The audit log: one leaf for each batch, in order.
CREATE TABLE leaf (
    number INTEGER PRIMARY KEY,           -- 0, 1, 2 … without a gap
    seq INTEGER NOT NULL UNIQUE,          -- the batch
    entry BLOB NOT NULL,                  -- JSON: seq, dataset, count, first and last time, SHA-256 of the body
    hash BLOB NOT NULL                    -- RFC 6962: SHA-256(0x00 || entry)
);

CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,            -- relative to the state directory
    dataset TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_time TEXT NOT NULL,
    last_time TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL
);
"""
    + _SINCE_2
    + _SINCE_3
    + _SINCE_4
)

#: What brings a ledger from a format to the next one.
UPGRADES = {1: _SINCE_2, 2: _SINCE_3, 3: _SINCE_4}
