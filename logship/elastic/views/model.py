"""
What a dashboard is, apart from any program that shows it.

Queries are Lucene query strings, as in `logship search`; every operator is
written out, because the default between two words differs between programs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from logship.errors import ConfigError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
#: What a dashboard looks at: data streams by name.
Data = Literal["logs", "agent"]
STREAMS: dict[Data, str] = {"logs": "logs-dify.*-*", "agent": "logs-logship.*-*"}
#: Columns of the grid that widths are counted in.
COLUMNS = 48


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    """A text in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    def in_(self, language: Language) -> str:
        """Return the text in a language."""
        return self.zh if language == "zh" else self.en


class Measure(_Part):
    """A number over documents: how many, or a function of a numeric field."""

    function: Literal["count", "average", "max", "sum", "p95", "unique"] = "count"
    field: str = ""
    title: Text = Text(en="Events", zh="事件数")

    @model_validator(mode="after")
    def _has_its_field(self) -> Measure:
        if (self.function == "count") == bool(self.field):
            raise ValueError("count takes no field, every other function needs one")
        return self


class _Panel(_Part):
    title: Text
    #: Of the grid's 48.
    width: int = Field(ge=4, le=COLUMNS)


class _Query(_Panel):
    #: Lucene; holds together with the dashboard's own.
    query: str = "*:*"
    measures: tuple[Measure, ...] = Field(default=(Measure(),), min_length=1)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields whose most frequent values are shown apart, the outermost first."""
        return ()


class Metric(_Query):
    """One number."""

    kind: Literal["metric"]
    size: Literal[1] = 1


class Series(_Query):
    """Values over time, one series for each of the most frequent values of a field."""

    kind: Literal["series"]
    by: str = ""
    size: int = Field(default=8, ge=1, le=20)
    shape: Literal["bars", "share", "line"] = "bars"

    @property
    def fields(self) -> tuple[str, ...]:
        """The field that the series are of, if any."""
        return (self.by,) if self.by else ()


class Bars(_Query):
    """The most frequent values of a field."""

    kind: Literal["bars", "donut"]
    by: str
    size: int = Field(default=10, ge=1, le=50)

    @property
    def fields(self) -> tuple[str, ...]:
        """The field."""
        return (self.by,)


class Table(_Query):
    """The most frequent values of some fields, nested, with measures."""

    kind: Literal["table"]
    by: tuple[str, ...] = Field(min_length=1, max_length=3)
    size: int = Field(default=10, ge=1, le=50)

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns."""
        return self.by


class Events(_Panel):
    """The events of a saved search."""

    kind: Literal["events"]
    search: str


class Runbook(_Panel):
    """What to do, in Markdown."""

    kind: Literal["runbook"]
    text: Text


Chart = Metric | Series | Bars | Table
Panel = Annotated[Metric | Series | Bars | Table | Events | Runbook, Field(discriminator="kind")]


class Row(_Part):
    """Panels side by side."""

    #: In rows of the grid.
    height: int = Field(ge=3, le=40)
    panels: tuple[Panel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fills_the_grid(self) -> Row:
        if (width := sum(panel.width for panel in self.panels)) != COLUMNS:
            raise ValueError(f"the panels of a row are {width} wide together, not {COLUMNS}")
        return self


class Dashboard(_Part):
    """A dashboard; its id is its file's name."""

    title: Text
    description: Text
    data: Data = "logs"
    #: Holds for every panel.
    query: str = "*:*"
    rows: tuple[Row, ...] = Field(min_length=1)


class SavedSearch(_Part):
    """A search that people come back to."""

    title: Text
    data: Data = "logs"
    query: str
    columns: tuple[str, ...] = Field(min_length=1)


class Rule(_Part):
    """Tell somebody when more (or fewer) documents than so many match in some minutes."""

    title: Text
    data: Data = "logs"
    query: str
    #: Counted for each value of this field.
    by: str = ""
    minutes: int = Field(ge=1, le=1440)
    above: int | None = Field(default=None, ge=0)
    below: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _has_one_threshold(self) -> Rule:
        if (self.above is None) == (self.below is None):
            raise ValueError("a rule has either `above` or `below`")
        if self.by and self.below is not None:
            raise ValueError("a value that no document has cannot be counted: `below` takes no `by`")
        return self


class Views(_Part):
    """All of it, by id."""

    dashboards: dict[str, Dashboard]
    searches: dict[str, SavedSearch]
    rules: dict[str, Rule]


def load(directory: Path | None = None) -> Views:
    """Read the descriptions; raises ConfigError naming file and field of a mistake."""
    directory = directory or Path(__file__).parent
    found: dict[str, dict[str, object]] = {"dashboards": {}, "searches": {}, "rules": {}}
    for path in [*sorted(directory.glob("dashboards/*.yaml")), directory / "searches.yaml", directory / "rules.yaml"]:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.parent.name == "dashboards":
            found["dashboards"][path.stem] = text
        else:
            found[path.stem] = text
    try:
        return Views.model_validate(found)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ConfigError(f"{directory}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error


def both(one: str, other: str) -> str:
    """Return the query that two queries make together."""
    parts = [f"({query})" if " " in query else query for query in (one, other) if query != "*:*"]
    return " AND ".join(parts) or "*:*"
