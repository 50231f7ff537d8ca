"""The pictures in the documentation are of the dashboards that there are, and of what a real server answers."""

import re
import xml.etree.ElementTree as ET

import pytest
from views import draw, lettering

from logship.elastic.views.layout import places
from logship.elastic.views.model import Measure, Runbook, load

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


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_runbook_is_shown_whole_with_its_terms_bold(path):
    """Every word of it is in the picture, and what is bold is what the Markdown says, not a whole line."""
    name, language = language_of(path.name)
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    spans = [(span.text, span.get("class")) for span in root.iter(f"{SVG}tspan")]
    (book,) = [one.panel.text.in_(language) for one in places(VIEWS.dashboards[name]) if isinstance(one.panel, Runbook)]
    assert "".join(re.sub(r"[*`]", "", book).split()) == "".join("".join(text for text, _ in spans).split())
    bold = "".join(re.findall(r"\*\*(.+?)\*\*(?!\*)", book)).replace("*", "")
    assert "".join(bold.split()) == "".join("".join(text for text, kind in spans if kind == "b").split())


@pytest.mark.parametrize(("highest", "marks"), [(23, [0, 10, 20, 30]), (1, [0, 1]), (4133, [0, 2000, 4000, 6000])])
def test_a_scale_of_things_that_are_counted_has_whole_numbers(highest, marks):
    """No axis says that there were 11.5 of something."""
    assert marks == lettering.ticks(highest, Measure())


def test_a_scale_of_durations_is_round_in_its_own_unit():
    """Seconds up to a minute and a half, minutes beyond."""
    took, lag = (Measure(function="max", field=field) for field in ("event.duration", "logship.lag_seconds"))
    assert ["0", "25 s", "50 s", "75 s"] == [lettering.number(took, mark) for mark in lettering.ticks(62.5e9, took)]
    assert ["0", "10 min", "20 min", "30 min"] == [lettering.number(lag, mark) for mark in lettering.ticks(1500, lag)]


def test_what_is_cut_can_still_be_told_apart():
    """A name, an id or a path keeps beginning and end; a sentence keeps its beginning."""
    first, second = (f"77777777-1111-4222-8333-94445555666{number}" for number in (1, 2))
    assert lettering.cut(first, 120) != lettering.cut(second, 120)
    assert lettering.cut("http://172.18.0.9:5001/v1/chat-messages", 120).endswith("chat-messages")
    assert lettering.cut("upstream timed out (110: Operation timed out)", 120).startswith("upstream timed")
    assert "short" == lettering.cut("short", 120)


def test_chinese_lines_are_broken_as_they_are_written():
    """No line begins with a comma or ends with an opening quote, and no name is taken apart."""
    text = "**单个服务错误增多**：打开“最多的异常”，点击类型，先看 `service.name:(db_postgres OR redis)`，再继续。"
    for room in range(60, 300, 7):
        shown = ["".join(words for words, _ in line) for line in lettering.lines(text, room)]
        assert [] == [line for line in shown if line[0] in "，。：”" or line[-1] == "“"]
        assert sum("(db_postgres" in line for line in shown) == 1


def test_pictures_can_be_drawn_again(demo):
    """Of the answers of the server that runs now, with every panel; numbers may differ as pipelines learn."""
    drawn = draw.pictures(demo, VIEWS)
    assert {path.name for path in COMMITTED} == set(drawn)
    for name, text in drawn.items():
        dashboard, language = language_of(name)
        found = texts(text)
        assert [] == [title for title in draw.panel_titles(VIEWS, dashboard, language) if title not in found]
        assert len(found) > 2 * len(draw.panel_titles(VIEWS, dashboard, language))
