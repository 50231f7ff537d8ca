"""
What other tools put before a container's lines: compose, Docker, journald, viewers, kubectl.

People paste what they have at hand. A file is looked at once (`detect`); each
layer that most of its lines have is taken off from the outside in (`Peeler`).
A stamp that is taken off becomes the line's time only if the line has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from logship.model import Lines
from logship.pipeline.times import Clock

#: Says how well some lines are understood, from 0 to 1.
Judge = Callable[[Sequence[str]], float]

_DEEP = 4
_COLOUR = r"(?:\x1b?\[[0-9;]*m)*"
_NOISE = re.compile(r"-- (?:Logs begin|Journal begins|No entries|Boot [0-9a-f]{32}|Reboot --|cursor: )")
_CONTAINER = re.compile(r"[-_]\d+$")
_ENGINE = re.compile(r"docker|dockerd|podman|conmon|containerd|k3s|kubelet")
_CONTAINER_ID = re.compile(r"[0-9a-f]{12}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing that may stand before a line."""

    name: str
    #: Groups `service` and `stamp` say what is worth keeping.
    pattern: re.Pattern[str]
    #: Formats of the stamp.
    time: tuple[str, ...] = ("iso",)
    #: The smallest share of lines that must have it.
    share: float = 0.5
    #: The line's own stamp may look the same: take it off only if the rest is understood better.
    doubtful: bool = False


def _layer(name: str, pattern: str, *time: str, share: float = 0.5, doubtful: bool = False) -> Layer:
    return Layer(name, re.compile(pattern, re.ASCII), time or ("iso",), share, doubtful)


_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)"
_SYSLOG = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?"
_LEVELS = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL)"
_TAG = r"(?P<service>[^\s\[\]:]+)(?:\[\d+\])?: ?"

LAYERS = (
    # docker compose logs: `api-1  | text`, `docker-api-1 | text`; podman-compose: `[api] | text`
    _layer(
        "compose",
        rf"{_COLOUR}\[?(?!PM2\b|{_LEVELS}\b)(?P<service>[A-Za-z][\w.-]*)\]?{_COLOUR} +\|{_COLOUR}(?: |$)?{_COLOUR}",
    ),
    # kubectl logs --prefix: `[pod/dify-api-7d9f8b6c5-x2x4z/api] text`
    _layer("kubectl", r"\[pod/[^/\]\s]+/(?P<service>[^\]\s]+)\] ?"),
    # journalctl, syslog: `Nov 20 08:00:01 host docker[123]: text`
    _layer("journal", rf"(?:<\d{{1,3}}>)?(?P<stamp>{_SYSLOG}) \S+ {_TAG}", "%b %d %H:%M:%S"),
    # journalctl -o short-iso, short-full
    _layer(
        "journal-iso",
        rf"(?:[A-Z][a-z]{{2}} )?(?P<stamp>{_ISO}(?:{_ZONE}| [A-Z]{{3,5}})) (?!{_LEVELS}\b)\w[\w.-]* "
        r"(?P<service>[^\s\[\]:]+)\[\d+\]: ?",
    ),
    # RFC 5424, as Docker's syslog driver writes it
    _layer("syslog", rf"<\d{{1,3}}>1 (?P<stamp>{_ISO}{_ZONE}) \S+ (?P<service>\S+) \S+ \S+ (?:-|\[[^\]]*\]) ?"),
    # a viewer: `2025-11-20T08:00:00Z | text`
    _layer("viewer", rf"(?P<stamp>{_ISO} ?{_ZONE}?) ?\| (?!\s*[A-Z]{{4,8}}\s*\|)", doubtful=True),
    # docker logs -t, kubectl logs --timestamps
    _layer("stamp", rf"(?P<stamp>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{5,9}}{_ZONE})(?: |$)", share=0.8, doubtful=True),
    # Docker Desktop, in local time without a zone
    _layer("desktop", r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: |$)", share=0.8, doubtful=True),
    # podman logs --names: `dify_api_1 text`
    _layer("podman", r"(?P<service>[a-z][a-z0-9.-]*[-_][\w.-]*[-_]\d+) ", share=0.95),
)
#: What compose itself says between the lines of its containers.
_COMPOSE_SAYS = re.compile(
    r"\S+ exited with code \d+|Attaching to |Gracefully stopping|Aborting on container exit|\[\+\] |canceled$"
    r"|\s*[✔✘⠿] ?(?:Network|Container|Volume|Image) "
    r"|\s*Container \S+ {1,20}(?:Creat|Start|Stop|Recreat|Runn|Remov|Wait|Health)"
)
#: A line after its stamp is taken off that no program prints behind a stamp of its own: another stamp, an indented
#: line, a record, another prefix.
_NEVER_STAMPED = re.compile(
    r"\s+\S|\[?\d{4}[-/]\d\d[-/]\d\d|\{\"|\[GIN|\[gnet\]|Traceback \(|[0-9a-f.:]{7,45} - \S+ \[|\d+:[A-Z] \d"
    r"|\d{9,10}\.\d{3}\s|\[[a-z]+\] \S+ +\||[A-Za-z][\w.-]* +\| |goroutine \d+ \[|panic: "
)
_LEVEL_NEXT = re.compile(rf"\s*{_LEVELS}\s+[\w.:-]|(?:UTC|GMT|[+-]\d{{4}}) ")
_OWN_START = re.compile(
    r"\s|\[?\d{4}[-/]\d\d[-/]\d\d|\{\"|\[GIN|Traceback \(|[0-9a-f.:]{7,45} - |\[[A-Za-z]"
    r"|(?:INFO|DEBUG|WARNING|ERROR|CRITICAL):|\d+:[A-Z] \d|\d{9,10}\.\d{3}\s|-{3}|$"
)


