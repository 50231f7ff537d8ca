"""The places that an archive can lie in, each with a way to look into it and to spoil it."""

import uuid

import obstore
import pytest
from obstore.store import S3Store
from servers import minio


class InDirectory:
    """A directory."""

    def __init__(self, root):
        self.root = root
        self.at, self.settings = str(root), {}

    def read(self, name):
        """Return a file's bytes."""
        return (self.root / name).read_bytes()

    def write(self, name, content):
        """Put other bytes in a file's place."""
        (self.root / name).write_bytes(content)

    def delete(self, name):
        """Remove a file."""
        (self.root / name).unlink()


class InBucket:
    """A prefix of a bucket of a real S3 server."""

    def __init__(self, url, secret_file):
        prefix = uuid.uuid4().hex
        self.at = f"s3://{minio.BUCKET}/{prefix}"
        secret_file.write_text(f"{minio.PASSWORD}\n")
        self.settings = {
            "LOGSHIP_ARCHIVE__ENDPOINT": url,
            "LOGSHIP_ARCHIVE__ACCESS_KEY_ID": minio.USER,
            "LOGSHIP_ARCHIVE__SECRET_ACCESS_KEY_FILE": str(secret_file),
        }
        self.store = S3Store(
            minio.BUCKET, prefix=prefix, client_options={"allow_http": True}, config={"region": "us-east-1"} |
            {"endpoint": url, "access_key_id": minio.USER, "secret_access_key": minio.PASSWORD},
        )  # fmt: skip

    def read(self, name):
        """Return an object's bytes."""
        return bytes(obstore.get(self.store, name).bytes())

    def write(self, name, content):
        """Put other bytes in an object's place."""
        obstore.put(self.store, name, content)

    def delete(self, name):
        """Remove an object."""
        obstore.delete(self.store, name)


@pytest.fixture(scope="session")
def object_storage():
    """Give the URL of a real S3 server."""
    with minio.running() as url:
        yield url


@pytest.fixture(params=["directory", "bucket"])
def shelf(request, tmp_path):
    """Give each kind of place."""
    if request.param == "directory":
        return InDirectory(tmp_path / "shelf")
    return InBucket(request.getfixturevalue("object_storage"), tmp_path / "secret")


@pytest.fixture
def bucket(object_storage, tmp_path):
    """Give a place in a bucket."""
    return InBucket(object_storage, tmp_path / "secret")
