"""
Bring data sources and dashboards into Grafana by its HTTP interface, and take them out again.

Folder, data sources and dashboards have fixed uids. What we wrote is marked where
Grafana keeps it: a dashboard's newest version carries our message, with a digest
of what was sent; a data source has a record in its `jsonData`. What is without
mark, or was saved by somebody else since, is left alone unless that is forced.
Where Grafana is provisioned by files, `elk/grafana` holds those.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
import yaml
from elastic_transport import TransportError

from logship.data import data_path
from logship.elastic.client import Answer, Client
from logship.elastic.kibana import EDITED, FOREIGN, UNKNOWN, Outcome
from logship.elastic.views.model import Language
from logship.errors import LogshipError

Json = dict[str, Any]

FOLDER = "logship"
_MESSAGE = "logship setup "
#: The key of a data source's `jsonData` under which we remember what we wrote.
_RECORD = "logship"
#: What Grafana tells of a data source, as far as we set it; secrets it never tells.
_READABLE = ("name", "type", "access", "url", "basicAuth", "basicAuthUser", "jsonData")


@dataclass(frozen=True, slots=True)
class Reader:
    """How Grafana reads Elasticsearch."""

    url: str
    #: Value of the header, `ApiKey …` or `Bearer …`; or user and password; or nothing.
    authorization: str = ""
    user: str = ""
    password: str = ""
    #: Certificate authorities, PEM.
    ca: str = ""
    verify: bool = True
    #: Tells one secret from another and gives none away: the key's id. Without, a secret is sent every time.
    mark: str = ""

    @property
    def secret(self) -> bool:
        """Whether there is something that Grafana never tells again."""
        return bool(self.authorization or self.password)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to become of an object, and the request that does it, if any."""

    outcome: Outcome
    request: tuple[str, str, Json] | None = None


def install(
    client: Client, language: Language, reader: Reader, *, dry_run: bool = False, force: bool = False
) -> list[Outcome]:
    """Install or renew what nobody else has changed, with `force` everything; raises LogshipError."""
    found = {source["uid"]: _get(client, f"/api/datasources/uid/{source['uid']}") for source in _provisioned()}
    there = _get(client, f"/api/folders/{FOLDER}") is not None
    ours = not there or _made_folder(found)
    folder = Outcome("folder", FOLDER, "created" if not there else "unchanged" if ours else "kept")
    steps = [_Step(folder, None if there else ("POST", "/api/folders", {"uid": FOLDER, "title": FOLDER}))]
    steps += [_source(source, found[source["uid"]], reader, force=force) for source in _sources(reader, ours=ours)]
    steps += [_dashboard(client, board, force=force) for board in _dashboards(language)]
    for step in [] if dry_run else steps:
        if step.request:
            _write(client, step.outcome, *step.request)
    return [step.outcome for step in steps]


def remove(client: Client, *, dry_run: bool = False) -> list[Outcome]:
    """Delete what `install` made, and the folder if it made that and nothing is left in it; raises LogshipError."""
    done, within = [], 0
    for board in _dashboards("en"):
        name = board["uid"]
        found = _get(client, f"/api/dashboards/uid/{name}")
        ours = found is not None and "logship" in found["dashboard"].get("tags", [])
        within += bool(ours and found and found.get("meta", {}).get("folderUid") == FOLDER)
        path = f"/api/dashboards/uid/{name}"
        done.append(_removed(client, "dashboard", name, path, found, ours=ours, dry_run=dry_run))
    sources = {source["uid"]: _get(client, f"/api/datasources/uid/{source['uid']}") for source in _provisioned()}
    folder = _folder_removed(client, made=_made_folder(sources), within=within if dry_run else 0, dry_run=dry_run)
    for name, source in sources.items():
        ours = source is not None and _RECORD in source.get("jsonData", {})
        path = f"/api/datasources/uid/{name}"
        done.append(_removed(client, "data source", name, path, source, ours=ours, dry_run=dry_run))
    return [*done, folder]


def _removed(
    client: Client, kind: str, name: str, path: str, found: Json | None, *, ours: bool, dry_run: bool
) -> Outcome:
    if found is None:
        return Outcome(kind, name, "missing")
    if not ours:
        return Outcome(kind, name, "kept", FOREIGN)
    if not dry_run:
        _delete(client, kind, name, path)
    return Outcome(kind, name, "removed")


def _folder_removed(client: Client, *, made: bool, within: int, dry_run: bool) -> Outcome:
    """Delete the folder if it is ours and empty; `within` of its dashboards do not count."""
    if _get(client, f"/api/folders/{FOLDER}") is None:
        return Outcome("folder", FOLDER, "missing")
    if not made:
        return Outcome("folder", FOLDER, "kept", "was there before logship")
    counts = _get(client, f"/api/folders/{FOLDER}/counts")  # since Grafana 10
    if counts is None:
        return Outcome("folder", FOLDER, "kept", "this Grafana does not tell what else is in it")
    if sum(counts.values()) > within:
        return Outcome("folder", FOLDER, "kept", "holds more than logship's dashboards")
    if not dry_run:
        _delete(client, "folder", FOLDER, f"/api/folders/{FOLDER}")
    return Outcome("folder", FOLDER, "removed")


