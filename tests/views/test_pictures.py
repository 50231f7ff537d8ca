"""The pictures in the documentation are of the dashboards that there are, and of what a real server answers."""

import re
import xml.etree.ElementTree as ET

import pytest
from views import draw

from logship.elastic.views.model import load

VIEWS = load()
COMMITTED = sorted(draw.FOLDER.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    """Return the texts of a picture; it must be well-formed."""
    return [node.text for node in ET.fromstring(picture).iter(f"{SVG}text")]


def language_of(name: str) -> tuple[str, str]:
    """Return dashboard and language of a picture's name."""
    found = re.fullmatch(r"(\w+)(?:\.(zh))?\.svg", name)
    return found[1], found[2] or "en"


def test_every_dashboard_has_a_picture():
    """One each in English, and the overview in Chinese."""
    assert {"overview.zh.svg", *(f"{name}.svg" for name in VIEWS.dashboards)} == {path.name for path in COMMITTED}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_picture_is_of_the_present_description(path):
    """It names the description it was drawn of, and holds every panel's title; else: `make pictures`."""
    name, language = language_of(path.name)
    text = path.read_text(encoding="utf-8")
    assert f"<!-- description {draw.digest(VIEWS, name)} -->" in text
    assert [] == [title for title in draw.panel_titles(VIEWS, name, language) if title not in texts(text)]


def test_pictures_can_be_drawn_again(demo):
    """Of the answers of the server that runs now, with every panel; numbers may differ as pipelines learn."""
    drawn = draw.pictures(demo, VIEWS)
    assert {path.name for path in COMMITTED} == set(drawn)
    for name, text in drawn.items():
        dashboard, language = language_of(name)
        found = texts(text)
        assert [] == [title for title in draw.panel_titles(VIEWS, dashboard, language) if title not in found]
        assert len(found) > 2 * len(draw.panel_titles(VIEWS, dashboard, language))
