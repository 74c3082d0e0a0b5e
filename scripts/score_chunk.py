"""Adapter of the rule score_chunk."""

from pathlib import Path

from nebulift.job import job

with job(snakemake.log[0]):
    from nebulift.frames.listing import ListedFrame
    from nebulift.scoring.score import ScoringSettings
    from nebulift.stages.score import score_chunk

    night, results = snakemake.wildcards.night, Path(snakemake.params.results)
    score_chunk(
        night,
        [ListedFrame(name, Path(path)) for name, path in snakemake.params.frames],
        Path(snakemake.output.table),
        results / "previews" / night,
        ScoringSettings(**snakemake.params.settings),
        # Frames that moved to this chunk from another one stand in the table of the whole night.
        kept=[Path(snakemake.output.table), results / "scores" / f"{night}.tsv"],
        processes=snakemake.threads,
    )
