"""Adapter of the rule label_night."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.stages.label import LabelSettings, label_night

    label_night(
        Path(snakemake.input.scores),
        next(map(Path, snakemake.params.reviews), None),
        Path(snakemake.output.table),
        LabelSettings.from_config(snakemake.params.settings),
    )
