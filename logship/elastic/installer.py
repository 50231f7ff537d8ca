"""
Bring a server to what `elk/` says, and take it away again.

Nothing that logship did not make is touched, `logship-custom` belongs to the
operator, and data is never deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logship.data import data_path
from logship.elastic.client import Client
from logship.elastic.objects import (
    CUSTOM,
    PLACES,
    Change,
    Kind,
    Wanted,
    compare,
    current,
    managed,
    newer,
    taken_from,
    wanted,
)
from logship.elastic.overlap import rivals
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
    objects = [one for one in wanted(server, days or _DEFAULT_DAYS, directory) if _belongs(one, parts, server)]
    changes = [(want, compare(want, _there(client, want))) for want in objects]
    others = rivals(client, objects)
    return Plan(server, tuple((want, _beside(want, change, others.get(want.name, {}))) for want, change in changes))


def obstacle(found: Plan) -> LogshipError | None:
    """Return why a plan cannot be carried out, all of it; None when it can."""
    foreign = [f"{change.kind} {change.name}" for _, change in found.changes if change.state == "foreign"]
    clashes = [change for _, change in found.changes if change.state == "conflict"]
    what = [f"nothing was changed: not made by logship: {', '.join(foreign)}"] if foreign else []
    what += [f"nothing was changed: {change.kind} {change.name}: {change.note}" for change in clashes]
    hints = ["keep what is there under another name and delete it under this one"] if foreign else []
    if clashes:
        hints.append("give the other template another priority: a higher one if it is to win there, else a lower one")
    return LogshipError("\n".join(what), f"{'; '.join(hints)}; then run `logship setup` again") if what else None


def apply(client: Client, found: Plan) -> list[Change]:
    """Carry a plan out; raises LogshipError before anything is changed, or at the first object that is refused."""
    if wrong := obstacle(found):
        raise wrong
    for want, _ in found.pending:
        path = want.path
        if want.kind == "ISM policy":
            path += _revision(client, want)
        answer = ask(client, "PUT", path, want.body)
        if answer.status not in (200, 201):
            raise _refused(want.kind, want.name, answer.status, answer.error(innermost=True))
    return [change for _, change in found.changes]


def ensure_templates(client: Client, days: dict[str, int] | None = None, directory: Path | None = None) -> list[Change]:
    """Install what is missing or old; raises LogshipError when an object of somebody else's is in the way."""
    if _installed(client, days or _DEFAULT_DAYS, directory or data_path("elk")):
        return []
    return apply(client, plan(client, days=days, directory=directory))


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


def remove(
    client: Client,
    *,
    parts: Sequence[str] = ("templates", "lifecycle"),
    dry_run: bool = False,
    force: bool = False,
) -> list[Change]:
    """Delete the objects that logship made, and no data; what is needed is kept; `force`: what is newer is not."""
    server = inspect(client)
    kinds = frozenset[Kind]().union(*(PARTS[part] for part in parts if part in PARTS))
    done, needed, doubtful = [], set[str](), set[str]()
    for want in reversed(wanted(server, _DEFAULT_DAYS)):
        there = _there(client, want) if want.kind in kinds else None
        if there is None:
            continue
        change = Change(want.kind, want.name, "removed")
        if not managed(want.kind, there) or (want.name == CUSTOM and there.get("template")):
            change = replace(change, state="foreign", note="was not made by logship, and is left alone")
        elif newer(want, there) and not force:
            change = replace(change, state="newer", note="a newer logship made it, and it is left alone; --force: not")
        elif want.name in needed:
            change = replace(change, state="in use", note="kept, an index template that is left alone needs it")
        elif dry_run:
            change = replace(change, note=_unless(client, want, doubtful))
            doubtful.update(there.get("composed_of", []) if change.note else [])
        else:
            change = _delete(client, change)
        if change.state != "removed":
            needed.update(there.get("composed_of", []))
        done.append(change)
    return done


def _belongs(want: Wanted, parts: Sequence[str], server: Server) -> bool:
    """Return whether an object is of some parts; without policies the retention is in component templates."""
    if any(want.kind in PARTS[part] for part in parts if part in PARTS):
        return True
    return "lifecycle" in parts and server.lifecycle == "data stream lifecycle" and want.name.endswith("-lifecycle")


def _beside(want: Wanted, change: Change, others: dict[str, int]) -> Change:
    """Return a change with what other templates of our names mean for it."""
    same = [name for name, priority in others.items() if priority == want.body["priority"]]
    if same and change.state in ("created", "updated"):
        patterns = ", ".join(want.body["index_patterns"])
        what = f"has the same priority {want.body['priority']} and matches names of {patterns}, which no server takes"
        return replace(change, state="conflict", note=f"index template {', '.join(same)} {what}")
    above = [f"{name} ({priority})" for name, priority in others.items() if priority > want.body["priority"]]
    if not above:
        return change
    note = f"index template {', '.join(above)} has a higher priority, and wins where both match"
    return replace(change, note="; ".join(filter(None, [change.note, note])))


def _delete(client: Client, change: Change) -> Change:
    answer = ask(client, "DELETE", PLACES[change.kind][0] + change.name)
    if answer.status in (200, 404):
        return change
    if answer.status == 400 and "in use" in answer.error():
        what = "when what needs it is deleted, `logship setup --remove` takes it away too"
        return replace(change, state="in use", note=f"kept, data needs it: {answer.error()}; {what}")
    raise _refused(change.kind, change.name, answer.status, answer.error())


def _unless(client: Client, want: Wanted, doubtful: set[str]) -> str:
    """Return what may keep a template from being deleted: only trying tells, as servers differ."""
    if want.name in doubtful:
        return "unless an index template that needs it is kept"
    if want.kind != "index template":
        return ""
    answer = ask(client, "GET", f"/_resolve/index/{','.join(want.body['index_patterns'])}")
    body = answer.json() if answer.status == 200 else None
    streams = [one["name"] for one in body.get("data_streams", [])] if isinstance(body, dict) else []
    few = ", ".join(streams[:3]) + (f" and {len(streams) - 3} more" if len(streams) > 3 else "")
    return f"unless the server keeps it for its data streams: {few}" if streams else ""


def _there(client: Client, want: Wanted) -> dict[str, Any] | None:
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
    hint = "what comes after it was not installed; mend the reason and run `logship setup` again, it goes on from there"
    if status in (401, 403):
        hint = "the key needs the cluster privileges manage_index_templates and, where there is ILM, manage_ilm"
    return LogshipError(f"{kind} {name} was refused: {reason}", hint)
