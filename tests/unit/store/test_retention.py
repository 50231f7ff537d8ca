"""What retention deletes, and what it must leave."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from unit.store.conftest import START

from logship.store.archiver import Archiver
from logship.store.search import Search
from logship.store.segments import retain

NOW = datetime(2025, 11, 30, tzinfo=UTC)


@pytest.fixture
def days(ledger, put, tmp_path):
    """Seal one segment for each of five days, 20 to 24 November."""
    for day in range(5):
        put(day * 10, 10, start=START + timedelta(days=day))
        for made in Archiver(tmp_path, ledger).drain():
            sealed = (START + timedelta(days=day)).timestamp()
            os.utime(tmp_path / made.path, (sealed, sealed))
    return ledger


def left(tmp_path):
    """Return the days that still have a file."""
    return sorted(path.parent.name for path in (tmp_path / "segments").glob("*/*.parquet"))


def test_segments_beyond_an_age_go(days, tmp_path):
    """A segment goes, with its row and its empty directory, when its newest document is older than the age."""
    gone = retain(tmp_path, days, now=NOW, max_age=timedelta(days=7))
    assert gone == [f"segments/2025-11-{20 + day}/dify.api-{day + 1}.parquet" for day in range(3)]
    assert left(tmp_path) == ["2025-11-23", "2025-11-24"]
    assert not (tmp_path / "segments/2025-11-20").exists()
    assert Search(tmp_path).count("") == 20


def test_the_oldest_go_until_the_rest_fits(days, tmp_path):
    """With a total size, the oldest segments go until the others fit into it."""
    sizes = [size for (size,) in days.connection.execute("SELECT size FROM segment ORDER BY id")]
    assert len(retain(tmp_path, days, now=NOW, max_bytes=sum(sizes[2:]))) == 2
    assert left(tmp_path) == ["2025-11-22", "2025-11-23", "2025-11-24"]
    assert retain(tmp_path, days, now=NOW, max_bytes=sum(sizes[2:])) == []


def test_what_a_cursor_has_not_passed_stays(days, tmp_path):
    """A segment whose batches a follower has still to send is kept, whatever its age."""
    days.connection.execute("INSERT INTO cursor (name, seq, updated) VALUES ('slow', 2, ''), ('fast', 5, '')")
    assert len(retain(tmp_path, days, now=NOW, max_age=timedelta(0))) == 2
    assert left(tmp_path) == ["2025-11-22", "2025-11-23", "2025-11-24"]


def test_unsealed_batches_are_never_deleted(ledger, put, tmp_path):
    """Retention does not touch what has not been sealed."""
    put(0, 10)
    assert retain(tmp_path, ledger, now=NOW, max_age=timedelta(0), max_bytes=0) == []
    assert Search(tmp_path).count("") == 10


def test_nothing_goes_without_a_limit(days, tmp_path):
    """Without an age and a size everything stays."""
    assert retain(tmp_path, days, now=NOW) == []


def test_the_archiver_applies_retention(days, tmp_path):
    """A step of an archiver with limits deletes what is beyond them."""
    Archiver(tmp_path, days, keep_age=timedelta(days=7), today=lambda: NOW).step()
    assert left(tmp_path) == ["2025-11-23", "2025-11-24"]


def test_a_segment_deleted_before_its_file_is_swept(days, tmp_path):
    """A crash between deleting the row and the file leaves a file that the next start removes."""
    days.connection.execute("DELETE FROM segment WHERE id = 1")
    Archiver(tmp_path, days).step(0.0)
    assert left(tmp_path) == ["2025-11-21", "2025-11-22", "2025-11-23", "2025-11-24"]


def test_old_logs_that_were_sealed_just_now_are_kept(ledger, put, tmp_path):
    """The age counts from the sealing when that is later than the documents."""
    put(0, 10)
    (made,) = Archiver(tmp_path, ledger).drain()
    sealed = (NOW - timedelta(days=1)).timestamp()
    os.utime(tmp_path / made.path, (sealed, sealed))
    assert retain(tmp_path, ledger, now=NOW, max_age=timedelta(days=3)) == []
    assert Search(tmp_path).count("") == 10
