"""The files that are made of the descriptions, byte for byte the same every time."""

from __future__ import annotations

from pathlib import Path

import orjson
import yaml

from logship.elastic.views import dashboards_api, grafana, questions, rules, saved_objects
from logship.elastic.views.model import LANGUAGES, Language, Views

_PROVISIONING = """\
# Made by `make generate` from logship/elastic/views: edit there. Grafana puts in these variables of its environment:
# LOGSHIP_GRAFANA_ELASTICSEARCH_URL, LOGSHIP_GRAFANA_ELASTICSEARCH_API_KEY (encoded; see `logship setup --only keys`)
# and LOGSHIP_GRAFANA_DASHBOARDS (the folder of the dashboards' JSON files).
"""


def files(views: Views) -> dict[str, bytes]:
    """Return all files by their path under `elk/`."""
    found: dict[str, bytes] = {}
    for language in LANGUAGES:
        found |= {f"kibana/{language}/{name}": data for name, data in kibana(views, language).items()}
        found |= {f"grafana/{language}/{name}": data for name, data in _grafana(views, language).items()}
    for name, content in grafana.provisioning().items():
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=200)
        found[f"grafana/{name}"] = (_PROVISIONING + text).encode()
    found["searches.md"] = questions.markdown(questions.load()).encode()
    return found


def kibana(views: Views, language: Language) -> dict[str, bytes]:
    """Return Kibana's files in a language."""
    found = {
        "objects.ndjson": saved_objects.ndjson(saved_objects.shared(views, language)),
        "dashboards.ndjson": saved_objects.ndjson(saved_objects.dashboards(views, language)),
        "rules.json": _json(rules.bodies(views, language)),
    }
    for name, dashboard in views.dashboards.items():
        found[f"dashboards-api/{saved_objects.dashboard_id(name)}.json"] = _json(
            dashboards_api.body(dashboard, language)
        )
    return found


def _grafana(views: Views, language: Language) -> dict[str, bytes]:
    return {f"{name}.json": _json(grafana.dashboard(name, views, language)) for name in views.dashboards}


def write(directory: Path, content: dict[str, bytes]) -> None:
    """Write the files, and delete what was once made and is made no more."""
    for part in ("kibana", "grafana"):
        for path in (directory / part).rglob("*"):
            if path.is_file() and path.relative_to(directory).as_posix() not in content:
                path.unlink()
    for name, data in content.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
