"""The dataset: what a network can be trained on.

REQUIRED INPUT
    <results>/labels.tsv

OUTPUT
    <dataset>/train/, val/, review/     links to frames and previews, in class folders
    <dataset>/dataset.tsv               the same as a table
    <dataset>/audit.tsv                 labels that are likely wrong, to be reviewed first
    <dataset>/metadata.json             counts, thresholds, split rule, versions
"""


rule dataset:
    """Split the labelled frames without leaks and lay them out."""
    input:
        labels="<results>/labels.tsv",
    output:
        table="<dataset>/dataset.tsv",
        audit="<dataset>/audit.tsv",
        metadata="<dataset>/metadata.json",
        train=directory("<dataset>/train"),
        val=directory("<dataset>/val"),
        review=directory("<dataset>/review"),
    log:
        "<logs>/dataset.log",
    benchmark:
        "<benchmarks>/dataset.tsv"
    localrule: True
    conda:
        "../envs/scoring.yaml"
    params:
        settings=lookup("dataset", within=config),
        clean_threshold=lookup("label/clean_threshold", within=config),
        contaminated_threshold=lookup("label/contaminated_threshold", within=config),
        results=subpath(input.labels, parent=True),
        # Raised when the columns of the table change.
        table_version=3,
    message:
        "Laying out the dataset"
    script:
        "../scripts/materialise_dataset.py"
