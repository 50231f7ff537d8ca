"""The wheel: what it holds, and that it works without the source tree."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "logship", "pipelines", "elk", "config")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the sources, with the build backend of this environment and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / "src").mkdir(exist_ok=True)
            shutil.copy(source, folder / "src" / name)
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder / "dist"],
        cwd=folder / "src")  # fmt: skip
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel alone into an environment that sees this one's libraries, but not the source tree."""
    folder = tmp_path_factory.mktemp("installed")
    run([sys.executable, "-m", "venv", folder / "venv"], cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", wheel],
        cwd=folder)  # fmt: skip
    (libraries,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for library in Path(pytest.__file__).parent.parent.iterdir():
        if "logship" not in library.name and not (libraries / library.name).exists():
            (libraries / library.name).symlink_to(library)
    return folder


def run(command, cwd):
    """Run a command with nothing in its environment that names the source tree; returns what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOGSHIP_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_data_travels_in_the_wheel(wheel):
    """Every file of pipelines, elk and config is in the wheel, and the licence is too."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    folders = [CHECKOUT / "pipelines", CHECKOUT / "elk", CHECKOUT / "config"]
    expected = {
        f"logship/data/{path.relative_to(CHECKOUT)}"
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".keep"
    }
    assert {folder.name for folder in folders} == {name.split("/")[2] for name in expected}
    assert expected - names == set()
    assert [name for name in names if name.endswith("licenses/LICENSE")] != []


def test_no_tests_travel_in_the_wheel(wheel):
    """The wheel holds the package and its metadata, and nothing else of the source tree."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0].partition("-")[0] for name in archive.namelist()}
    assert tops == {"logship"}


def test_command_works_without_the_source_tree(installed):
    """`logship version` runs from an installed wheel."""
    command = installed / "venv" / "bin" / "logship"
    assert run([command, "version"], cwd=installed).startswith("logship ")


def test_dashboards_are_found_without_the_source_tree(installed):
    """`logship setup --to` writes what it would install, from an installed wheel."""
    command = installed / "venv" / "bin" / "logship"
    written = run([command, "setup", "--to", "out", "--state-dir", "state"], cwd=installed).splitlines()
    assert {"out/kibana/dashboards.ndjson", "out/grafana/overview.json"} <= set(written)


def test_data_is_found_without_the_source_tree(installed):
    """The installed package loads its own pipelines."""
    script = (
        "import logship\n"
        "from logship.data import data_path\n"
        "from logship.pipeline.spec import Pipelines\n"
        "Pipelines.load([data_path('pipelines')])\n"
        "print(logship.__file__, data_path('pipelines'))\n"
    )
    package, pipelines = run([installed / "venv" / "bin" / "python", "-c", script], cwd=installed).split()
    assert Path(package).is_relative_to(installed)
    assert Path(pipelines).is_relative_to(installed)
