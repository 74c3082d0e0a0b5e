"""Sorting: folders that a stacking program can be pointed at.

REQUIRED INPUT
    <results>/predictions/{night}.tsv

OUTPUT
    <results>/sorted/{night}/       clean/, contaminated/, review/, unreadable/ and journal.tsv
    <results>/sorted/{night}.tsv    where each frame went
"""


rule sort_night:
    """Link, copy or move the frames of a night into class folders."""
    input:
        predictions="<results>/predictions/{night}.tsv",
    output:
        table="<results>/sorted/{night}.tsv",
    log:
        "<logs>/sort_night/{night}.log",
    benchmark:
        "<benchmarks>/sort_night/{night}.tsv"
    localrule: True
    conda:
        "../envs/scoring.yaml"
    params:
        destination=lookup("sort/destination", within=config),
        mode=lookup("sort/mode", within=config),
    message:
        "Sorting {wildcards.night}"
    script:
        "../scripts/sort_night.py"


rule sorted:
    """Sort all nights."""
    input:
        collect("<results>/sorted/{night}.tsv", night=configured_nights),
    localrule: True
    message:
        "All nights are sorted"
