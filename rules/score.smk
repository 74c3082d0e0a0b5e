"""Scoring: what the pixels of each frame say.

REQUIRED INPUT
    the files of each configured night, which Snakemake does not see: what tells that they changed is a parameter

OUTPUT
    <results>/scores/{night}/{chunk}.tsv    measurements of a chunk of a night; rows are kept while their file is the same
    <results>/scores/{night}/{chunk}.done   empty: the chunk's table is whole and of today's frames
    <results>/scores/{night}.tsv            all frames of a night in capture order
    <results>/previews/{night}/             a picture of each frame for the network and for people
"""


rule score_chunk:
    """Read each new or changed frame of a chunk once: measurements and preview."""
    output:
        table=update("<results>/scores/{night}/{chunk}.tsv"),
        # A job that fails leaves the old table, and nothing that tells of its parameters; but never this.
        done=touch("<results>/scores/{night}/{chunk}.done"),
    log:
        "<logs>/score_chunk/{night}/{chunk}.log",
    benchmark:
        "<benchmarks>/score_chunk/{night}/{chunk}.tsv"
    conda:
        "../envs/scoring.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        frames=frame_names,
        states=frame_states,
        settings=lookup("score", within=config),
        version=f"{SCORER_VERSION}.{PREVIEW_VERSION}",
        results=subpath(output.table, ancestor=3),
    message:
        "Scoring chunk {wildcards.chunk} of {wildcards.night}"
    script:
        "../scripts/score_chunk.py"


rule merge_scores:
    """Join the chunks of a night in capture order."""
    input:
        tables=collect("<results>/scores/{{night}}/{chunk}.tsv", chunk=chunks_of_night),
        done=collect("<results>/scores/{{night}}/{chunk}.done", chunk=chunks_of_night),
    output:
        table="<results>/scores/{night}.tsv",
    log:
        "<logs>/merge_scores/{night}.log",
    benchmark:
        "<benchmarks>/merge_scores/{night}.tsv"
    localrule: True
    conda:
        "../envs/scoring.yaml"
    params:
        results=subpath(output.table, ancestor=2),
    message:
        "Joining the scores of {wildcards.night}"
    script:
        "../scripts/merge_scores.py"
