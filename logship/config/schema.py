"""The JSON schema of the configuration file, for editors and for checks outside logship."""

from __future__ import annotations

from typing import Any

import orjson

from logship.config.settings import Settings


def json_schema() -> dict[str, Any]:
    """Return the schema; equal on every machine."""
    schema = Settings.model_json_schema()
    for name, option in schema["properties"].items():
        if "$ref" in option:
            # A section may be written with everything below it commented out.
            schema["properties"][name] = {"anyOf": [option, {"type": "null"}]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["description"] = "Configuration of logship; config/logship.yaml explains every option."
    return schema


def schema_text() -> str:
    """Return the committed file's text."""
    return orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n"
