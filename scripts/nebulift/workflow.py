"""Running the workflow from Python: the same Snakefile, through Snakemake's own interface."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from nebulift.config import complete_config
from nebulift.files import write_text
from nebulift.running import end_run

logger = logging.getLogger(__name__)

SNAKEFILE = Path(__file__).parents[2] / "Snakefile"
_PROFILE = SNAKEFILE.parent / "profiles" / "default" / "profile.yaml"
CONFIG_NAME = "night.yaml"


class WorkflowFailedError(RuntimeError):
    """The workflow ended with an error; what it was has been printed and lies in the logs."""


def run_workflow(config: Mapping[str, Any], folder: Path, targets: Iterable[str], cores: int | None = None) -> None:
    """Run the workflow in `folder` up to `targets` (rules such as labels, dataset, model, sorted).

    The configuration is written to `folder`/night.yaml, so that the run can be continued with snakemake itself.
    Raises ConfigError for a configuration that cannot be used, WorkflowFailedError if a job fails.
    """
    complete_config(config)
    configfile = folder / CONFIG_NAME
    write_text(configfile, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
    profile = yaml.safe_load(_PROFILE.read_text(encoding="utf-8"))
    with _streams_for_processes():
        try:
            _execute(profile, configfile, folder, targets, cores)
        finally:
            end_run()


def _execute(
    profile: Mapping[str, Any], configfile: Path, folder: Path, targets: Iterable[str], cores: int | None
) -> None:
    # Importing Snakemake takes a second, which only those should pay who run a workflow. It keeps the streams that it
    # finds while it is imported.
    from snakemake.api import SnakemakeApi
    from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
    from snakemake.settings import types as settings

    with SnakemakeApi(settings.OutputSettings(quiet={settings.Quietness.RULES})) as api:
        try:
            workflow = api.workflow(
                resource_settings=settings.ResourceSettings(cores=cores or os.cpu_count() or 1),
                config_settings=settings.ConfigSettings(configfiles=[configfile.absolute()]),
                snakefile=SNAKEFILE,
                workdir=folder,
            )
            dag = workflow.dag(
                settings.DAGSettings(
                    targets=frozenset(targets),
                    rerun_triggers=settings.RerunTrigger.parse_choices_set(profile["rerun-triggers"]),
                    force_incomplete=profile["rerun-incomplete"],
                    max_checksum_file_size=profile["max-checksum-file-size"],
                )
            )
            dag.execute_workflow(
                execution_settings=settings.ExecutionSettings(keep_going=profile["keep-going"]),
                scheduling_settings=settings.SchedulingSettings(
                    scheduler=profile["scheduler"], subsample=profile["scheduler-subsample"]
                ),
                scheduler_settings=GreedySettings(),
            )
        except Exception as error:
            api.print_exception(error)
            raise WorkflowFailedError(
                f"the workflow in {folder} failed; its logs are in {folder}/results/logs"
            ) from error


@contextlib.contextmanager
def _streams_for_processes() -> Iterator[None]:
    """Give Snakemake streams that its processes can inherit: those of a notebook are none that they could write to."""
    with contextlib.ExitStack() as redirected:
        for stream, redirect, own in (
            (sys.stdout, contextlib.redirect_stdout, sys.__stdout__),
            (sys.stderr, contextlib.redirect_stderr, sys.__stderr__),
        ):
            try:
                stream.fileno()
            except (OSError, AttributeError):
                redirected.enter_context(redirect(own))
        yield
