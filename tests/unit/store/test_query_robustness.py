"""Whatever is typed, a query runs or is refused; its values never become SQL."""

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from unit.store.conftest import numbered, pack

from logship.errors import QueryError
from logship.store import engine
from logship.store.query import translate

SIGNS = st.sampled_from([*"'\"\\/()[]{}:^~*?+-!&|<>=$%;,. \n#@", "AND", "OR", "NOT", "TO", "&&", "||"])
NAMES = st.sampled_from(
    ["message:", "log.level:", "source.ip:", "@timestamp:", "http.response.status_code:", "tags:", "_exists_:", "a.b:"]
)
VALUES = st.sampled_from(["a", "5", "now", "10.0.0.0/8", "超时", "2025-11-20", "::1", "$p0", "1e999", "[", "\0", "'--"])
QUERIES = st.lists(SIGNS | NAMES | VALUES | st.text(max_size=3), max_size=12).map("".join)


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    """Give a database with a few documents."""
    with engine.engine(tmp_path_factory.mktemp("spill")) as opened:
        batch = pack(numbered(0, 3))
        lines = batch.body.decode().split("\n")[1::2]
        engine.create_raw(opened)
        engine.insert_raw(opened, seq=1, dataset="d", fallback=batch.first_time, ids=["a", "b", "c"], documents=lines)
        opened.execute("CREATE TABLE documents AS " + engine.projection())
        yield opened


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("message:/a{1,99999}/")
@example("_exists_:a..b OR .x:y")
@example("@timestamp:[0000 TO 9999]")
@example("@timestamp:99999999999999999999")
@example("http.response.status_code:1e400")
@example("source.ip:{* TO ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff}")
@example("a.\"].b':x")
@given(QUERIES)
def test_any_text_runs_or_is_refused(connection, query):
    """A text either is a condition that runs on the documents, or raises QueryError."""
    try:
        condition = translate(query, engine.tokenizer(connection))
    except QueryError:
        return
    try:
        connection.execute(f"SELECT id FROM documents WHERE {condition.sql}", condition.parameters).fetchall()
    except duckdb.InvalidInputException as error:
        assert "message:" in query or "/" in query, error


@given(st.text(alphabet="ab'\"\\;-$%_(){}[]", min_size=1, max_size=20))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_becomes_sql(connection, value):
    """A quoted value, and a field's name, are in the parameters and not in the SQL."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    condition = translate(f'user.name:"{quoted}"', engine.tokenizer(connection))
    assert condition.sql == translate('user.name:"x"', engine.tokenizer(connection)).sql
    assert value in condition.parameters.values()
    named = translate("_exists_:" + "".join("\\" + char for char in value), engine.tokenizer(connection))
    assert named.sql == translate("_exists_:x", engine.tokenizer(connection)).sql
    connection.execute(f"SELECT id FROM documents WHERE {named.sql}", named.parameters).fetchall()
