"""
Bring data sources and dashboards into Grafana by its HTTP interface, and take them out again.

Folder, data sources and dashboards have fixed uids, so that a second run renews
them. Where Grafana is provisioned by files, `elk/grafana` holds those.
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml
from elastic_transport import TransportError

from logship.data import data_path
from logship.elastic.client import Answer, Client
from logship.elastic.kibana import Outcome
from logship.elastic.views.model import Language
from logship.errors import LogshipError

Json = dict[str, Any]

FOLDER = "logship"


def install(client: Client, language: Language, *, url: str, api_key: str = "", dry_run: bool = False) -> list[Outcome]:
    """
    Install or renew everything; raises LogshipError.

    `url` and `api_key` (encoded) are those by which Grafana reads Elasticsearch.
    """
    sources, boards = _sources(url, api_key), _dashboards(language)
    if dry_run:
        wanted = [("data source", one["uid"]) for one in sources] + [("dashboard", one["uid"]) for one in boards]
        return [Outcome("folder", FOLDER, "created"), *(Outcome(kind, name, "created") for kind, name in wanted)]
    done = [_folder(client)]
    done += [_source(client, one) for one in sources]
    return done + [_dashboard(client, one) for one in boards]


def remove(client: Client, *, dry_run: bool = False) -> list[Outcome]:
    """Delete everything that `install` makes; raises LogshipError."""
    wanted = [("dashboard", one["uid"], f"/api/dashboards/uid/{one['uid']}") for one in _dashboards("en")]
    wanted += [("data source", one["uid"], f"/api/datasources/uid/{one['uid']}") for one in _sources("", "")]
    wanted.append(("folder", FOLDER, f"/api/folders/{FOLDER}"))
    if dry_run:
        return [Outcome(kind, name, "removed") for kind, name, _ in wanted]
    done = []
    for kind, name, path in wanted:
        answer = _request(client, "DELETE", path)
        if answer.status not in (200, 404):
            raise _failure(f"was told to delete {kind} {name}", answer)
        done.append(Outcome(kind, name, "removed" if answer.status == 200 else "missing"))
    return done


def _sources(url: str, api_key: str) -> list[Json]:
    """Return the provisioned data sources as the HTTP interface takes them."""
    path = data_path("elk") / "grafana" / "provisioning" / "datasources" / "logship.yaml"
    text = path.read_text(encoding="utf-8").replace("$$", "$")
    sources: list[Json] = yaml.safe_load(text)["datasources"]
    for source in sources:
        del source["editable"]
        source["url"] = url
        if api_key:
            source["secureJsonData"] = {"httpHeaderValue1": f"ApiKey {api_key}"}
        else:
            del source["secureJsonData"], source["jsonData"]["httpHeaderName1"]
    return sources


def _dashboards(language: Language) -> list[Json]:
    folder = data_path("elk") / "grafana" / language
    return [orjson.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]


def _folder(client: Client) -> Outcome:
    answer = _request(client, "POST", "/api/folders", {"uid": FOLDER, "title": FOLDER})
    if answer.status in (409, 412):
        return Outcome("folder", FOLDER, "kept")
    if answer.status != 200:
        raise _failure("was told to make a folder", answer)
    return Outcome("folder", FOLDER, "created")


def _source(client: Client, source: Json) -> Outcome:
    name = source["uid"]
    answer = _request(client, "GET", f"/api/datasources/uid/{name}")
    there = answer.status == 200
    if there:
        answer = _request(client, "PUT", f"/api/datasources/uid/{name}", source)
    elif answer.status == 404:
        answer = _request(client, "POST", "/api/datasources", source)
    if answer.status != 200:
        raise _failure(f"was given the data source {name}", answer)
    return Outcome("data source", name, "updated" if there else "created")


def _dashboard(client: Client, board: Json) -> Outcome:
    name = board["uid"]
    there = _request(client, "GET", f"/api/dashboards/uid/{name}").status == 200
    body = {"dashboard": board, "folderUid": FOLDER, "overwrite": True, "message": "logship setup"}
    answer = _request(client, "POST", "/api/dashboards/db", body)
    if answer.status != 200:
        raise _failure(f"was given the dashboard {name}", answer)
    return Outcome("dashboard", name, "updated" if there else "created")


def _request(client: Client, method: str, path: str, body: Json | None = None) -> Answer:
    try:
        return client.request(method, path, None if body is None else orjson.dumps(body))
    except TransportError as error:
        raise LogshipError(f"cannot reach Grafana: {error.message}", "check grafana.url and the CA") from error


def _failure(what: str, answer: Answer) -> LogshipError:
    reason = answer.error()
    if answer.status in (401, 403):
        return LogshipError(f"Grafana refused: {reason}", "grafana.token needs the role Admin of the organisation")
    return LogshipError(f"Grafana {what} and answered {reason}", "is grafana.url the address of Grafana?")