def is_container_id(name: str) -> bool:
    """Return whether a name is only a container's id, which says nothing of its service."""
    return _CONTAINER_ID.fullmatch(name) is not None


def detect(texts: Sequence[str], judge: Judge) -> list[Layer]:
    """Return the layers that stand before these lines, from the outside in."""
    layers: list[Layer] = []
    texts = [text for text in texts if text.strip() and not (_NOISE.match(text) or _COMPOSE_SAYS.match(text))]
    while texts and len(layers) < _DEEP:
        found = next((layer for layer in LAYERS if layer not in layers and _has(layer, texts, judge)), None)
        if found is None:
            break
        layers.append(found)
        texts = [rest for text in texts if (rest := _rest(found, text)).strip()]
    return layers


def _rest(layer: Layer, text: str) -> str:
    found = layer.pattern.match(text)
    return text[found.end() :] if found else text


def _has(layer: Layer, texts: Sequence[str], judge: Judge) -> bool:
    rests = [text[found.end() :] for text in texts if (found := layer.pattern.match(text))]
    if len(rests) < layer.share * len(texts) or not rests:
        return False
    if not layer.doubtful:
        return True
    if 2 * sum(bool(_LEVEL_NEXT.match(rest)) for rest in rests) > len(rests):
        return False  # the stamp is the line's own: its level follows
    if 4 * sum(bool(_NEVER_STAMPED.match(rest)) for rest in rests) > len(rests):
        return True
    before, after = judge(texts), judge(rests)
    return after > before or (after == before and all(map(_OWN_START.match, rests)))


class Peeler:
    """Takes the layers off line by line, and says whose line each is."""

    def __init__(self, layers: Sequence[Layer], known: Callable[[str], bool], zone: str) -> None:
        self.layers = layers
        self._known = known
        self._clocks = [Clock(layer.time, zone) for layer in layers]
        self._names: dict[str, str] = {"": ""}
        self._noise = any(layer.name.startswith("journal") for layer in layers)
        self._compose = any(layer.name == "compose" for layer in layers)

    def peel(self, lines: Lines) -> dict[str, Lines]:
        """Return the lines by service, "" where none is named; lines without a layer go on with the one before."""
        if not self.layers:
            return {"": lines}
        owners: list[str | None] = []
        owner = ""
        for position, text in enumerate(lines.texts):
            if self._noise and _NOISE.match(text):
                owners.append(None)
                continue
            rest, stamp, service = self._one(text)
            if rest is not text:
                owner = service
            elif self._compose and _COMPOSE_SAYS.match(text):
                owner = ""
            lines.texts[position] = rest
            if stamp and not lines.times[position]:
                lines.times[position] = stamp
            owners.append(owner)
        return {name: _of(lines, [row for row, one in enumerate(owners) if one == name]) for name in _names(owners)}

    def _one(self, text: str) -> tuple[str, str, str]:
        stamp = service = ""
        for layer, clock in zip(self.layers, self._clocks, strict=True):
            found = layer.pattern.match(text)
            if not found:
                continue
            parts = found.groupdict()
            text = text[found.end() :]
            if parts.get("stamp"):
                stamp = clock.convert([parts["stamp"].strip()])[0] or stamp
            if parts.get("service"):
                service = self.service(parts["service"]) or service
        return text, stamp, service

    def service(self, container: str) -> str:
        """Return the compose service of a container's name: `docker-api-1` is of `api`."""
        if container not in self._names:
            self._names[container] = self._service(container)
        return self._names[container]

    def complete(self, names: Iterable[str]) -> bool:
        """Give names whose beginning was cut off (`orker-1`) the service of a whole one; return whether any was."""
        names = list(names)
        whole = [name for name in names if self._known(name)]
        cut = {name: next((one for one in whole if one != name and one.endswith(name)), "") for name in names if name}
        found = {name: one for name, one in cut.items() if one and not self._known(name)}
        self._names.update({said: found[name] for said, name in list(self._names.items()) if name in found})
        return bool(found)

    def _service(self, container: str) -> str:
        if _ENGINE.fullmatch(container):
            return ""
        if is_container_id(container):
            return container
        name = _CONTAINER.sub("", container.rpartition("/")[2])
        if self._known(name):
            return name
        parts = re.split(r"([-_])", name)
        for begin in range(2, len(parts), 2):  # a project's name stands before
            if self._known(shorter := "".join(parts[begin:])):
                return shorter
        return name


def _names(owners: Sequence[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in owners if name is not None))


def _of(lines: Lines, rows: list[int]) -> Lines:
    if len(rows) == len(lines.texts):
        return lines
    return Lines(
        [lines.offsets[row] for row in rows],
        [lines.ends[row] for row in rows],
        [lines.texts[row] for row in rows],
        [lines.times[row] for row in rows],
        [lines.streams[row] for row in rows],
        [lines.partial[row] for row in rows] if lines.partial else [],
        {new: lines.extra[old] for new, old in enumerate(rows) if old in lines.extra} if lines.extra else {},
    )
