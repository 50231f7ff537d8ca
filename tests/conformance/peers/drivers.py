"""
How each shipper is told to follow files into one file of JSON lines, and where its program is found.

A driver gives a command; starting, stopping and killing are the same for all. Each is configured as carefully as its
manual allows: read from the beginning, positions kept, a line of 1 MiB taken whole. `LOGSHIP_TEST_PEER_<NAME>` names a
program that is not on PATH; rsyslog and syslog-ng are Debian's packages.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

#: What starts an event of several lines in the cases that join them.
EVENT_START = "^[0-9]{4}-"
_LONGEST = 2 << 20
#: Seconds without a line after which an event of several lines is complete.
_EVENT_SECONDS = 3


class Inexpressible(Exception):
    """The shipper has no option for what a case asks."""


@dataclass(frozen=True)
class Plan:
    """What a case asks of a shipper."""

    patterns: tuple[str, ...] = ("*.log*",)
    exclude: str = ""
    at_end: bool = False
    #: Lines up to the next that starts an event (`EVENT_START`) are one event.
    multiline: bool = False
    #: The most files that the process may open.
    open_files: int = 0
    #: Permissions of files hold, although the tests run as root.
    unprivileged: bool = False


@dataclass(frozen=True)
class Driver:
    """A shipper: how it is started on a folder with `logs`, `state` and `out`, and the member that is the text."""

    name: str
    program: str
    command: Callable[[str, Path, Plan], list[str]]
    text: str

    def found(self) -> str:
        """Return its program, empty where there is none."""
        named = os.environ.get(f"LOGSHIP_TEST_PEER_{self.name.upper().replace('-', '_').replace(' ', '_')}")
        return named or shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""

    def delivered(self, folder: Path) -> list[str]:
        """Return the texts that it delivered, in its order."""
        texts = []
        for path in sorted((folder / "out").glob("delivered*")):
            if ".state" in path.name:  # logship's own note of what it wrote
                continue
            for line in path.read_bytes().split(b"\n")[:-1]:
                document = orjson.loads(line)
                for member in self.text.split("."):
                    document = document.get(member) if isinstance(document, dict) else None
                if document is not None:
                    texts.append(str(document))
        return texts


def _paths(folder: Path, plan: Plan) -> list[str]:
    return [str(folder / "logs" / pattern) for pattern in plan.patterns]


def _written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def _logship(program: str, folder: Path, plan: Plan) -> list[str]:
    files = [
        {"path": path, "envelope": "plain", "service": "api" if plan.multiline else "generic"}
        | ({"exclude": [str(folder / "logs" / plan.exclude)]} if plan.exclude else {})
        | ({"start": "end"} if plan.at_end else {})
        for path in _paths(folder, plan)
    ]
    configuration = {
        "files": files,
        "containers": {"enabled": False},
        "store": {"enabled": False},
        "keep_original": "always",
        "ingest": {"quiet_seconds": _EVENT_SECONDS if plan.multiline else 1, "scan_seconds": 0.2},
        "file_sink": {"path": str(folder / "out" / "delivered.json")},
    }
    name = _written(folder, "logship.yaml", orjson.dumps(configuration).decode())  # JSON is YAML
    options = ["--config", name, "--state-dir", str(folder / "state"), "--output", "none"]
    return [program, "-m", "logship", "tail", *options]


def _rsyslog(program: str, folder: Path, plan: Plan) -> list[str]:
    if plan.exclude:
        raise Inexpressible("imfile excludes nothing")
    joins = f' startmsg.regex="{EVENT_START}" readTimeout="{_EVENT_SECONDS}" escapeLF="off"' if plan.multiline else ""
    tail = ' freshStartTail="on"' if plan.at_end else ""
    inputs = [
        f'input(type="imfile" file="{path}" tag="t" ruleset="out" persistStateInterval="1"{tail}{joins})'
        for path in _paths(folder, plan)
    ]
    text = "\n".join(
        [
            f'global(workDirectory="{folder}/state" maxMessageSize="{_LONGEST}")',
            'module(load="imfile" mode="inotify" pollingInterval="1")',
            'template(name="text" type="list" option.jsonf="on") {',
            '    property(outname="message" name="rawmsg" format="jsonf")',
            "}",
            f'ruleset(name="out") {{ action(type="omfile" file="{folder}/out/delivered.json" template="text") }}',
            *inputs,
        ]
    )
    return [program, "-n", "-f", _written(folder, "rsyslog.conf", text + "\n"), "-i", str(folder / "pid")]


def _syslog_ng(program: str, folder: Path, plan: Plan) -> list[str]:
    if plan.exclude:
        raise Inexpressible("exclude-pattern is newer than Debian's package")
    options = ["follow-freq(0.2)", "flags(no-parse)", "log-iw-size(100000)"]
    if plan.at_end:
        options.append("read-old-records(no)")
    if plan.multiline:
        options.append(f'multi-line-mode(prefix-garbage) multi-line-prefix("{EVENT_START}")')
        options.append(f"multi-line-timeout({_EVENT_SECONDS})")
    sources = []
    for pattern in plan.patterns:
        where = f'base-dir("{folder}/logs") filename-pattern("{pattern}") max-files(1000)'
        if "*" in pattern:
            sources.append(f"wildcard-file({where} {' '.join(options)});")
        else:
            sources.append(f'file("{folder}/logs/{pattern}" {" ".join(options)});')
    text = f"""@version: 3.35
