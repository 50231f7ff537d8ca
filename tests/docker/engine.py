"""
A real Docker Engine, for tests: the one that runs, or Debian's, started by hand.

No registry is needed: the tests' own container is a static busybox, the base of
logship's image is bootstrapped from Debian's packages (and kept in the cache
folder), and compose comes as a Python package with a pinned hash.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
BUSYBOX = "logship-test/busybox:latest"
BASE = "logship-test/python:slim"
LOGSHIP = "logship-test/logship:latest"
START_SECONDS = 60
STOP_SECONDS = 60


class NoEngineError(Exception):
    """There is no engine and none can be started; the message says what to install."""


def cache_folder() -> Path:
    """Return where downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logship-tests"


def tool(name: str, package: str) -> str:
    """Return the path of a program, or say which package has it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise NoEngineError(f"`{name}` is needed to run a real Docker Engine: install {package}")
    return found


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers, and its folder of containers."""

    containers: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, stdin=None, **environment: str) -> str:
        """Run `docker …`; returns what it prints, and fails with what it complains about."""
        done = subprocess.run(
            [tool("docker", "docker.io"), *arguments],
            env={**os.environ, **self.environment, **environment},
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr[-4000:]}{done.stdout[-4000:]}"
        return done.stdout

    def inspect(self, name: str) -> dict:
        """Return what the engine knows of a container."""
        return json.loads(self.run("inspect", name))[0]

    def has_image(self, name: str) -> bool:
        """Say whether an image is there."""
        return bool(self.run("images", "--quiet", name).strip())


@contextmanager
def running():
    """Give the engine that runs on this machine, or one of our own for as long as it is needed."""
    found = _existing()
    if found:
        yield found
        return
    if os.geteuid() != 0:
        raise NoEngineError("no Docker Engine runs whose containers folder may be read, and only root can start one")
    root = Path(tempfile.mkdtemp(prefix="logship-dockerd-"))
    engine = Engine(root / "data" / "containers", {"DOCKER_HOST": f"unix://{root}/docker.sock"})
    with _daemon(root, engine):
        yield engine
    shutil.rmtree(root, ignore_errors=True)


def _existing() -> Engine | None:
    try:
        text = Engine(Path()).run("info", "--format", "{{json .DockerRootDir}} {{json .ServerVersion}}")
    except (AssertionError, NoEngineError):
        return None
    root, _, version = text.strip().partition(" ")
    if version == '""':
        return None
    containers = Path(json.loads(root)) / "containers"
    return Engine(containers) if os.access(containers, os.R_OK | os.X_OK) else None


@contextmanager
def _daemon(root: Path, engine: Engine):
    tool("iptables", "iptables")
    command = [
        tool("dockerd", "docker.io"), "--host", engine.environment["DOCKER_HOST"], "--data-root", str(root / "data"),
        "--exec-root", str(root / "exec"), "--pidfile", str(root / "pid"), "--log-driver", "json-file",
    ]  # fmt: skip
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    with (root / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(AssertionError):
                engine.run("info", "--format", "{{.ServerVersion}}")
                break
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise NoEngineError("dockerd does not start:\n" + (root / "dockerd.log").read_text()[-4000:])
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(0.2)
        yield
        for container in engine.run("ps", "--all", "--quiet").split():
            engine.run("rm", "--force", "--volumes", container)
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def import_busybox(engine: Engine) -> str:
    """Make an image of one static program; returns its name."""
    if not engine.has_image(BUSYBOX):
        with tempfile.TemporaryDirectory() as folder:
            programs = Path(folder) / "root" / "bin"
            programs.mkdir(parents=True)
            shutil.copy(tool("busybox", "busybox-static"), programs / "busybox")
            for name in ("sh", "cat", "sleep", "head", "tr", "seq", "awk"):
                (programs / name).symlink_to("busybox")
            _import(engine, Path(folder) / "root", BUSYBOX)
    return BUSYBOX


def build_logship(engine: Engine) -> str:
    """Build logship's image from its Dockerfile, on a slim Debian with Python; returns its name."""
    _import_base(engine)
    # The builder that needs no plug-in.
    engine.run(
        "build", "--quiet", "--build-arg", f"BASE={BASE}", "--tag", LOGSHIP, "--file", CHECKOUT / "compose/Dockerfile",
        CHECKOUT, DOCKER_BUILDKIT="0",
    )  # fmt: skip
    return LOGSHIP


def _import_base(engine: Engine) -> None:
    if engine.has_image(BASE):
        return
    release = _os_release()
    kept = cache_folder() / f"python-slim-{release}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="logship-debootstrap-") as folder:
            root, partial = Path(folder) / "root", kept.with_suffix(f".{os.getpid()}")
            options = ["--variant=minbase", "--include=python3,python3-venv,ca-certificates"]
            program = tool("debootstrap", "debootstrap")
            _check([program, *options, release, str(root), _mirror(release)])
            for leftover in [*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*")]:
                if leftover.is_file():
                    leftover.unlink()
            # This machine's own authorities too: it may reach its registry through one of them.
            authorities = Path("/etc/ssl/certs/ca-certificates.crt")
            if authorities.exists():
                shutil.copy(authorities, root / authorities.relative_to("/"))
            _check(["tar", "-C", str(root), "-cf", str(partial), "."])
            partial.rename(kept)
    with kept.open("rb") as tar:
        engine.run("import", "--change", "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt", "-", BASE, stdin=tar)


def _import(engine: Engine, root: Path, name: str) -> None:
    tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
    try:
        engine.run("import", "-", name, stdin=tar.stdout)
    finally:
        tar.stdout.close()
        tar.wait()


def _check(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def _os_release() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if values.get("ID") != "debian":
        raise NoEngineError("the image's base is bootstrapped from Debian's packages, and this is not Debian")
    return values["VERSION_CODENAME"]


def _mirror(release: str) -> str:
    """Return where this machine gets Debian's packages from."""
    for path in sorted(Path("/etc/apt").glob("sources.list.d/*.sources")):
        for paragraph in path.read_text().split("\n\n"):
            keys = dict(line.split(":", 1) for line in paragraph.splitlines() if ":" in line and line[:1].isalpha())
            if release in keys.get("Suites", "").split() and "main" in keys.get("Components", "").split():
                return keys["URIs"].split()[0]
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt").glob("sources.list.d/*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else []:
            words = [word for word in line.split() if not word.startswith(("[", "signed-by"))]
            if len(words) > 3 and words[0] == "deb" and words[2] == release and "main" in words[3:]:
                return words[1]
    raise NoEngineError(f"apt's sources on this machine name no mirror of Debian {release}")


def compose_environment() -> dict[str, str]:
    """Return the variables with which `docker compose` is there: none, or those that add our own plug-in."""
    client = tool("docker", "docker.io")
    if subprocess.run([client, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return {}
    folder = cache_folder() / "compose-5.6.1.0"
    plugin = folder / "bin" / "docker-compose"
    if not plugin.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        _check([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps",
                "--require-hashes", "--target", str(partial), "--requirement", str(HERE / "compose.lock")])  # fmt: skip
        with suppress(OSError):
            partial.rename(folder)
    plugins = cache_folder() / "docker-config" / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (plugins / "docker-compose").symlink_to(plugin)
    return {"DOCKER_CONFIG": str(plugins.parent)}
