"""`python -m views.draw`: draw the pictures of the dashboards in docs/dashboards, of the answers of a real server."""

import hashlib
import sys
import tempfile
import uuid
from pathlib import Path

import orjson
from servers import elasticsearch
from views import corpus, picture
from views import demo as demos

from logship.elastic.client import connect
from logship.elastic.installer import ensure_templates
from logship.elastic.views.body import body, lucene
from logship.elastic.views.layout import places
from logship.elastic.views.model import LANGUAGES, STREAMS, Views, load

FOLDER = Path(__file__).parents[2] / "docs" / "dashboards"
#: The pipelines' samples are in the corpus too; pictures show the two hours alone.
NO_SAMPLES = "NOT log.file.path:*samples*"


def digest(views: Views, name: str) -> str:
    """Return what a description hashes to: a picture says which one it was drawn of."""
    one = views.dashboards[name].model_dump_json()
    return hashlib.sha256(one.encode()).hexdigest()[:16]


def pictures(demo: demos.Demo, views: Views) -> dict[str, str]:
    """Return the pictures by their file's name."""
    found = {}
    for name, dashboard in views.dashboards.items():
        for language in LANGUAGES if name == "overview" else LANGUAGES[:1]:

            def answer(chart, dashboard=dashboard):
                query = f"({dashboard.query}) AND ({NO_SAMPLES})"
                asked = body(chart, query, since=corpus.BEGIN, until=corpus.END)
                return demo.search(STREAMS[dashboard.data], asked)

            drawn = picture.draw(
                dashboard, language, answer, lambda search: _events(demo, views, search), digest(views, name)
            )
            found[f"{name}.svg" if language == "en" else f"{name}.{language}.svg"] = drawn
    return found


def _events(demo, views, name):
    """Return the columns of a saved search and its newest documents, cells as text."""
    search = views.searches[name]
    time = {"range": {"@timestamp": {"gte": corpus.BEGIN.isoformat(), "lt": corpus.END.isoformat()}}}
    query = {"bool": {"filter": [lucene(search.query), lucene(NO_SAMPLES), time]}}
    asked = {"size": 100, "query": query, "sort": [{"@timestamp": "desc"}], "fields": list(search.columns)}
    hits = demo.search(STREAMS[search.data], asked)["hits"]["hits"]
    rows = [(hit["_source"]["@timestamp"], [_cell(hit, column) for column in search.columns]) for hit in hits]
    rows.sort(reverse=True)
    return search.columns, [(stamp[11:19], cells) for stamp, cells in rows]


def _cell(hit, column):
    return ", ".join(map(str, hit.get("fields", {}).get(column, ["–"])))


def panel_titles(views: Views, name: str, language: str) -> list[str]:
    """Return the titles that a picture must hold."""
    return [place.panel.title.in_(language) for place in places(views.dashboards[name])]


def main() -> None:
    """Start a server, let the agent read the corpus, and write the pictures."""
    views = load()
    with elasticsearch.running() as url, tempfile.TemporaryDirectory() as folder:
        client = connect([url])
        ensure_templates(client)
        namespace = f"v{uuid.uuid4().hex[:12]}"
        state = demos.read(Path(folder) / "corpus", url, namespace)
        client.request("POST", f"/logs-*-{namespace}/_refresh")
        drawn = pictures(demos.Demo(client, namespace, state), views)
        client.close()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(orjson.dumps({name: len(text) for name, text in drawn.items()}).decode() + "\n")


if __name__ == "__main__":
    main()
