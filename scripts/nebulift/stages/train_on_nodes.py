"""Training by a process on each of several nodes: starting them, and passing on what they say."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from nebulift.job import ended_with_this_process, hand_library_to_jobs
from nebulift.model.processes import free_port
from nebulift.model.training import TrainingSettings

logger = logging.getLogger(__name__)

_MODULE = "nebulift.stages.train_process"


class ProcessesFailedError(OSError):
    """A process that trains has ended with an error; what it said has been logged."""


def train_on_nodes(dataset: Path, output: Path, settings: TrainingSettings) -> None:
    """Train as `train_model`, by `settings.nodes` processes: one per node of the Slurm job this is part of.

    Without a Slurm job of so many nodes they all run on this machine, by torchrun. Ends when all have; if one fails,
    Slurm or torchrun ends the others. Raises ProcessesFailedError then; training goes on behind its last whole epoch
    when it is called again.
    """
    hand_library_to_jobs()
    port = free_port()
    own = [str(dataset), str(output), json.dumps(asdict(settings))]
    if in_slurm_job_of(settings.nodes, os.environ):
        command = [*_srun(settings), sys.executable, "-m", _MODULE, *own]
    else:
        logger.info("no Slurm job of %d nodes: as many processes share this machine", settings.nodes)
        command = [*_torchrun(settings, port), "-m", _MODULE, *own]
    with subprocess.Popen(
        command,
        env={**os.environ, "MASTER_PORT": str(port)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        preexec_fn=ended_with_this_process,
    ) as started:
        assert started.stdout is not None
        for line in started.stdout:
            logger.info("%s", line.rstrip("\n"))
    if started.returncode:
        raise ProcessesFailedError(
            f"training on {settings.nodes} nodes ended with an error (see above); started again, it goes on behind its"
            " last whole epoch"
        )


def in_slurm_job_of(nodes: int, environment: Mapping[str, str]) -> bool:
    """Say whether this is part of a Slurm job that has so many nodes, as far as the environment tells.

    Snakemake's plugin takes the number of nodes out of the environment of its jobs, which have as many as were asked
    for.
    """
    allocated = environment.get("SLURM_JOB_NUM_NODES", environment.get("SLURM_NNODES", str(nodes)))
    return "SLURM_JOB_ID" in environment and int(allocated) >= nodes and shutil.which("srun") is not None


def _srun(settings: TrainingSettings) -> list[str]:
    """Return the call of srun: one process per node, all ended when one fails."""
    counts = {"nodes": settings.nodes, "ntasks": settings.nodes, "ntasks-per-node": 1}
    cores = {"cpus-per-task": settings.threads or 1}
    return ["srun", *(f"--{name}={value}" for name, value in (counts | cores).items()), "--kill-on-bad-exit=1"]


def _torchrun(settings: TrainingSettings, port: int) -> list[str]:
    """Return the call of torchrun: all processes here, all ended when one fails."""
    where = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    return [*torchrun, "--nnodes", "1", "--nproc-per-node", str(settings.nodes), *where]
