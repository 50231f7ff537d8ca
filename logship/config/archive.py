"""Where `logship archive` keeps copies of segments."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from logship.config.section import Section


class Archive(Section):
    """Copies of segments in another place; for a bucket (S3) also how to get there."""

    at: str = Field(
        default="",
        pattern=r"^(s3://[^/\s@?]+(/\S*)?|[^:]+)?$",
        description="A directory or s3://bucket/prefix, for `logship archive` and `rehydrate` without --at.",
    )
    endpoint: str = Field(
        default="", pattern=r"^(https?://[^/\s]+/?)?$", description="URL of the object storage; empty: Amazon's."
    )
    region: str = Field(default="", description="The bucket's region; empty: AWS_REGION, or us-east-1.")
    access_key_id: str = Field(
        default="", description="Key; empty: AWS_ACCESS_KEY_ID, or the role of the machine or pod."
    )
    secret_access_key: SecretStr | None = Field(default=None, description="The key's secret.")
    secret_access_key_file: Path | None = Field(default=None, description="File that holds the key's secret.")
    session_token: SecretStr | None = Field(default=None, description="Token of a key that is valid for a time.")
    session_token_file: Path | None = Field(default=None, description="File that holds the token.")
    ca_file: Path | None = Field(default=None, description="Certificate authorities to trust there, PEM.")
    path_style: bool = Field(
        default=True, description="https://endpoint/bucket/name; false: https://bucket.endpoint/name."
    )
