"""Fixtures of the tests about stopping, reloading and recovering."""

import pytest
from recovery.service import Service


@pytest.fixture
def service(tmp_path):
    """Give an agent that can be started as systemd does it, and is ended whatever happens."""
    made = Service(tmp_path)
    made.configure()
    yield made
    made.close()
