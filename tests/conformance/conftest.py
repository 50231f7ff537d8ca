"""Fixtures of the conformance cases."""

import pytest
from conformance.harness import Site


@pytest.fixture
def site(tmp_path):
    """Give a folder with logs, for one agent."""
    return Site(tmp_path)
