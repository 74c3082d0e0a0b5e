"""Adapter of the rule dataset."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.dataset.splits import SplitRule
    from nebulift.stages.dataset import materialise_dataset

    materialise_dataset(
        Path(snakemake.input.labels),
        Path(snakemake.params.results) / "previews",
        Path(snakemake.output.metadata).parent,
        SplitRule.from_config(snakemake.params.settings),
        {
            "clean_threshold": snakemake.params.clean_threshold,
            "contaminated_threshold": snakemake.params.contaminated_threshold,
        },
        snakemake.params.settings["audit"],
    )
