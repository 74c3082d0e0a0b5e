"""Adapter of the rule sort_night."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.stages.sort import sort_night

    destination = snakemake.params.destination
    sort_night(
        Path(snakemake.input.predictions),
        Path(destination or Path(snakemake.output.table).parent).expanduser() / snakemake.wildcards.night,
        snakemake.params.mode,
        Path(snakemake.output.table),
    )
