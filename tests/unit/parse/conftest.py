"""The shipped pipelines with default settings."""

import pytest

from logship.config.settings import Settings
from logship.offline import Offline


@pytest.fixture
def offline(tmp_path) -> Offline:
    """Give the shipped pipelines with default settings."""
    return Offline(Settings(state_dir=tmp_path / "state"))
