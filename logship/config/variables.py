"""One environment variable at a time through pydantic-settings, so that each value can name its variable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from logship.config.settings import Settings


class VariableSource(EnvSettingsSource):
    """Turn `LOGSHIP_STORE__RETENTION_DAYS=7` into `{"store": {"retention_days": "7"}}`."""

    def __init__(self, name: str, value: str) -> None:
        self._variable = {name.lower(): value}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variable

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:  # noqa: ANN401, ARG002
        """Take JSON, or a comma-separated list; what is neither is left for the models to refuse."""
        if value.lstrip()[:1] in "[{":
            try:
                return json.loads(value)
            except ValueError:
                return value
        kind = field.annotation if field is not None else None
        if any(get_origin(one) is list for one in (kind, *get_args(kind))):  # or None
            return [part.strip() for part in value.split(",") if part.strip()]
        return value
