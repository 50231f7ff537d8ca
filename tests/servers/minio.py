"""
A real S3 server on loopback, for tests: MinIO, built from its Go module once and kept in the cache folder.

The data lie in a folder of the run's own and go with it.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from servers.elasticsearch import CannotStart, cache_folder

#: The Go checksum database answers for this version's content.
MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
USER, PASSWORD = "tester", "only-for-tests"
BUCKET = "archive"
START_SECONDS = 60


def binary() -> Path:
    """Return the server, which takes some minutes to build the first time."""
    kept = cache_folder() / "minio"
    if not kept.exists():
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if not go:
            raise CannotStart("`go` (1.24 or newer) is needed to build a real S3 server (MinIO): install it")
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            environment = {**os.environ, "GOBIN": folder, "GOFLAGS": "-trimpath"}
            done = subprocess.run([go, "install", MODULE], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise CannotStart(f"MinIO cannot be built:\n{done.stderr[-2000:]}")
            (Path(folder) / "minio").replace(kept)
    return kept


@contextmanager
def running():
    """Start the server with an empty bucket, give its URL, and stop it."""
    with tempfile.TemporaryDirectory(prefix="logship-minio-") as folder:
        (Path(folder) / "data" / BUCKET).mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        environment = {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_BROWSER": "off",
                       "HOME": folder, "PATH": ""}  # fmt: skip
        command = [binary(), "server", "--quiet", "--address", address, f"{folder}/data"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(process, f"http://{address}/minio/health/ready", Path(folder) / "log")
            yield f"http://{address}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            try:
                process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                continue
    raise CannotStart(f"MinIO did not start:\n{log.read_text(errors='replace')[-2000:]}")