def _provisioned() -> list[Json]:
    """Return the data sources of the provisioning file."""
    path = data_path("elk") / "grafana" / "provisioning" / "datasources" / "logship.yaml"
    sources: list[Json] = yaml.safe_load(path.read_text(encoding="utf-8").replace("$$", "$"))["datasources"]
    return sources


def _sources(reader: Reader, *, ours: bool) -> list[Json]:
    """Return the data sources as the HTTP interface takes them, with our record; `ours`: the folder is."""
    sources = _provisioned()
    for source in sources:
        options, secrets = source["jsonData"], dict[str, str]()
        del source["editable"], source["secureJsonData"]
        source["url"] = reader.url
        if reader.authorization:
            secrets["httpHeaderValue1"] = reader.authorization
        else:
            del options["httpHeaderName1"]
        if reader.user:
            source |= {"basicAuth": True, "basicAuthUser": reader.user}
            secrets["basicAuthPassword"] = reader.password
        if reader.ca:
            options["tlsAuthWithCACert"] = True
            secrets["tlsCACert"] = reader.ca
        if not reader.verify:
            options["tlsSkipVerify"] = True
        mark = f"{reader.mark}{hashlib.sha256(reader.ca.encode()).hexdigest()[:12] if reader.ca else ''}"
        options[_RECORD] = {"digest": _digest(source), "secret": mark, "folder": ours}
        source["secureJsonData"] = secrets
    return sources


def _source(source: Json, found: Json | None, reader: Reader, *, force: bool) -> _Step:
    name = source["uid"]
    if found is None:
        return _Step(Outcome("data source", name, "created"), ("POST", "/api/datasources", source))
    record = found.get("jsonData", {}).get(_RECORD)
    renew = ("PUT", f"/api/datasources/uid/{name}", source)
    if not record or _digest(found) != record.get("digest"):
        if force:
            return _Step(Outcome("data source", name, "updated"), renew)
        return _Step(Outcome("data source", name, "kept", EDITED if record else UNKNOWN))
    if record == source["jsonData"][_RECORD] and (reader.mark or not reader.secret):
        return _Step(Outcome("data source", name, "unchanged"))
    return _Step(Outcome("data source", name, "updated"), renew)


def _digest(source: Json) -> str:
    """Return a digest of what Grafana tells of a data source."""
    told = {key: source[key] for key in _READABLE if source.get(key)}
    told["jsonData"] = {key: value for key, value in source["jsonData"].items() if key != _RECORD}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


def _made_folder(sources: dict[str, Json | None]) -> bool:
    """Return whether a data source remembers that the folder was made by us."""
    records = [source.get("jsonData", {}).get(_RECORD) or {} for source in sources.values() if source]
    return any(record.get("folder") for record in records)


def _dashboards(language: Language) -> list[Json]:
    folder = data_path("elk") / "grafana" / language
    return [orjson.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]


def _dashboard(client: Client, board: Json, *, force: bool) -> _Step:
    name = board["uid"]
    message = _MESSAGE + hashlib.sha256(orjson.dumps(board, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    found = _get(client, f"/api/dashboards/uid/{name}")
    folder = FOLDER if found is None else found.get("meta", {}).get("folderUid", FOLDER)  # it may have been moved
    request = (
        "POST",
        "/api/dashboards/db",
        {"dashboard": board, "folderUid": folder, "overwrite": True, "message": message},
    )
    if found is None:
        return _Step(Outcome("dashboard", name, "created"), request)
    newest = _newest_message(client, name)
    if newest == message:
        return _Step(Outcome("dashboard", name, "unchanged"))
    if newest.startswith(_MESSAGE) or force:
        return _Step(Outcome("dashboard", name, "updated"), request)
    ours = "logship" in found["dashboard"].get("tags", [])
    return _Step(Outcome("dashboard", name, "kept", EDITED if ours else UNKNOWN))


def _newest_message(client: Client, name: str) -> str:
    """Return what was said when a dashboard was saved last."""
    answer = _request(client, "GET", f"/api/dashboards/uid/{name}/versions?limit=1")
    body = answer.json() if answer.status == 200 else None
    versions = body.get("versions") if isinstance(body, dict) else body  # a bare list up to Grafana 11
    newest: Json = max(versions or [], key=lambda one: one["version"], default={})
    return str(newest.get("message", ""))


def _get(client: Client, path: str) -> Json | None:
    """Return an object, or None where there is none."""
    answer = _request(client, "GET", path)
    body = answer.json()
    if answer.status == 404:
        return None
    if answer.status != 200 or not isinstance(body, dict):
        raise _failure(f"was asked for {path}", answer)
    return body


def _write(client: Client, outcome: Outcome, method: str, path: str, body: Json) -> None:
    answer = _request(client, method, path, body)
    if outcome.kind == "folder" and answer.status in (409, 412):
        raise LogshipError(
            f"Grafana has a folder {FOLDER} that is not ours: {answer.error()}", "give that folder another title"
        )
    if answer.status != 200:
        raise _failure(f"was given the {outcome.kind} {outcome.name}", answer)


def _delete(client: Client, kind: str, name: str, path: str) -> None:
    answer = _request(client, "DELETE", path)
    if answer.status not in (200, 404):
        raise _failure(f"was told to delete {kind} {name}", answer)


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
