"""Adapter of the rule report."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.stages.report import write_report

    write_report(
        Path(snakemake.input.labels),
        [Path(table) for table in snakemake.input.predictions],
        next(map(Path, snakemake.input.metrics), None),
        Path(snakemake.params.results) / "previews",
        Path(snakemake.output.page),
        **snakemake.params.settings,
    )
