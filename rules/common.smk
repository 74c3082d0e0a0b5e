"""Shared by all stages: the checked configuration, the frames of each night, and the helpers that find them."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from nebulift.config import ConfigError, complete_config
from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.job import hand_library_to_jobs
from nebulift.scoring.version import SCORER_VERSION
from nebulift.stages import plan

hand_library_to_jobs()

try:
    config = complete_config(config)
except ConfigError as error:
    files = ", ".join(map(str, workflow.overwrite_configfiles)) or "the configuration"
    raise WorkflowError(f"{files} cannot be used:\n{error}") from None


wildcard_constraints:
    night=r"[A-Za-z0-9][A-Za-z0-9._+-]*",
    chunk=r"\d+",


@functools.cache
def frames_of(night):
    """All frames of a night, listed once."""
    own = [workflow.pathvars.apply(folder) for folder in ("<results>", "<dataset>")]
    own.append(sorted_folder())
    try:
        return plan.plan_night(
            night, config["nights"][night], sorted_folder() / night, own
        )
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


@functools.cache
def chunks_of(night):
    """The frames of a night by the number of their chunk."""
    return plan.chunks(frames_of(night), config["chunk_size"])


def configured_nights(wildcards):
    """The names of all nights; without any, an explanation."""
    if not config["nights"]:
        raise WorkflowError(
            "No night is configured. Write a file night.yaml with the two lines\n"
            "nights:\n"
            "  2024-09-09: /folder/of/that/night\n"
            "and run: snakemake --cores 4 --configfile night.yaml"
        )
    return list(config["nights"])


def frame_files(wildcards):
    """The files of a chunk that Snakemake can watch."""
    frames = chunks_of(wildcards.night)[wildcards.chunk]
    return [str(frame.path) for frame in frames if plan.is_trackable(frame)]


def frame_names(wildcards):
    """The frames of a chunk: name and path."""
    frames = chunks_of(wildcards.night)[wildcards.chunk]
    return [[frame.name, str(frame.path)] for frame in frames]


def frame_states(wildcards):
    """What changes with any file of a chunk, also where a file older than its scores takes the place of another."""
    return plan.fingerprint(chunks_of(wildcards.night)[wildcards.chunk])


def chunks_of_night(wildcards):
    """The numbers of the chunks of a night."""
    return list(chunks_of(wildcards.night))


def reviews_of_night(wildcards):
    """The file of a person's reviews of a night, if there is one."""
    path = f"reviews/{wildcards.night}.tsv"
    return [path] if exists(path) else []


@functools.cache
def ready_model():
    """The model that is configured, else the one promoted in the registry, else None: then one is trained."""
    try:
        return plan.ready_model(config["model"])
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def model_file(wildcards):
    """The model that decides: the one that is configured or promoted, or the one that is trained."""
    return ready_model() or "<results>/model/model.onnx"


def model_metrics(wildcards):
    """What training wrote about its model; nothing for a model that is ready-made."""
    return [] if ready_model() else ["<results>/model/metrics.json"]


def label_audit(wildcards):
    """What speaks against labels of the rules; nothing where no dataset is needed, because a model is ready-made."""
    return [] if ready_model() else ["<dataset>/audit.tsv"]


def sorted_folder():
    """The folder that holds a folder of sorted frames per night."""
    destination = config["sort"]["destination"]
    return Path(destination or workflow.pathvars.apply("<results>/sorted")).expanduser()


def check_inputs():
    """Stop where a night or the model is missing: Snakemake passes over errors of input functions of older results."""
    for night in config["nights"]:
        frames_of(night)
    ready_model()


if workflow.is_main_process:
    check_inputs()
