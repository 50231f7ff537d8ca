"""
Peers that can be run beside logship: rsyslog, from Debian's packages.

It reads the same Docker json-file, decodes the wrapper, parses the inner line
with liblognorm (its fastest parser; no regular expressions) and sends the same
fields to the same endpoint. It can join lines only before it decodes them, so
every line of a traceback is a document of its own. Its queue is in memory:
what is in flight at a kill is lost.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.bulk_server import serving, taken

if TYPE_CHECKING:
    from bench.runs import Figure

#: What `apt-get install` needs; where they are not installed they are unpacked into a cache.
PACKAGES = ["rsyslog", "rsyslog-elasticsearch"]
_LIBRARIES = ["libestr0", "libfastjson4", "liblognorm5", "libcurl4"]
_NAME = "rsyslog (cannot join tracebacks: every line an event)"
#: Seconds without a document after which it is given up.
_STALLED = 30

_RULES = """version=2
rule=:%date:date-iso% %clock:word% %level:word% [%thread:char-to{"extradata":"]"}%] [%file:char-to{"extradata":":"}%:%line:number%] %trace:word% - %message:rest%
rule=:%date:date-iso% %clock:word% %level:word% [%thread:char-to{"extradata":"]"}%] [%file:char-to{"extradata":":"}%:%line:number%]  - %message:rest%
"""  # noqa: E501  # a rule is one line

_CONFIGURATION = r"""
global(workDirectory="@STATE@" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="mmjsonparse")
module(load="mmnormalize")
module(load="omelasticsearch")
template(name="event" type="list" option.casesensitive="on") {
    constant(value="{\"@timestamp\":\"") property(name="$!date") constant(value="T") property(name="$!clock")
    constant(value="Z\",\"level\":\"") property(name="$!level" format="json")
    constant(value="\",\"thread\":\"") property(name="$!thread" format="json")
    constant(value="\",\"file\":\"") property(name="$!file" format="json")
    constant(value="\",\"line\":\"") property(name="$!line")
    constant(value="\",\"trace\":\"") property(name="$!trace" format="json")
    constant(value="\",\"message\":\"") property(name="$!message" format="json") constant(value="\"}")
}
ruleset(name="docker" queue.type="LinkedList" queue.size="50000"
        queue.dequeueBatchSize="2048" queue.workerThreads="1") {
    action(type="mmjsonparse" cookie="")
    action(type="mmnormalize" ruleBase="@STATE@/api.rulebase" variable="$!log")
    if $parsesuccess == "FAIL" then {
        set $!date = substring($!time, 0, 10);
        set $!clock = substring($!time, 11, 12);
        set $!message = $!log;
    }
    action(type="omelasticsearch" server="127.0.0.1" serverPort="@PORT@" searchIndex="logs" searchType="" bulkMode="on"
           template="event")
}
input(type="imfile" file="@PATH@" tag="docker" ruleset="docker" addMetadata="off")
"""


class Unavailable(Exception):
    """The peer cannot be had or does not run here; the message says why."""


def rsyslog(path: Path, measured: Callable[..., tuple[bytes, float, float]], figure: type[Figure]) -> Figure:
    """Run rsyslog over the file until all is delivered; a row that says why if that is not possible."""
    try:
        command, env = _daemon()
        events, cpu, memory = _run(command, env, path, measured)
    except Unavailable as why:
        return figure(f"rsyslog: not measured ({why})", 0, 0.0, 0.0)
    return figure(_NAME, events, cpu, memory)


def _run(
    command: list[str], env: dict[str, str], path: Path, measured: Callable[..., tuple[bytes, float, float]]
) -> tuple[int, float, float]:
    with path.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    with serving() as url, tempfile.TemporaryDirectory(dir=path.parent) as state:
        values = {"@STATE@": state, "@PATH@": str(path), "@PORT@": url.rsplit(":", 1)[1]}
        configuration = _CONFIGURATION
        for name, value in values.items():
            configuration = configuration.replace(name, value)
        (Path(state) / "rsyslog.conf").write_text(configuration)
        (Path(state) / "api.rulebase").write_text(_RULES)
        pid = Path(state) / "pid"
        ender = threading.Thread(target=_end_when_delivered, args=(url, lines, pid), daemon=True)
        ender.start()
        try:
            _, cpu, memory = measured([*command, "-n", "-f", f"{state}/rsyslog.conf", "-i", str(pid)], env)
        except SystemExit as ended:
            raise Unavailable(str(ended)) from None
        delivered = taken(url)
    if delivered != lines:
        raise Unavailable(f"it delivered {delivered:,} of {lines:,} lines")
    return delivered, cpu, memory


def _end_when_delivered(url: str, lines: int, pid: Path) -> None:
    """Send SIGTERM when the endpoint has every line, or has had none for a while."""
    last, since = 0, time.monotonic()
    while last < lines and time.monotonic() - since < _STALLED:
        time.sleep(0.1)
        if (now := taken(url)) != last:
            last, since = now, time.monotonic()
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)


def _daemon() -> tuple[list[str], dict[str, str]]:
    """Return what starts rsyslogd with omelasticsearch: as installed, or unpacked in a cache."""
    program = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program and any(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so")):
        return [program], {}
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logship-tests" / "rsyslog"
    if not root.exists():
        _unpack(root)
    modules = next(root.glob("usr/lib/*/rsyslog"))
    libraries = f"{modules.parent}:{root / 'lib' / modules.parent.name}"
    return [str(root / "usr/sbin/rsyslogd"), "-M", str(modules)], {"LD_LIBRARY_PATH": libraries}


def _unpack(root: Path) -> None:
    wish = f"apt-get install {' '.join(PACKAGES)}"
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise Unavailable("no Debian package manager here")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        done = subprocess.run(
            ["apt-get", "download", *PACKAGES, *_LIBRARIES], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["apt-get download failed"])[-1]
            raise Unavailable(f"{reason}; {wish}")
        unpacked = Path(folder) / "root"
        for package in Path(folder).glob("*.deb"):
            if subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=False).returncode:
                raise Unavailable(f"dpkg -x {package.name} failed; {wish}")
        unpacked.rename(root)
