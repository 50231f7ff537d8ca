"""
DuckDB as the store uses it: small, private, and with the functions that queries need.

Only short-lived processes import this module: the sealing child and the search commands. The agent never does.

The words of a text are those of Elasticsearch's standard analyzer: Unicode text segmentation (UAX #29) as Lucene's
StandardTokenizer has it, then lower case. Han and Hiragana characters are one word each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from logship.store.fields import COLUMNS, json_path

MEMORY = "800MB"

_SCRIPTS = (
    r"\p{Lu}\p{Ll}\p{Lt}\x{2160}-\x{2188}\x{3005}\x{303B}\p{Hebrew}\p{Arabic}\p{Syriac}\p{Hangul}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}"
    r"\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Tibetan}\p{Ethiopic}\p{Cherokee}\p{Mongolian}"
    r"\x{AA}\x{BA}\x{1BB}-\x{1C3}\x{2B0}-\x{2C1}"
)
_EXTEND = r"[\p{M}\x{AD}\x{61C}\x{200C}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]*"
_EMOJI = (
    r"[©®‼⁉™ℹ↔-↙↩↪⌚⌛⌨⏏⏩-⏳⏸-⏺Ⓜ▪▫▶◀◻-◾☀-☄☎☑☔☕☘☝☠☢☣☦☪☮☯☸-☺♀♂♈-♓♟♠♣♥♦♨♻♾♿⚒-⚗⚙⚛⚜⚠⚡⚧⚪⚫⚰⚱⚽⚾⛄⛅⛈⛎⛏⛑⛓⛔⛩⛪⛰-⛵⛷-⛺⛽"
    r"✂✅✈-✍✏✒✔✖✝✡✨✳✴❄❇❌❎❓-❕❗❣❤➕-➗➡➰➿⤴⤵⬅-⬇⬛⬜⭐⭕〰〽㊗㊙\x{1F300}-\x{1FAFF}]"
)
_LETTERS = f"(?:[{_SCRIPTS}]{_EXTEND})+"
_DIGITS = rf"(?:\p{{Nd}}{_EXTEND})+"
_KATAKANA = rf"(?:[\p{{Katakana}}\x{{30FC}}]{_EXTEND})+"
_JOINED_LETTERS = rf"{_LETTERS}(?:[.':\x{{B7}}\x{{2018}}\x{{2019}}\x{{2027}}\x{{FF1A}}\x{{FF0E}}]{_LETTERS})*"
_JOINED_DIGITS = rf"{_DIGITS}(?:[.',;\x{{2018}}\x{{2019}}\x{{FF0C}}\x{{FF0E}}\x{{FF1B}}]{_DIGITS})*"
_SEGMENT = rf"(?:{_KATAKANA}|(?:{_JOINED_DIGITS}|{_JOINED_LETTERS})+)"
WORD = (
    rf"\p{{Pc}}*{_SEGMENT}(?:\p{{Pc}}+{_SEGMENT})*\p{{Pc}}*"
    rf"|[\p{{Han}}\p{{Hiragana}}]{_EXTEND}"
    rf"|[\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}]+"
    rf"|{_EMOJI}{_EXTEND}"
)

_MACROS = f"""
CREATE MACRO words(t) AS regexp_extract_all(lower(t), '{WORD.replace("'", "''")}');
-- The words between marks, so that a phrase is a substring and a pattern can be held to one word.
CREATE MACRO marked(t) AS chr(1) || array_to_string(words(t), chr(1)) || chr(1);
-- All values at a path: the elements of an array, or the one value there is.
CREATE MACRO field_values(document, path) AS
    CASE json_type(document, path)
        WHEN 'ARRAY' THEN list_concat(
            json_extract_string(document, path || '[*]'), json_extract_string(document, path || '[*][*]'))
        ELSE [json_extract_string(document, path)] END;
-- Whether a path holds anything: a value, or an object with a value in it.
CREATE MACRO has_value(document, path) AS
    CASE json_type(document, path)
        WHEN 'OBJECT' THEN regexp_matches(json_extract_string(document, path), '[:\\[,]\\s*("|[-0-9tf])')
        WHEN 'ARRAY' THEN regexp_matches(json_extract_string(document, path), '[:\\[,]\\s*("|[-0-9tf])')
        ELSE json_extract_string(document, path) IS NOT NULL END;
-- An address as 32 hexadecimal digits (IPv4 mapped into IPv6), so that text order is address order.
CREATE MACRO ip4_key(t) AS printf('%08x', list_sum(list_transform(string_split(t, '.'),
    lambda part, i: CAST(part AS BIGINT) * (1 << (8 * (4 - i)))))::BIGINT);
CREATE MACRO ip6_groups(t) AS CASE WHEN t = '' THEN [] ELSE string_split(t, ':') END;
CREATE MACRO ip6_plain(t) AS CASE WHEN contains(t, '.') THEN
    regexp_replace(t, '[0-9.]+$', regexp_replace(ip4_key(regexp_extract(t, '[0-9.]+$')), '(....)(....)', '\\1:\\2'))
    ELSE t END;
CREATE MACRO ip6_join(a, b) AS array_to_string(list_transform(
    list_concat(list_concat(a, list_transform(range(8 - len(a) - len(b)), lambda i: '0')), b),
    lambda g: lpad(lower(g), 4, '0')), '');
CREATE MACRO ip6_key(t) AS CASE WHEN contains(t, '::')
    THEN ip6_join(ip6_groups(split_part(t, '::', 1)), ip6_groups(split_part(t, '::', 2)))
    ELSE ip6_join(ip6_groups(t), []) END;
CREATE MACRO ip_key(t) AS CASE
    WHEN regexp_full_match(t, '\\d{{1,3}}(\\.\\d{{1,3}}){{3}}') THEN '00000000000000000000ffff' || ip4_key(t)
    WHEN regexp_full_match(t, '[0-9a-fA-F:]*:[0-9a-fA-F:.]*') THEN ip6_key(ip6_plain(t)) END;
"""


@contextmanager
def engine(work: Path, *, memory: str = MEMORY, threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty in-memory database that spills into a private directory below `work`."""
    with (
        TemporaryDirectory(prefix=".duckdb-", dir=work) as spill,
        duckdb.connect(
            config={
                "memory_limit": memory,
                "threads": threads,
                "temp_directory": spill,
                "autoinstall_known_extensions": False,
            }
        ) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_MACROS)
        yield connection


def create_raw(connection: duckdb.DuckDBPyConnection, table: str = "raw") -> None:
    """Create an empty table of documents as they lie in the ledger."""
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} (id VARCHAR, seq BIGINT, row INTEGER,"
        " dataset VARCHAR, fallback VARCHAR, document VARCHAR)"
    )