options {{ log-msg-size({_LONGEST}); stats-freq(0); time-reopen(1); }};
source s {{ {" ".join(sources)} }};
destination d {{ file("{folder}/out/delivered.json" template("$(format-json message=$MSG)\\n")
    log-fifo-size(200000)); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""
    names = ["-R", f"{folder}/state/persist", "-p", f"{folder}/pid", "-c", f"{folder}/control"]
    return [program, "-F", "--no-caps", "-f", _written(folder, "syslog-ng.conf", text), *names]


def _fluent_bit(program: str, folder: Path, plan: Plan) -> list[str]:
    source: dict[str, object] = {
        "name": "tail", "path": ",".join(_paths(folder, plan)), "db": f"{folder}/state/tail.db", "db.sync": "full",
        "read_from_head": not plan.at_end, "refresh_interval": 1, "key": "message", "buffer_max_size": _LONGEST,
    }  # fmt: skip
    if plan.exclude:
        source["exclude_path"] = str(folder / "logs" / plan.exclude)
    parsers = [{"name": "event", "type": "regex", "flush_timeout": 1000 * _EVENT_SECONDS, "rules": [
        {"state": "start_state", "regex": f"/{EVENT_START}/", "next_state": "more"},
        {"state": "more", "regex": "/^(?![0-9]{4}-)/", "next_state": "more"},
    ]}]  # fmt: skip
    if plan.multiline:
        source["multiline.parser"] = "event"
    output = {"name": "file", "match": "*", "path": f"{folder}/out", "file": "delivered.json", "format": "plain"}
    configuration = {
        "service": {"flush": 0.2, "grace": 5, "log_level": "warn"},
        "multiline_parsers": parsers,
        "pipeline": {"inputs": [source], "outputs": [output]},
    }
    return [program, "-c", _written(folder, "fluent-bit.yaml", orjson.dumps(configuration).decode())]


def _vector(program: str, folder: Path, plan: Plan) -> list[str]:
    source: dict[str, object] = {
        "type": "file", "include": _paths(folder, plan), "read_from": "end" if plan.at_end else "beginning",
        "max_line_bytes": _LONGEST, "glob_minimum_cooldown_ms": 200,
    }  # fmt: skip
    if plan.exclude:
        source["exclude"] = [str(folder / "logs" / plan.exclude)]
    if plan.multiline:
        start = {"start_pattern": EVENT_START, "condition_pattern": EVENT_START}
        source["multiline"] = start | {"mode": "halt_before", "timeout_ms": 1000 * _EVENT_SECONDS}
    sink = {"type": "file", "inputs": ["in"], "path": f"{folder}/out/delivered.json", "encoding": {"codec": "json"}}
    configuration = {"data_dir": f"{folder}/state", "sources": {"in": source}, "sinks": {"out": sink}}
    return [program, "--config", _written(folder, "vector.json", orjson.dumps(configuration).decode())]


def _filebeat(program: str, folder: Path, plan: Plan) -> list[str]:
    source: dict[str, object] = {
        "type": "filestream", "id": "in", "paths": _paths(folder, plan), "message_max_bytes": _LONGEST,
        "prospector.scanner": {"check_interval": "200ms", "fingerprint.enabled": False}, "file_identity.native": {},
    }  # fmt: skip
    if plan.at_end:
        source["ignore_inactive"] = "since_first_start"
    if plan.exclude:
        source["prospector.scanner"] = {"exclude_files": [plan.exclude.replace(".", r"\.").replace("*", ".*") + "$"]}
    if plan.multiline:
        joined = {"type": "pattern", "pattern": EVENT_START, "negate": True, "match": "after"}
        source["parsers"] = [{"multiline": joined | {"timeout": f"{_EVENT_SECONDS}s"}}]
    configuration = {
        "filebeat.inputs": [source],
        "path.data": f"{folder}/state",
        "output.file": {"path": f"{folder}/out", "filename": "delivered"},
    }
    name = _written(folder, "filebeat.yml", orjson.dumps(configuration).decode())
    return [program, "-e", "--strict.perms=false", "-c", name]


LOGSHIP = Driver("logship", sys.executable, _logship, "event.original")
DRIVERS = (
    LOGSHIP,
    Driver("rsyslog", "rsyslogd", _rsyslog, "message"),
    Driver("syslog-ng", "syslog-ng", _syslog_ng, "message"),
    Driver("Fluent Bit", "fluent-bit", _fluent_bit, "message"),
    Driver("Vector", "vector", _vector, "message"),
    Driver("Filebeat", "filebeat", _filebeat, "message"),
)
