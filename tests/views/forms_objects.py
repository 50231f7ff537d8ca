"""
Saved objects of Kibana 8.9: its schema of a dashboard's attributes forbids unknown keys, and so does everything here.
"""

# ruff: noqa: N815  # the names are Kibana's

from typing import Annotated, Any, Literal

from pydantic import Field, Json
from views.forms_lens import Form, GridData, Lens, Meta, Reference, SearchSource


class DiscoverConfig(Form):
    """How Discover opens."""

    openInNewTab: bool


class Action(Form):
    """The drill-down to Discover."""

    factoryId: Literal["OPEN_IN_DISCOVER_DRILLDOWN"]
    name: str
    config: DiscoverConfig


class Event(Form):
    """When an action is offered."""

    eventId: str
    triggers: list[Literal["FILTER_TRIGGER"]]
    action: Action


class Events(Form):
    """The actions of a panel."""

    events: list[Event]


class Enhancements(Form):
    """What a panel has beside its content."""

    dynamicActions: Events | None = None


class LensConfig(Form):
    """A chart inside a panel."""

    attributes: Lens
    enhancements: Enhancements


class MarkdownParams(Form):
    """A text."""

    fontSize: int
    markdown: str
    openLinksInNewTab: bool


class MarkdownData(Form):
    """What a text asks: nothing."""

    aggs: list[Any]
    searchSource: SearchSource


class Markdown(Form):
    """A text as a visualization."""

    id: str
    title: str
    description: str
    type: Literal["markdown"]
    params: MarkdownParams
    uiState: dict[str, Any]
    data: MarkdownData


class MarkdownConfig(Form):
    """A text inside a panel."""

    savedVis: Markdown
    enhancements: Enhancements


class SearchConfig(Form):
    """A saved search inside a panel."""

    enhancements: Enhancements


class Panel(Form):
    """What every panel has."""

    panelIndex: str
    gridData: GridData
    title: str


class LensPanel(Panel):
    """A panel with a chart."""

    type: Literal["lens"]
    embeddableConfig: LensConfig


class MarkdownPanel(Panel):
    """A panel with a text."""

    type: Literal["visualization"]
    embeddableConfig: MarkdownConfig


class SearchPanel(Panel):
    """A panel with the events of a saved search."""

    type: Literal["search"]
    panelRefName: str
    embeddableConfig: SearchConfig


AnyPanel = Annotated[LensPanel | MarkdownPanel | SearchPanel, Field(discriminator="type")]


class Options(Form):
    """How a dashboard looks."""

    hidePanelTitles: bool
    syncColors: bool
    syncCursor: bool
    syncTooltips: bool
    useMargins: bool


class Refresh(Form):
    """How often it is refreshed."""

    pause: bool
    value: int


class DashboardAttributes(Form):
    """A dashboard; Kibana forbids unknown keys."""

    title: str
    description: str
    kibanaSavedObjectMeta: Meta
    optionsJSON: Json[Options]
    panelsJSON: Json[list[AnyPanel]]
    timeRestore: bool
    timeFrom: str
    timeTo: str
    refreshInterval: Refresh
    version: int


class SearchAttributes(Form):
    """A saved search."""

    title: str
    description: str
    columns: list[str]
    sort: list[list[str]]
    grid: dict[str, Any]
    hideChart: bool
    isTextBasedQuery: Literal[False]
    kibanaSavedObjectMeta: Meta
    timeRestore: bool


class FieldFormat(Form):
    """How values of a field are shown."""

    id: Literal["bytes", "duration", "url"]
    params: dict[str, Any] | None = None


class DataViewAttributes(Form):
    """A data view."""

    title: str
    name: str
    timeFieldName: str
    allowNoIndex: bool
    fieldFormatMap: Json[dict[str, FieldFormat]]
    fieldAttrs: Json[dict[str, dict[str, str]]]


class TagAttributes(Form):
    """A tag."""

    name: str
    description: str
    color: str = Field(pattern="^#[0-9a-f]{6}$")


class SavedObject(Form):
    """What every saved object has."""

    id: str
    references: list[Reference]
    coreMigrationVersion: Literal["8.8.0"]
    managed: bool


class Tag(SavedObject):
    """A tag, saved."""

    type: Literal["tag"]
    typeMigrationVersion: Literal["8.0.0"]
    attributes: TagAttributes


class DataView(SavedObject):
    """A data view, saved."""

    type: Literal["index-pattern"]
    typeMigrationVersion: Literal["8.0.0"]
    attributes: DataViewAttributes


class Search(SavedObject):
    """A saved search, saved."""

    type: Literal["search"]
    typeMigrationVersion: Literal["8.0.0"]
    attributes: SearchAttributes


class Dashboard(SavedObject):
    """A dashboard, saved."""

    type: Literal["dashboard"]
    typeMigrationVersion: Literal["8.9.0"]
    attributes: DashboardAttributes


AnyObject = Annotated[Tag | DataView | Search | Dashboard, Field(discriminator="type")]
