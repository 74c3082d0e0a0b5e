"""Fixtures of the unit tests."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small files are written here, and none has to outlive a power failure."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
