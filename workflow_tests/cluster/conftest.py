"""A Slurm that runs for the tests of this folder, and is gone after them."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.slurm import PROGRAMS, SlurmCluster


@pytest.fixture(scope="session")
def started_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if not sys.platform.startswith("linux") or missing:
        pytest.skip(f"needs Slurm (Debian: apt-get install munge slurm-wlm); not found: {', '.join(missing)}")
    slurm = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(started_slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SlurmCluster:
    """Give the cluster, whose commands then are those that a run finds; no node is down."""
    for name, value in started_slurm.environment.items():
        monkeypatch.setenv(name, value)
    started_slurm.wait(lambda: set(started_slurm.states().values()) == {"idle"}, "all nodes are idle")
    return started_slurm
