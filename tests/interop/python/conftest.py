"""What every test has: a lake of its own, and real data where it is there."""

import os
from pathlib import Path

import pytest

from driver import Lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real data; without it the test is skipped, where that is allowed."""
    folder = os.environ.get("CIDLAKE_DATA")
    if folder:
        return Path(folder)
    assert "CIDLAKE_REQUIRE_DATA" not in os.environ, "real data is required and absent"
    pytest.skip("real data is absent: set CIDLAKE_DATA")
