"""
An archive in a bucket of S3, or of anything that speaks its protocol (MinIO, Ceph, R2, OSS).

Amazon S3 API reference: PutObject and multipart uploads, which make an object
appear whole or not at all; the server checks each request's SHA-256
(`x-amz-checksum-sha256`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from logship.errors import ConfigError, LogshipError

#: Files beyond this size go up in parts of it, two at a time.
_PART = 8 << 20
_AT_A_TIME = 8
_CODE = re.compile(r"<Code>(\w+)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_HINTS = {
    "NoSuchBucket": "make the bucket first; archive.endpoint and archive.region say where it is",
    "AccessDenied": "the key needs s3:ListBucket, s3:GetObject, s3:PutObject and, to expire, s3:DeleteObject",
    "SignatureDoesNotMatch": "check archive.secret_access_key and archive.region",
    "InvalidAccessKeyId": "check archive.access_key_id",
}
_HINT = "check archive.endpoint, archive.region and the keys"


@dataclass(frozen=True, slots=True)
class Access:
    """How a bucket is reached; what is empty comes from the usual AWS_ variables or the machine's role."""

    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    ca_file: Path | None = None
    #: `https://endpoint/bucket/…`; False: `https://bucket.endpoint/…`.
    path_style: bool = True


class Bucket:
    """Objects below a prefix of a bucket."""

    def __init__(self, url: str, access: Access, *, patience: float = 60.0) -> None:
        """`patience`: seconds in which a request is repeated. Raises ConfigError when the URL names no bucket."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.username:
            raise ConfigError(f"{url} names no bucket", "write s3://bucket/prefix; keys belong into archive.*")
        self._url = url.rstrip("/")
        self._store = _store(parts.netloc, parts.path.strip("/"), access, patience)

    def __str__(self) -> str:
        """Return the URL."""
        return self._url

    def make(self) -> None:
        """Do nothing: a bucket is made by its owner."""

    def sizes(self) -> dict[str, int]:
        """Return the bytes of all that is there, by name; raises LogshipError when the bucket cannot be asked."""
        with self._told("listed"):
            pages = obstore.list(self._store, "segments", chunk_size=1000)
            return {one["path"]: one["size"] for page in pages for one in page}

    def read(self, names: list[str]) -> Iterator[bytes]:
        """Return small objects whole, in the order of their names; raises FileNotFoundError or LogshipError."""
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            yield from threads.map(lambda name: b"".join(self.chunks(name)), names)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Return an object in parts; raises FileNotFoundError or LogshipError."""
        with self._told("read", missing=True):
            for part in obstore.get(self._store, name).stream(min_chunk_size=1 << 20):
                yield bytes(part)

    def put(self, name: str, content: Path | bytes) -> None:
        """Store an object; raises LogshipError."""
        with self._told("written"):
            obstore.put(self._store, name, content, chunk_size=_PART, max_concurrency=2)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there; raises LogshipError."""
        with self._told("deleted"):
            obstore.delete(self._store, name)

    def path(self, name: str) -> Path | None:  # noqa: ARG002  # no object does
        """Return that nothing lies on this machine."""
        return None

    @contextmanager
    def _told(self, what: str, *, missing: bool = False) -> Iterator[None]:
        """Say in one line what the server refused; its texts name no keys."""
        try:
            yield
        except (BaseError, OSError) as error:
            text = str(error)
            code = _CODE.search(text)
            if missing and isinstance(error, FileNotFoundError) and not (code and code[1] == "NoSuchBucket"):
                raise
            reason = f"{code[1]}: {code[2] or ''}".rstrip(": ") if code else text.splitlines()[0]
            hint = _HINTS.get(code[1], _HINT) if code else _HINT
            raise LogshipError(f"{self._url} cannot be {what}: {reason}", hint) from error


def _store(bucket: str, prefix: str, access: Access, patience: float) -> S3Store:
    endpoint = access.endpoint.rstrip("/")
    if endpoint and not access.path_style:
        endpoint = endpoint.replace("://", f"://{bucket}.", 1)
    given = {
        "endpoint": endpoint,
        "region": access.region,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "session_token": access.session_token,
    }
    client = {"allow_http": endpoint.startswith("http://"), "connect_timeout": "10s", "timeout": "300s"}
    try:
        if access.ca_file:
            client["root_certificate"] = access.ca_file.read_bytes()
        return S3Store(
            bucket,
            prefix=prefix or None,
            config={  # type: ignore[arg-type]  # only what is given
                **{name: value for name, value in given.items() if value},
                "checksum_algorithm": "SHA256",
                "virtual_hosted_style_request": not access.path_style,
                "disable_bulk_delete": True,  # some servers have none
            },
            client_options=client,  # type: ignore[arg-type]
            retry_config={"max_retries": 10, "retry_timeout": timedelta(seconds=patience)},
        )
    except (BaseError, OSError, ValueError) as error:
        raise ConfigError(f"the archive's bucket cannot be used: {str(error).splitlines()[0]}", _HINT) from error
