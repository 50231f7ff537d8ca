"""
Bring a server to what `elk/` says, and take it away again.

Nothing that logship did not make is touched, `logship-custom` belongs to the
operator, and data is never deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from logship.data import data_path
from logship.elastic.client import Client
from logship.elastic.objects import CUSTOM, PLACES, Change, Kind, Wanted, compare, current, managed, taken_from, wanted
from logship.elastic.server import Server, ask, inspect
from logship.errors import LogshipError

#: Kinds of objects by the part of `logship setup` that installs them.
PARTS: dict[str, frozenset[Kind]] = {
    "templates": frozenset({"component template", "index template"}),
    "lifecycle": frozenset({"ILM policy", "ISM policy"}),
}
_DEFAULT_DAYS = {"logship-logs": 30, "logship-audit": 400}


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do on a server."""

    server: Server
    changes: tuple[tuple[Wanted, Change], ...]

    @property
    def pending(self) -> list[tuple[Wanted, Change]]:
        """What would be created or updated."""
        return [(want, change) for want, change in self.changes if change.state in ("created", "updated")]


def plan(
    client: Client,
    *,
    parts: Sequence[str] = ("templates", "lifecycle"),
    days: dict[str, int] | None = None,
    directory: Path | None = None,
) -> Plan:
    """Compare a server with what should be there; changes nothing. Raises LogshipError."""
    server = inspect(client)
    kinds = frozenset[Kind]().union(*(PARTS[part] for part in parts if part in PARTS))
    objects = [one for one in wanted(server, days or _DEFAULT_DAYS, directory) if one.kind in kinds]
    return Plan(server, tuple((want, compare(want, _there(client, want))) for want in objects))


def needed(found: Plan) -> dict[str, list[str]]:
    """Return the privileges that a plan needs: `cluster`, by their names in Elasticsearch's security reference."""
    cluster = ["monitor"]
    kinds = {want.kind for want, _ in found.changes}
    if kinds & PARTS["templates"]:
        cluster.append("manage_index_templates")
    if "ILM policy" in kinds:
        cluster.append("manage_ilm")
    return {"cluster": cluster}


def missing(client: Client, privileges: dict[str, list[str]]) -> list[str]:
    """Return which privileges we have not; none where the server has no security, or does not tell."""
    answer = ask(client, "POST", "/_security/user/_has_privileges", privileges)
    body = answer.json() if answer.status == 200 else None
    found = body.get("cluster") if isinstance(body, dict) else None
    return [name for name, has in found.items() if not has] if isinstance(found, dict) else []


def apply(client: Client, found: Plan) -> list[Change]:
    """Carry a plan out; raises LogshipError at the first object that the server refuses."""
    for want, _ in found.pending:
        path = want.path
        if want.kind == "ISM policy":
            path += _revision(client, want)
        answer = ask(client, "PUT", path, want.body)
        if answer.status not in (200, 201):
            raise _refused(want.kind, want.name, answer.status, answer.error(innermost=True))
    return [change for _, change in found.changes]


def ensure_templates(client: Client, days: dict[str, int] | None = None, directory: Path | None = None) -> list[Change]:
    """Install what is missing or old; raises LogshipError when an object of our name is somebody else's."""
    if _installed(client, days or _DEFAULT_DAYS, directory or data_path("elk")):
        return []
    changes = apply(client, plan(client, days=days, directory=directory))
    foreign = [f"{change.kind} {change.name}" for change in changes if change.state == "foreign"]
    if foreign:
        raise LogshipError(f"not made by logship: {', '.join(foreign)}", "rename what is there, or delete it")
    return changes


def _installed(client: Client, days: dict[str, int], directory: Path) -> bool:
    """Return whether every template is there as we would make it: two requests, at every start of an agent."""
    kinds: tuple[Kind, ...] = ("component template", "index template")
    for kind in kinds:
        place, folder = PLACES[kind]
        answer = ask(client, "GET", f"{place}logship-*")
        listed = answer.json() if answer.status == 200 else None
        key = kind.replace(" ", "_")
        rows = listed.get(f"{key}s", []) if isinstance(listed, dict) else []
        found = {row["name"]: row[key] for row in rows if isinstance(row, dict) and key in row}
        for path in (directory / folder).glob("*.json"):
            if not current(kind, path.stem, found.get(path.stem, {}), path.read_bytes(), days):
                return False
    return True


def remove(client: Client, *, parts: Sequence[str] = ("templates", "lifecycle"), dry_run: bool = False) -> list[Change]:
    """Delete the objects that logship made, and no data; what data still needs is kept and said."""
    server = inspect(client)
    kinds = frozenset[Kind]().union(*(PARTS[part] for part in parts if part in PARTS))
    done = []
    for want in reversed(wanted(server, _DEFAULT_DAYS)):
        there = _there(client, want) if want.kind in kinds else None
        if there is None:
            continue
        change = Change(want.kind, want.name, "removed")
        if not managed(want.kind, there) or (want.name == CUSTOM and there.get("template")):
            change = replace(change, state="foreign", note="was not made by logship, and is left alone")
        elif not dry_run:
            change = _delete(client, change)
        done.append(change)
    return done


def _delete(client: Client, change: Change) -> Change:
    answer = ask(client, "DELETE", PLACES[change.kind][0] + change.name)
    if answer.status in (200, 404):
        return change
    if answer.status == 400 and "in use" in answer.error():
        return replace(change, state="in use", note=f"kept, data needs it: {answer.error()}")
    raise _refused(change.kind, change.name, answer.status, answer.error())


def _there(client: Client, want: Wanted) -> dict[str, object] | None:
    answer = ask(client, "GET", want.path)
    if answer.status == 404:
        return None
    found = taken_from(want.kind, want.name, answer.json()) if answer.status == 200 else None
    if answer.status in (401, 403):
        raise _refused(want.kind, want.name, answer.status, answer.error())
    if found is None:
        reason = f"asked for {want.kind} {want.name}, the server answered something else: {answer.error()}"
        raise LogshipError(reason, "is it Elasticsearch?")
    return found


def _revision(client: Client, want: Wanted) -> str:
    """Return what an update of an ISM policy must name: the revision that it replaces."""
    answer = ask(client, "GET", want.path)
    body = answer.json() if answer.status == 200 else None
    return f"?if_seq_no={body['_seq_no']}&if_primary_term={body['_primary_term']}" if body else ""


def _refused(kind: str, name: str, status: int, reason: str) -> LogshipError:
    hint = "Elasticsearch 7.17 or newer, or OpenSearch 2 or newer, is needed"
    if status in (401, 403):
        hint = "the key needs the cluster privileges manage_index_templates and, where there is ILM, manage_ilm"
    return LogshipError(f"{kind} {name} was refused: {reason}", hint)
