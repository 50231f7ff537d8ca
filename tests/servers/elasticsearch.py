"""
A real Elasticsearch 9, 8 or 7, or OpenSearch 3 or 2, on loopback, for tests.

Elastic publishes a small server for plug-in tests on Maven Central
(`org.elasticsearch.distribution.integ-test-zip`): the real engine and HTTP
layer, without modules such as ingest, ILM or the `wildcard` field; OpenSearch
publishes its core likewise. The zip is kept in the cache folder; each run
unpacks it beside its data and removes both. It refuses to run as root, so root
starts it as uid 65534. Plug-ins of our own (`plugin/`) add what that zip leaves
out and a test needs: with `security` for API keys, to Elasticsearch 7 for data
streams.
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
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Release:
    """One release of a server, as Maven Central has it."""

    group: str
    name: str
    version: str
    sha256: str
    #: Lowest version of Java.
    java: int

    @property
    def variables(self) -> str:
        """Return what the names of its environment variables begin with."""
        return "ES" if self.name == "elasticsearch" else "OPENSEARCH"


_ELASTIC, _OPENSEARCH = (f"org.{name}.distribution.integ-test-zip" for name in ("elasticsearch", "opensearch"))
RELEASES = {
    "elasticsearch 9": Release(
        _ELASTIC, "elasticsearch", "9.5.3", "bec49f3b8d00e75c8d1cec85c35298635ec9fbd3ae80ef5aeb6bc05abdb3db2d", 21
    ),
    "elasticsearch 8": Release(
        _ELASTIC, "elasticsearch", "8.19.21", "215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a", 17
    ),
    "elasticsearch 7": Release(
        _ELASTIC, "elasticsearch", "7.17.29", "841ee00be1a72ba8e707b5a2fb55f23fe7a4184369b4585393238b1c903eedaf", 17
    ),
    "opensearch 3": Release(
        _OPENSEARCH, "opensearch", "3.8.0", "196c3cf4602c394f2e40e6174ccbf2a924eae37246f08fa6bbb6b75f9fd5ff1f", 21
    ),
    "opensearch 2": Release(
        _OPENSEARCH, "opensearch", "2.19.3", "760530e522de0a9f06380d4a4a43dfd83c31fa8911f41745513ce715ed5dfd03", 17
    ),
}
#: User and password of a server with security.
USER, PASSWORD = "elastic", "only-for-tests"
PLUGIN = Path(__file__).with_name("plugin")
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


def java_home(lowest: int = 21) -> Path:
    """Return the oldest JDK that is new enough."""
    named = [os.environ.get(name) for name in ("ES_JAVA_HOME", "JAVA_HOME")]
    found = {}
    for home in [*map(Path, filter(None, named)), *Path("/usr/lib/jvm").glob("*"), Path("/usr")]:
        if (home / "bin/java").exists() and (home != Path("/usr") or (home / "lib/modules").exists()):
            said = subprocess.run([home / "bin/java", "-version"], capture_output=True, text=True, check=False).stderr
            version = re.search(r'version "(\d+)', said)
            if version and int(version[1]) >= lowest:
                found.setdefault(int(version[1]), home)
    if not found:
        raise CannotStart(f"Java {lowest} or newer is needed to run a real Elasticsearch: install a JDK under "
                          "/usr/lib/jvm or set JAVA_HOME, or set LOGSHIP_TEST_ELASTICSEARCH_URL")  # fmt: skip
    return found[min(found)]


def download(release: Release = RELEASES["elasticsearch 9"]) -> Path:
    """Return the server's zip, fetched by Maven once and checked every time."""
    kept = cache_folder() / f"{release.name}-{release.version}.zip"
    if not kept.exists():
        cache_folder().mkdir(parents=True, exist_ok=True)
        artifact = f"{release.group}:{release.name}:{release.version}:zip"
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
    if digest != release.sha256:
        raise CannotStart(f"{kept} has SHA-256 {digest}, not {release.sha256}: delete it")
    return kept


