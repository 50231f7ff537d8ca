"""
Bodies of Kibana's HTTP interfaces: dashboards (9.5) and alert rules, unknown keys forbidden.
"""

# ruff: noqa: N815  # the names are Kibana's

from typing import Annotated, Any, Literal

from pydantic import Field, Json
from views.forms_lens import Form, Grid
from views.forms_objects import Refresh


class ApiQuery(Form):
    """A query."""

    language: Literal["lucene", "kql"]
    expression: str


class ApiSource(Form):
    """The data view, by its id."""

    type: Literal["data_view_reference"]
    ref_id: str


class RankBy(Form):
    """By which measure rows are ranked."""

    type: Literal["metric"]
    metric_index: int
    direction: Literal["asc", "desc"]


class ApiTerms(Form):
    """The most frequent values."""

    operation: Literal["terms"]
    fields: list[str] = Field(min_length=1)
    limit: int = Field(ge=1)
    rank_by: RankBy | None = None


class ApiTime(Form):
    """A histogram over time."""

    operation: Literal["date_histogram"]
    field: str


class ApiMeasure(Form):
    """A number."""

    operation: Literal["count", "average", "max", "sum", "percentile", "unique_count"]
    label: str
    field: str | None = None
    percentile: int | None = None


class ApiPrimary(ApiMeasure):
    """The number of a metric."""

    type: Literal["primary"]


class Drilldown(Form):
    """The drill-down to Discover."""

    type: Literal["discover_drilldown"]
    trigger: Literal["on_apply_filter"]
    label: str


class ApiChart(Form):
    """What every chart has."""

    title: str
    query: ApiQuery
    drilldowns: list[Drilldown]


class ApiMetric(ApiChart):
    """One number."""

    type: Literal["metric"]
    data_source: ApiSource
    metrics: list[ApiPrimary]


class ApiTable(ApiChart):
    """A table."""

    type: Literal["data_table"]
    data_source: ApiSource
    metrics: list[ApiMeasure]
    rows: list[ApiTerms]


class ApiPie(ApiChart):
    """A pie or donut."""

    type: Literal["pie"]
    data_source: ApiSource
    metrics: list[ApiMeasure]
    group_by: list[ApiTerms]
    styling: dict[Literal["donut_hole"], Literal["none", "s", "m", "l"]]


class ApiLayer(Form):
    """Series of one kind."""

    type: Literal["bar_stacked", "bar_percentage", "line", "bar_horizontal"]
    data_source: ApiSource
    x: ApiTerms | ApiTime
    y: list[ApiMeasure]
    breakdown_by: ApiTerms | None = None


class ApiXY(ApiChart):
    """Bars and lines."""

    type: Literal["xy"]
    layers: list[ApiLayer]


class ApiVis(Form):
    """A panel with a chart."""

    id: str
    type: Literal["vis"]
    grid: Grid
    config: Annotated[ApiMetric | ApiTable | ApiPie | ApiXY, Field(discriminator="type")]


class ApiText(Form):
    """A text."""

    title: str
    content: str


class ApiMarkdown(Form):
    """A panel with a text."""

    id: str
    type: Literal["markdown"]
    grid: Grid
    config: ApiText


class ApiReference(Form):
    """A saved search by its id."""

    title: str
    ref_id: str


class ApiSession(Form):
    """A panel with a saved search."""

    id: str
    type: Literal["discover_session"]
    grid: Grid
    config: ApiReference


class TimeRange(Form):
    """From when to when."""

    from_: str = Field(alias="from")
    to: str


class ApiDashboard(Form):
    """The body of a request."""

    title: str
    description: str
    time_range: TimeRange
    refresh_interval: Refresh
    query: ApiQuery
    tags: list[str]
    panels: list[Annotated[ApiVis | ApiMarkdown | ApiSession, Field(discriminator="type")]]


class RuleParams(Form):
    """What a rule asks."""

    searchType: Literal["esQuery"]
    index: list[str]
    timeField: str
    esQuery: Json[dict[str, Any]]
    size: int = Field(ge=0, le=10_000)
    thresholdComparator: Literal[">", "<"]
    threshold: list[int] = Field(min_length=1, max_length=1)
    timeWindowSize: int = Field(ge=1)
    timeWindowUnit: Literal["s", "m", "h", "d"]
    aggType: Literal["count"]
    groupBy: Literal["all", "top"]
    termField: str | None = None
    termSize: int | None = None
    excludeHitsFromPreviousRun: bool


class Interval(Form):
    """How often."""

    interval: str


class Rule(Form):
    """The body of a request."""

    name: str
    tags: list[str]
    rule_type_id: Literal[".es-query"]
    consumer: Literal["stackAlerts"]
    schedule: Interval
    params: RuleParams
    actions: list[Any]
