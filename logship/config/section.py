"""What every group of options has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of options: unknown names are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
