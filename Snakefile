"""Nebulift: nights of raw telescope frames become labels, a dataset, a trained network and sorted frames."""

from snakemake.utils import min_version

min_version("9.20")


pathvars:
    results="results",
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",
    dataset="<results>/dataset",


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/score.smk"
include: "rules/label.smk"
include: "rules/dataset.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/sort.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        rules.sorted.input,
        rules.labels.output,
        rules.dataset.output,
        rules.report.output,
    localrule: True
    message:
        "All nights are graded and sorted."
