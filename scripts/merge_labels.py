"""Adapter of the rule labels."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.stages.merge import merge_labels

    merge_labels([Path(table) for table in snakemake.input.tables], Path(snakemake.output.table))