class Server:
    """A server that can be killed and started again with the same data, at the same address."""

    def __init__(self, command: list, environment: dict[str, str], folder: Path, *, security: bool) -> None:
        self._command = command
        self._environment = environment
        self._folder = folder
        self._security = security
        self._process: subprocess.Popen | None = None
        self._port = "0"

    def start(self) -> str:
        """Start it, and return its URL once it answers."""
        (self._folder / "logs/http.ports").unlink(missing_ok=True)
        command = [*self._command, "-E", f"http.port={self._port}"]
        with (self._folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, cwd=self._folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        url = _url_when_ready(self._process, self._folder, security=self._security)
        self._port = url.rpartition(":")[2]
        return url

    def kill(self) -> None:
        """End it as a power cut does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it as its operator does, if it runs."""
        if self._process is not None:
            _stop(self._process)


@contextmanager
def running(kind: str = "elasticsearch 9", *, security: bool = False, **settings):
    """Start a server with settings of its own (dots as `__`), give its URL, and stop it."""
    with prepared(kind, security=security, **settings) as server:
        yield server.start()


@contextmanager
def prepared(kind: str = "elasticsearch 9", *, security: bool = False, **settings):
    """Give a server that is to be started; stop it and remove its data."""
    release = RELEASES[kind]
    home_of_java, unzip = java_home(release.java), tool("unzip", "unzip")
    archive = download(release)
    folder = Path(tempfile.mkdtemp(prefix=f"logship-{release.name}-", dir="/tmp"))
    try:
        subprocess.run([unzip, "-q", archive, "-d", folder], check=True)
        home = folder / f"{release.name}-{release.version}"
        for name in ("data", "logs", "tmp"):
            (folder / name).mkdir()
        shutil.move(home / "config", folder / "config")
        options = {
            "path.data": folder / "data", "path.logs": folder / "logs", "discovery.type": "single-node",
            "http.host": "127.0.0.1", "transport.host": "127.0.0.1", "transport.port": "0",
            "node.portsfile": "true", "http.max_content_length": f"{MAX_CONTENT}b",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }  # fmt: skip
        if release.name == "elasticsearch":
            options |= {"xpack.security.enabled": str(security).lower(), "xpack.ml.enabled": "false"}
        else:
            _absolute_logs(folder)
        if security:
            _add_plugin(home, release, home_of_java, "TestPlugin")
            options |= {f"xpack.security.{layer}.ssl.enabled": "false" for layer in ("http", "transport")}
        if kind == "elasticsearch 7":
            _add_plugin(home, release, home_of_java, "DataStreams")
        user = [tool("setpriv", "util-linux"), "--pdeathsig=TERM"]
        if os.getuid() == 0:
            subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
            user += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        environment = {
            "PATH": f"{home_of_java}/bin:/usr/bin:/bin", "HOME": str(folder),
            f"{release.variables}_JAVA_HOME": str(home_of_java),
            f"{release.variables}_PATH_CONF": str(folder / "config"),
            f"{release.variables}_TMPDIR": str(folder / "tmp"),
            f"{release.variables}_JAVA_OPTS": "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
        }  # fmt: skip
        if security:
            keystore = [*user, home / "bin/elasticsearch-keystore"]
            subprocess.run([*keystore, "create"], env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            subprocess.run([*keystore, "add", "-x", "-f", "bootstrap.password"], env=environment, cwd=folder,
                           check=True, input=PASSWORD.encode())  # fmt: skip
        options |= {name.replace("__", "."): value for name, value in settings.items()}
        command = [*user, home / "bin" / release.name]
        command += [word for name, value in options.items() for word in ("-E", f"{name}={value}")]
        server = Server(command, environment, folder, security=security)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _absolute_logs(folder: Path) -> None:
    """Let OpenSearch's Java write its logs where the user that runs it may."""
    options = folder / "config/jvm.options"
    text = options.read_text().replace("=logs/", f"={folder}/logs/").replace("=data", f"={folder}/data")
    options.write_text(text.replace(":logs/", f":{folder}/logs/"))


def _add_plugin(home: Path, release: Release, java: Path, name: str) -> None:
    """Compile a plug-in of ours against the server's own classes and install it."""
    place = home / "plugins/logship-test"
    place.mkdir()
    with tempfile.TemporaryDirectory() as built:
        subprocess.run(
            [java / "bin/javac", "--release", str(release.java), "-proc:none", "-nowarn", "-cp", home / "lib/*",
             "-d", built, PLUGIN / f"{name}.java"],
            check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run([java / "bin/jar", "--create", "--file", place / "plugin.jar", "-C", built, "."], check=True)
    (place / "plugin-descriptor.properties").write_text(
        f"name=logship-test\ndescription=for tests\nversion=1\nclassname={name}\n"
        f"elasticsearch.version={release.version}\njava.version={release.java}\n"
    )


def _url_when_ready(process: subprocess.Popen, folder: Path, *, security: bool) -> str:
    ports, deadline = folder / "logs/http.ports", time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(0.2)
            break
        except subprocess.TimeoutExpired:
            pass
        if ports.exists() and (port := re.search(r"127\.0\.0\.1:(\d+)", ports.read_text())):
            url = f"http://127.0.0.1:{port[1]}"
            request = urllib.request.Request(f"{url}/_cluster/health?wait_for_status=yellow&timeout=5s")
            if security:
                pair = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                request.add_header("Authorization", f"Basic {pair}")
            try:
                with urllib.request.urlopen(request, timeout=10):
                    return url
            except (OSError, urllib.error.HTTPError):
                continue
    log = (folder / "out.log").read_text(errors="replace")
    raise CannotStart(f"the server did not start in {START_SECONDS} s:\n{log[-3000:]}")


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