def insert_raw(
    connection: duckdb.DuckDBPyConnection,
    *,
    seq: int,
    dataset: str,
    fallback: str,
    ids: Sequence[str],
    documents: Sequence[str],
    table: str = "raw",
) -> None:
    """Append one batch's documents, in order; `fallback` is the time of those that have none."""
    connection.execute(
        f"INSERT INTO {table} SELECT unnest($ids::VARCHAR[]), $seq, unnest(range($count)), $dataset, $fallback,"
        " unnest($documents::VARCHAR[])",
        {
            "ids": list(ids),
            "seq": seq,
            "count": len(ids),
            "dataset": dataset,
            "fallback": fallback,
            "documents": list(documents),
        },
    )


def projection(table: str = "raw") -> str:
    """Return a SELECT that gives a table of raw documents the columns of a segment."""
    paths = ", ".join("'" + json_path(column.field) + "'" for column in COLUMNS)
    columns = []
    for number, column in enumerate(COLUMNS, 1):
        value = f"v[{number}]" if column.sql_type == "VARCHAR" else f"TRY_CAST(v[{number}] AS {column.sql_type})"
        if column.name == "time":
            value = f"coalesce({value}, TRY_CAST(fallback AS TIMESTAMPTZ))"
        columns.append(f'{value} AS "{column.name}"')
    return (
        f"SELECT {', '.join(columns)}, id, dataset, seq, row, document FROM (SELECT *, json_extract_string("  # noqa: S608
        f"CASE WHEN json_valid(document) THEN document END, [{paths}]) AS v FROM {table})"
    )


def tokenizer(connection: duckdb.DuckDBPyConnection) -> Callable[[str], list[str]]:
    """Return the function that splits a text into lower-case words."""

    def tokenize(text: str) -> list[str]:
        row = connection.execute("SELECT words($text)", {"text": text}).fetchone()
        return list(row[0]) if row else []

    return tokenize
