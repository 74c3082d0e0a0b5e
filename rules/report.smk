"""The report: one page for a person that opens without a network.

REQUIRED INPUT
    <results>/labels.tsv, <results>/predictions/{night}.tsv, <results>/model/metrics.json

OUTPUT
    <results>/report.html
"""


rule report:
    """Write the report of all nights."""
    input:
        labels="<results>/labels.tsv",
        predictions=collect(
            "<results>/predictions/{night}.tsv", night=configured_nights
        ),
        metrics=model_metrics,
    output:
        page="<results>/report.html",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    localrule: True
    conda:
        "../envs/scoring.yaml"
    params:
        settings=lookup("report", within=config),
        results=subpath(output.page, parent=True),
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"
