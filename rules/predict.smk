"""Prediction: what the network says of each frame, and the decision that follows.

REQUIRED INPUT
    <results>/labels/{night}.tsv, <results>/previews/{night}/
    <results>/model/model.onnx, or the model that is configured or promoted

OUTPUT
    <results>/predictions/{night}.tsv
"""


rule predict_night:
    """Ask the network about each frame of a night and decide."""
    input:
        labels="<results>/labels/{night}.tsv",
        model=trained_model,
        metrics=model_metrics,
        audit=label_audit,
    output:
        table="<results>/predictions/{night}.tsv",
    log:
        "<logs>/predict_night/{night}.log",
    benchmark:
        "<benchmarks>/predict_night/{night}.tsv"
    conda:
        "../envs/scoring.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        policy=lookup("predict", within=config),
        ready_model=model_state,
        results=subpath(output.table, ancestor=2),
    message:
        "Deciding on the frames of {wildcards.night}"
    script:
        "../scripts/predict_night.py"
