"""Where the panels of a dashboard lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logship.elastic.views.model import Dashboard, Panel


@dataclass(frozen=True, slots=True)
class Place:
    """A panel and its rectangle, in cells of the grid, from the top left."""

    #: Distinct within the dashboard.
    id: str
    panel: Panel
    x: int
    y: int
    width: int
    height: int


def places(dashboard: Dashboard) -> Iterator[Place]:
    """Return the panels from left to right and from top to bottom."""
    y = 0
    for number, row in enumerate(dashboard.rows, 1):
        x = 0
        for position, panel in enumerate(row.panels, 1):
            yield Place(f"panel-{number}-{position}", panel, x, y, panel.width, row.height)
            x += panel.width
        y += row.height
