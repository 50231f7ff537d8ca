"""
Charts as Kibana's Lens keeps them, in 8.9: written from its fixtures and documentation, not from our generator.

Every model forbids unknown keys.
"""

# ruff: noqa: N815  # the names are Kibana's

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json


class Form(BaseModel):
    """A JSON object with these keys and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Reference(Form):
    """That one object needs another."""

    type: Literal["index-pattern", "search", "tag", "dashboard"]
    id: str
    name: str


class Query(Form):
    """A query in the form of saved objects."""

    language: Literal["lucene", "kuery"]
    query: str


class SearchSource(Form):
    """What a saved search or dashboard asks."""

    query: Query
    filter: list[Any]
    indexRefName: str | None = None


class Meta(Form):
    """Where the search source is kept."""

    searchSourceJSON: Json[SearchSource]


class Grid(Form):
    """A rectangle on the 48 columns."""

    x: int = Field(ge=0, le=47)
    y: int = Field(ge=0)
    w: int = Field(ge=1, le=48)
    h: int = Field(ge=1)


class GridData(Grid):
    """A rectangle of a panel."""

    i: str


class TermsOrder(Form):
    """By which column the most frequent values are found."""

    type: Literal["column"]
    columnId: str


class TermsParams(Form):
    """How many values, and in which order."""

    size: int = Field(ge=1, le=10_000)
    orderBy: TermsOrder
    orderDirection: Literal["asc", "desc"]
    otherBucket: bool
    missingBucket: bool
    parentFormat: dict[str, str]


class Terms(Form):
    """The most frequent values of a field."""

    operationType: Literal["terms"]
    dataType: Literal["string", "number", "ip", "date", "boolean"]
    isBucketed: Literal[True]
    scale: Literal["ordinal"]
    label: str
    customLabel: bool
    sourceField: str
    params: TermsParams


class DateParams(Form):
    """How fine the histogram is."""

    interval: str
    dropPartials: bool
    includeEmptyRows: bool


class DateHistogram(Form):
    """A histogram over time."""

    operationType: Literal["date_histogram"]
    dataType: Literal["date"]
    isBucketed: Literal[True]
    scale: Literal["interval"]
    label: str
    sourceField: str
    params: DateParams


class Value(Form):
    """A number."""

    dataType: Literal["number"]
    isBucketed: Literal[False]
    scale: Literal["ratio"]
    label: str
    customLabel: bool


class Count(Value):
    """How many documents."""

    operationType: Literal["count"]
    sourceField: Literal["___records___"]
    params: dict[Literal["emptyAsNull"], bool]


class Function(Value):
    """A function of a field."""

    operationType: Literal["average", "max", "sum", "unique_count"]
    sourceField: str
    params: dict[Literal["emptyAsNull"], bool]


class Percentile(Value):
    """A percentile of a field."""

    operationType: Literal["percentile"]
    sourceField: str
    params: dict[Literal["percentile"], int]


Column = Annotated[Terms | DateHistogram | Count | Function | Percentile, Field(discriminator="operationType")]


class Layer(Form):
    """Columns of one data view."""

    columns: dict[str, Column]
    columnOrder: list[str]
    incompleteColumns: dict[str, Any]


class Layers(Form):
    """Layers by their id."""

    layers: dict[str, Layer]


class DatasourceStates(Form):
    """The data of a chart."""

    formBased: Layers


class MetricChart(Form):
    """One number."""

    layerId: str
    layerType: Literal["data"]
    metricAccessor: str


class ColumnId(Form):
    """A column that is shown."""

    columnId: str


class TableChart(Form):
    """A table."""

    layerId: str
    layerType: Literal["data"]
    columns: list[ColumnId]


class Slices(Form):
    """What a pie is cut by."""

    layerId: str
    layerType: Literal["data"]
    metrics: list[str]
    primaryGroups: list[str]
    numberDisplay: Literal["percent", "value", "hidden"]
    categoryDisplay: Literal["default", "inside", "hide"]
    legendDisplay: Literal["default", "show", "hide"]
    nestedLegend: bool


class PieChart(Form):
    """A pie or donut."""

    shape: Literal["donut", "pie"]
    layers: list[Slices]


class Legend(Form):
    """Where the legend is."""

    isVisible: bool
    position: Literal["left", "right", "top", "bottom"]


class SeriesLayer(Form):
    """Series of one kind."""

    layerId: str
    layerType: Literal["data"]
    seriesType: Literal["bar_stacked", "bar_percentage_stacked", "line", "bar_horizontal"]
    xAccessor: str
    accessors: list[str]
    splitAccessor: str | None = None
    position: Literal["top"]
    showGridlines: bool


class XYChart(Form):
    """Bars and lines."""

    layers: list[SeriesLayer]
    preferredSeriesType: str
    legend: Legend
    valueLabels: Literal["hide", "show"]
    fittingFunction: Literal["None", "Zero", "Linear"]


class State(Form):
    """All that a chart is."""

    adHocDataViews: dict[str, Any]
    datasourceStates: DatasourceStates
    filters: list[Any]
    internalReferences: list[Any]
    query: Query
    visualization: dict[str, Any]


CHARTS = {"lnsMetric": MetricChart, "lnsDatatable": TableChart, "lnsPie": PieChart, "lnsXY": XYChart}


class Lens(Form):
    """A chart."""

    title: str
    type: Literal["lens"]
    visualizationType: Literal["lnsMetric", "lnsDatatable", "lnsPie", "lnsXY"]
    state: State
    references: list[Reference]
