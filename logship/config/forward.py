"""A Fluentd or Fluent Bit that documents are delivered to."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from logship.config.section import Section


class Forward(Section):
    """Documents to Fluentd, Fluent Bit or what else speaks the forward protocol; off while `host` is empty."""

    host: str = Field(default="", description="Its name or address; empty: no delivery there.")
    port: int = Field(default=24224, ge=1, le=65535, description="Its port.")
    tag: str = Field(
        default="logship", pattern=r"^[\w.-]+$", description="Beginning of the tags: logship.dify.api and so on."
    )
    shared_key: SecretStr | None = Field(default=None, description="Key that its <security> section names.")
    shared_key_file: Path | None = Field(default=None, description="File that holds the shared key.")
    username: str = Field(default="", description="User, if it wants one beside the shared key.")
    password: SecretStr | None = Field(default=None, description="The user's password.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    tls: bool = Field(default=False, description="Use TLS, and check its certificate.")
    ca_file: Path | None = Field(default=None, description="Certificate authorities to trust there, PEM.")
    timeout: float = Field(default=30.0, gt=0, description="Seconds until an answer is given up and all is repeated.")

    @model_validator(mode="after")
    def _together(self) -> Forward:
        if (self.username or self.password) and not (self.username and self.password and self.shared_key):
            raise ValueError("needs shared_key, username and password together")
        if self.ca_file and not self.tls:
            raise ValueError("has ca_file but no tls; set forward.tls to true")
        return self
