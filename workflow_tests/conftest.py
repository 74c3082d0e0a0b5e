"""Fixtures that all tests share."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real frames by people outside the project, which lies beside a checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the folder of real frames at {SHARED_DATA}")
    return SHARED_DATA
