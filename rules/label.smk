"""Labelling: clean, contaminated or review, with reasons.

REQUIRED INPUT
    <results>/scores/{night}.tsv
    reviews/{night}.tsv             what a person decided, if there is such a file

OUTPUT
    <results>/labels/{night}.tsv    the label of each light frame, its reasons, and the values and limits behind them
    <results>/labels.tsv            all nights
"""


rule label_night:
    """Compare each frame with its own kind, judge it, and let a person's reviews override."""
    input:
        scores="<results>/scores/{night}.tsv",
    output:
        table="<results>/labels/{night}.tsv",
    log:
        "<logs>/label_night/{night}.log",
    benchmark:
        "<benchmarks>/label_night/{night}.tsv"
    localrule: True
    conda:
        "../envs/scoring.yaml"
    params:
        settings=lookup("label", within=config),
        reviews=reviews_of_night,
        # Raised when the columns of the table change.
        table_version=2,
    message:
        "Labelling {wildcards.night}"
    script:
        "../scripts/label_night.py"


rule labels:
    """Join the labels of all nights."""
    input:
        tables=collect("<results>/labels/{night}.tsv", night=configured_nights),
    output:
        table="<results>/labels.tsv",
    log:
        "<logs>/labels.log",
    benchmark:
        "<benchmarks>/labels.tsv"
    localrule: True
    conda:
        "../envs/scoring.yaml"
    message:
        "Joining the labels of all nights"
    script:
        "../scripts/merge_labels.py"
