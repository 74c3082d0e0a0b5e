"""Shared by all stages: the checked configuration, the frames of each night, and the helpers that find them."""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from nebulift.clock import date_back, now_of
from nebulift.config import ConfigError, complete_config
from nebulift.dataset.version import PREVIEW_VERSION
from nebulift.job import hand_library_to_jobs
from nebulift.progress import duration, stop_watching, watch_tables
from nebulift.running import ResultsInUseError, begin_run, end_run
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


@functools.cache
def states_of(night, chunk):
    """What changes with any file of a chunk, looked at once: before it is scored."""
    return plan.fingerprint(frame.path for frame in chunks_of(night).get(chunk, ()))


def frame_names(wildcards):
    """The frames of a chunk: name and path; none where all vanished after the run began."""
    frames = chunks_of(wildcards.night).get(wildcards.chunk, ())
    return [[frame.name, str(frame.path)] for frame in frames]


def frame_states(wildcards):
    """What tells that frames changed. They are no input: by dates alone an older file in the place of another would
    go unseen, one dated in the future would fail its job each time, and one that vanishes would fail its chunk.
    """
    return states_of(wildcards.night, wildcards.chunk)


def chunks_of_night(wildcards):
    """The numbers of the chunks of a night."""
    return list(chunks_of(wildcards.night))


def reviews_of_night(wildcards):
    """The file of a person's reviews of a night, or nothing, and what its content is known by; its date says nothing."""
    return plan.known_by_content(Path("reviews") / f"{wildcards.night}.tsv")


@functools.cache
def ready_model():
    """The model that is configured, else the one promoted in the registry, else None: then one is trained."""
    try:
        return plan.ready_model(config["model"])
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def trained_model(wildcards):
    """The model that is trained; nothing where one is ready-made."""
    return [] if ready_model() else ["<results>/model/model.onnx"]


def model_state(wildcards):
    """The model that is ready-made and what changes with its file, whose date may be any; nothing without one."""
    return (
        [ready_model(), plan.fingerprint([Path(ready_model())])]
        if ready_model()
        else []
    )


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
        for chunk in chunks_of(night):
            states_of(night, chunk)
    ready_model()


def hold_results():
    """Keep other runs from these results, clear up after one that was cut off, and put dates in the future right."""
    results, dataset = (
        Path(workflow.pathvars.apply(path)) for path in ("<results>", "<dataset>")
    )
    try:
        messages = begin_run(results)
    except (ResultsInUseError, OSError) as error:
        raise WorkflowError(str(error)) from None
    ahead = date_back(results, dataset, now_of(results))
    if ahead:
        messages.append(
            f"The clock of this machine stands {duration(ahead)} before the date of the newest result. The dates of"
            " all results are moved back by that; their order stays. Is the clock right?"
        )
    for message in messages:
        logger.warning(message)


if workflow.is_main_process:
    check_inputs()
    if config["nights"] and not workflow.output_settings.dryrun:
        hold_results()


def chunks_to_score():
    """The tables of chunks that this run writes, and how many frames each has."""
    jobs = [
        job for job in workflow.dag.needrun_jobs() if job.rule.name == "score_chunk"
    ]
    return {
        Path(job.output.table): len(
            chunks_of(job.wildcards.night).get(job.wildcards.chunk, ())
        )
        for job in jobs
    }


onstart:
    watch_tables(chunks_to_score(), logger)


onsuccess:
    stop_watching()
    end_run()


onerror:
    stop_watching()
    end_run()
