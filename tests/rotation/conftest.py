"""Real file systems in files, and an agent that rotates on them."""

import contextlib
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.harness import Site, mounted

from logship.config.settings import FileSource, Rotation

WRITER = Path(__file__).with_name("writer.py")


def make_disk(kind: str, image: Path, size: int) -> None:
    """Make an empty file system in a sparse file; xfs wants 300 MiB at least."""
    image.touch()
    os.truncate(image, size)
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    quick = ["-E", "lazy_itable_init=1,nodiscard"] if kind == "ext4" else ["-K"]
    subprocess.run([f"mkfs.{kind}", "-q", *quick, str(image)], check=True, env=environment)


@pytest.fixture(params=["ext4", "xfs"])
def kind(request):
    """Name a file system that can remove the head of a file."""
    return request.param


@contextlib.contextmanager
def site_on(kind: str, folder: Path, size: int = 3 << 30) -> Iterator[Site]:
    """Give a folder whose `logs` are a disk of a kind, of their own; all of it is in memory, where nothing waits."""
    with mounted(folder) as memory:
        make_disk(kind, memory / "image", size)
        (memory / "logs").mkdir()
        with mounted(memory / "logs", "-o", "loop", kind=kind, device=str(memory / "image")):
            yield Site(memory)


@pytest.fixture
def site(tmp_path, kind):
    """Give a folder whose `logs` are a disk that can remove the head of a file."""
    with site_on(kind, tmp_path / "site") as made:
        yield made


@pytest.fixture
def memory(tmp_path):
    """Give a folder whose `logs` are in memory (tmpfs), where no head can be removed."""
    with mounted(tmp_path / "site") as folder:
        yield Site(folder)


def managed(site: Site, **options: object) -> dict[str, object]:
    """Return the options of an agent that rotates `app.log` at 64 KiB."""
    source = FileSource(path=str(site.logs / "app.log*"), service="app", envelope="plain", rotation="managed")
    return {"files": [source], "rotation": Rotation(**{"max_size": 65536, "assume_append": True} | options)}


def agent(site: Site, **options: object):
    """Run an agent that rotates `app.log`."""
    made = managed(site, **options)
    return site.agent(*made["files"], rotation=made["rotation"])


def writing(path: Path, size: int, mode: str = "append") -> subprocess.Popen:
    """Start a writer."""
    command = [sys.executable, str(WRITER), str(path), str(size), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def numbered(live: Path) -> list[Path]:
    """Return a file's backups, the oldest first."""
    found = [path for path in live.parent.iterdir() if path.name.startswith(f"{live.name}.")]
    return sorted(found, key=lambda path: -int(path.name.removesuffix(".gz").rpartition(".")[2]))


def whole(live: Path) -> bytes:
    """Return what backups and file hold together."""
    parts = [*numbered(live), live]
    return b"".join(gzip.decompress(part.read_bytes()) if part.suffix == ".gz" else part.read_bytes() for part in parts)
