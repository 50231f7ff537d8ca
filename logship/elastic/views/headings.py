"""What the columns of tables are called (`headings.yaml`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from logship.elastic.views.model import Language


@cache
def chinese() -> dict[str, str]:
    """Return the Chinese headings by field."""
    found: dict[str, str] = yaml.safe_load(Path(__file__).with_name("headings.yaml").read_text(encoding="utf-8"))
    return found


def heading(field: str, language: Language) -> str:
    """Return what a column of a field's values is called."""
    return chinese().get(field, field) if language == "zh" else field
