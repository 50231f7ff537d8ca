"""What is special about an archive in a bucket, on a real S3 server."""

import hashlib
import random

import obstore
import pytest
from servers import minio

from logship.archive.bucket import Access, Bucket
from logship.errors import ConfigError, LogshipError

pytestmark = pytest.mark.timeout(900)  # the first run builds the server


def access(url, **changes):
    """Return how the server is reached."""
    return Access(**{"endpoint": url, "access_key_id": minio.USER, "secret_access_key": minio.PASSWORD} | changes)


def test_a_large_file_goes_up_in_parts_and_comes_back_whole(bucket, object_storage, tmp_path):
    """Twenty megabytes are three parts (the entity tag says so), and the same bytes after."""
    content = random.Random(3).randbytes(20 << 20)
    (tmp_path / "large").write_bytes(content)
    place = Bucket(bucket.at, access(object_storage))
    place.put("segments/2026-01-02/large.parquet", tmp_path / "large")
    tag = obstore.head(bucket.store, "segments/2026-01-02/large.parquet")["e_tag"]
    assert tag.strip('"').endswith("-3")
    digest = hashlib.sha256()
    for part in place.chunks("segments/2026-01-02/large.parquet"):
        digest.update(part)
    assert digest.digest() == hashlib.sha256(content).digest()


def test_many_small_files_come_back_in_order(bucket, object_storage):
    """Two hundred objects are listed, and read several at a time in the order asked for."""
    place = Bucket(bucket.at, access(object_storage))
    names = [f"segments/2026-01-02/{number:03d}.json" for number in range(200)]
    for name in names:
        place.put(name, name.encode())
    assert sorted(place.sizes()) == names
    assert list(place.read(names[::-1])) == [name.encode() for name in names[::-1]]


@pytest.mark.parametrize(
    ("changes", "at", "reason", "hint"),
    [
        ({"secret_access_key": "another"}, "s3://archive/x", "SignatureDoesNotMatch", "secret_access_key"),
        ({"access_key_id": "nobody"}, "s3://archive/x", "InvalidAccessKeyId", "access_key_id"),
        ({}, "s3://not-there/x", "NoSuchBucket", "make the bucket"),
    ],
)
@pytest.mark.parametrize("action", ["sizes", "put", "read"])
def test_a_refusal_is_said_in_one_line_and_names_no_secret(object_storage, changes, at, reason, hint, action):
    """A wrong key or bucket is an error with the server's reason and the next step."""
    place = Bucket(at, access(object_storage, **changes))
    do = {"sizes": place.sizes, "put": lambda: place.put("a", b"a"), "read": lambda: list(place.chunks("a"))}[action]
    with pytest.raises(LogshipError, match=reason) as caught:
        do()
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert minio.PASSWORD not in f"{caught.value}{caught.value.hint}"


def test_a_server_that_is_away_is_said():
    """Where nobody listens, the error says what to check, after some tries."""
    with pytest.raises(LogshipError, match="cannot be listed") as caught:
        Bucket("s3://archive/x", access("http://127.0.0.1:1"), patience=0.2).sizes()
    assert "archive.endpoint" in caught.value.hint


@pytest.mark.parametrize("url", ["s3://", "s3://key:secret@bucket/x", "gs://bucket/x", "s3://bucket/x?versionId=1"])
def test_what_is_no_bucket_is_refused(url):
    """Other services, and keys in an address, where process lists and histories show them, are refused."""
    with pytest.raises(ConfigError, match="names no bucket"):
        Bucket(url, Access())


def test_what_is_not_there_is_not_found(bucket, object_storage):
    """A name that is not there raises FileNotFoundError, and deleting it is no error."""
    place = Bucket(bucket.at, access(object_storage))
    place.delete("segments/none")
    with pytest.raises(FileNotFoundError):
        list(place.chunks("segments/none"))
