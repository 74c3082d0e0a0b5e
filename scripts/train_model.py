"""Adapter of the rule model."""

from pathlib import Path

from nebulift.job import job

# As many threads as configured, however many cores there are: another number sums up in another order.
with job(snakemake.log[0], snakemake.params.settings["threads"]):
    from nebulift.model.training import TrainingSettings
    from nebulift.stages.train import train_model

    train_model(
        Path(snakemake.input.dataset),
        Path(snakemake.output.model).parent,
        TrainingSettings(**snakemake.params.settings),
    )
