"""One of the processes that train together: `torchrun ... -m nebulift.stages.train_process DATASET OUTPUT SETTINGS`.

DATASET is the table dataset.tsv, OUTPUT the model's folder, both seen by all nodes; SETTINGS are those of training, as
JSON. The workflow starts it by srun or torchrun; by hand it needs the same call on every node.
"""

import json
import logging
import os
import sys
from pathlib import Path

from nebulift.model.processes import ProcessLost, joined_processes
from nebulift.model.training import TrainingSettings
from nebulift.stages.train import train_in_process


def main() -> int:
    """Train along; return the exit status, 1 for an error that has been told."""
    dataset, output, settings = sys.argv[1:]
    rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "?"))
    # The first one speaks for all, as long as nothing is wrong.
    logging.basicConfig(
        level=logging.INFO if rank == "0" else logging.WARNING,
        format="%(message)s" if rank == "0" else f"process {rank}: %(message)s",
        stream=sys.stdout,
    )
    try:
        with joined_processes() as processes:
            train_in_process(Path(dataset), Path(output), TrainingSettings(**json.loads(settings)), processes)
    except (ProcessLost, ValueError, OSError) as error:
        logging.getLogger("nebulift").error("%s: %s", type(error).__name__, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
