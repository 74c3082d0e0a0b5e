"""Adapter of the rule merge_scores."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.stages.merge import merge_scores

    merge_scores(
        [Path(table) for table in snakemake.input.tables],
        Path(snakemake.output.table),
        Path(snakemake.params.results) / "previews" / snakemake.wildcards.night,
    )
