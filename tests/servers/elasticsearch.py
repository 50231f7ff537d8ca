"""
A real Elasticsearch on loopback, for tests.

Elastic publishes a small server for plug-in tests on Maven Central
(`org.elasticsearch.distribution.integ-test-zip`): the real engine and HTTP
layer, without modules such as ingest, ILM or the `wildcard` field. The zip is
kept in the cache folder; each run unpacks it beside its data and removes both.
It refuses to run as root, so root starts it as uid 65534.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

VERSION = "9.5.3"
SHA256 = "bec49f3b8d00e75c8d1cec85c35298635ec9fbd3ae80ef5aeb6bc05abdb3db2d"
LOWEST_JAVA = 21
NOBODY = 65534
#: The server's limit for one request; small, so that a test can exceed it.
MAX_CONTENT = 16 << 20
START_SECONDS = 180
STOP_SECONDS = 30


class CannotStart(Exception):
    """The server cannot be had or does not start; the message says what to install."""


def cache_folder() -> Path:
    """Return where downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logship-tests"


def tool(name: str, package: str) -> str:
    """Return the path of a program, or say which package has it."""
    found = shutil.which(name)
    if not found:
        raise CannotStart(f"`{name}` is needed to run a real Elasticsearch: install {package}, or set "
                          "LOGSHIP_TEST_ELASTICSEARCH_URL to a server that may be written to")  # fmt: skip
    return found


def java_home() -> Path:
    """Return the oldest JDK that is new enough."""
    named = [os.environ.get(name) for name in ("ES_JAVA_HOME", "JAVA_HOME")]
    found = {}
    for home in [*map(Path, filter(None, named)), *Path("/usr/lib/jvm").glob("*"), Path("/usr")]:
        if (home / "bin/java").exists() and (home != Path("/usr") or (home / "lib/modules").exists()):
            said = subprocess.run([home / "bin/java", "-version"], capture_output=True, text=True, check=False).stderr
            version = re.search(r'version "(\d+)', said)
            if version and int(version[1]) >= LOWEST_JAVA:
                found.setdefault(int(version[1]), home)
    if not found:
        raise CannotStart(f"Java {LOWEST_JAVA} or newer is needed to run a real Elasticsearch: install a JDK under "
                          "/usr/lib/jvm or set JAVA_HOME, or set LOGSHIP_TEST_ELASTICSEARCH_URL")  # fmt: skip
    return found[min(found)]


def download() -> Path:
    """Return the server's zip, fetched by Maven once and checked every time."""
    kept = cache_folder() / f"elasticsearch-{VERSION}.zip"
    if not kept.exists():
        cache_folder().mkdir(parents=True, exist_ok=True)
        artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            command = [tool("mvn", "maven"), "-q", "-B", "-U", "dependency:copy", f"-Dartifact={artifact}",
                       f"-DoutputDirectory={folder}"]  # fmt: skip
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)  # fmt: skip
            fetched = Path(folder) / kept.name
            if not fetched.exists():
                raise CannotStart(f"Maven could not fetch {artifact}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            fetched.replace(kept)
    digest = hashlib.sha256(kept.read_bytes()).hexdigest()
    if digest != SHA256:
        raise CannotStart(f"{kept} has SHA-256 {digest}, not {SHA256}: delete it")
    return kept


@contextmanager
def running(**settings):
    """Start a server with settings of its own (dots as `__`), give its URL, and stop it."""
    home_of_java, unzip = java_home(), tool("unzip", "unzip")
    archive = download()
    folder = Path(tempfile.mkdtemp(prefix="logship-elasticsearch-", dir="/tmp"))
    try:
        subprocess.run([unzip, "-q", archive, "-d", folder], check=True)
        home = folder / f"elasticsearch-{VERSION}"
        for name in ("data", "logs", "tmp"):
            (folder / name).mkdir()
        shutil.move(home / "config", folder / "config")
        user = [tool("setpriv", "util-linux"), "--pdeathsig=TERM"]
        if os.getuid() == 0:
            subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
            user += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        options = {
            "path.data": folder / "data", "path.logs": folder / "logs", "discovery.type": "single-node",
            "http.host": "127.0.0.1", "http.port": "0", "transport.host": "127.0.0.1", "transport.port": "0",
            "node.portsfile": "true", "http.max_content_length": f"{MAX_CONTENT}b",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "xpack.security.enabled": "false", "xpack.ml.enabled": "false",
        } | {name.replace("__", "."): value for name, value in settings.items()}  # fmt: skip
        environment = {
            "PATH": f"{home_of_java}/bin:/usr/bin:/bin", "HOME": str(folder), "ES_JAVA_HOME": str(home_of_java),
            "ES_PATH_CONF": str(folder / "config"), "ES_TMPDIR": str(folder / "tmp"),
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
        }  # fmt: skip
        command = [*user, home / "bin/elasticsearch", *(f"-E{name}={value}" for name, value in options.items())]
        with (folder / "out.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        try:
            yield _url_when_ready(process, folder)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _url_when_ready(process: subprocess.Popen, folder: Path) -> str:
    ports, deadline = folder / "logs/http.ports", time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(0.2)
            break
        except subprocess.TimeoutExpired:
            pass
        if ports.exists() and (port := re.search(r"127\.0\.0\.1:(\d+)", ports.read_text())):
            url = f"http://127.0.0.1:{port[1]}"
            try:
                with urllib.request.urlopen(f"{url}/_cluster/health?wait_for_status=yellow&timeout=5s", timeout=10):
                    return url
            except (OSError, urllib.error.HTTPError):
                continue
    log = (folder / "out.log").read_text(errors="replace")
    raise CannotStart(f"Elasticsearch {VERSION} did not start in {START_SECONDS} s:\n{log[-3000:]}")


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
