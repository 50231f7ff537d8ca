"""Who we say we are to Elasticsearch: a key, a password or a token, also one that is exchanged while we run."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Secret:
    """A secret value, or the file that holds it, which is read again whenever it has changed."""

    value: str = ""
    file: Path | None = None
    _seen: tuple[int, int, int] | None = field(default=None, repr=False)

    def __call__(self) -> str:
        """Return the secret that holds now; while its file cannot be read, the one before."""
        if self.file is not None:
            try:
                found = os.stat(self.file)  # noqa: PTH116  # for every request
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                if stamp != self._seen:
                    self.value = self.file.read_text("utf-8").strip() or self.value
                    self._seen = stamp
            except (OSError, UnicodeDecodeError):
                pass
        return self.value


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to say who we are; none: we say nothing."""

    #: The encoded key, or `id:key`.
    api_key: Secret | None = None
    username: str = ""
    password: Secret | None = None
    bearer: Secret | None = None

    def authorization(self) -> str:
        """Return the header (RFC 9110, 11.6.2; `ApiKey`: Elasticsearch, "Token-based authentication")."""
        if self.api_key:
            key = self.api_key()
            return f"ApiKey {base64.b64encode(key.encode()).decode() if ':' in key else key}"
        if self.username and self.password:
            return f"Basic {base64.b64encode(f'{self.username}:{self.password()}'.encode()).decode()}"
        return f"Bearer {self.bearer()}" if self.bearer else ""

    def key_id(self) -> str:
        """Return the id of the API key, which is no secret; empty when there is none."""
        try:
            encoded = self.authorization().removeprefix("ApiKey ") if self.api_key else ""
            name, colon, _ = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return ""
        return name if colon else ""
