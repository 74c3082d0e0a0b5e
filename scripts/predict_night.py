"""Adapter of the rule predict_night."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0], snakemake.threads):
    from nebulift.labels.decision import DecisionPolicy
    from nebulift.stages.predict import predict_night

    predict_night(
        Path(snakemake.input.labels),
        Path(snakemake.params.results) / "previews" / snakemake.wildcards.night,
        Path([*snakemake.params.ready_model, *snakemake.input.model][0]),
        next(map(Path, snakemake.input.metrics), None),
        Path(snakemake.output.table),
        DecisionPolicy.from_config(snakemake.params.policy),
        next(map(Path, snakemake.input.audit), None),
    )
