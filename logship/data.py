"""Where the files that are data lie: in a wheel under `logship/data/`, in a checkout beside the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def data_path(name: str) -> Path:
    """Return the directory `pipelines`, `elk` or `config` of this installation."""
    package = Path(str(files("logship")))
    packaged = package / "data" / name
    return packaged if packaged.is_dir() else package.parent / name
