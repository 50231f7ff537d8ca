"""What an agent is put together from, and why it is not."""

import os

import pytest

from logship.app import build
from logship.config import Settings
from logship.errors import ConfigError


def settings(tmp_path, **containers):
    """Give settings whose containers lie below the test's folder."""
    return Settings(
        state_dir=tmp_path / "state", containers={"root": tmp_path / "docker" / "containers", **containers}
    )


def test_containers_that_were_asked_for_must_be_there(tmp_path):
    """containers.enabled: true without the folder is an error that names it and says what to do."""
    with pytest.raises(ConfigError) as error:
        build(settings(tmp_path, enabled=True))
    assert f"containers.root {tmp_path}/docker/containers: No such file or directory" == str(error.value)
    assert "mount Docker's folder" in error.value.hint


def test_containers_that_may_not_be_read_are_an_error(tmp_path):
    """Another user's folder is told from a missing one, whether it was asked for or looked for."""
    (tmp_path / "docker" / "containers").mkdir(parents=True)
    found = settings(tmp_path), settings(tmp_path, enabled=True)
    (tmp_path / "docker").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        for one in found:
            with pytest.raises(ConfigError, match=r"containers: Permission denied"):
                build(one)
    finally:
        if root:
            os.seteuid(0)
        (tmp_path / "docker").chmod(0o700)


def test_other_files_are_read_without_a_folder_of_containers(tmp_path):
    """What else is to be read is read, where Docker is not there and nobody asked for it."""
    log_file = Settings().log_file.model_copy(update={"path": tmp_path / "server.log"})
    build(settings(tmp_path).model_copy(update={"log_file": log_file})).close()


def test_nothing_to_read_is_an_error(tmp_path):
    """An agent without any source says so."""
    with pytest.raises(ConfigError, match=r"nothing to read: containers\.enabled is false"):
        build(settings(tmp_path, enabled=False))
