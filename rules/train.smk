"""Training: ResNet18 on the previews of the dataset.

REQUIRED INPUT
    <dataset>/dataset.tsv

OUTPUT
    <results>/model/model.onnx      the network of the best epoch; where too few frames are labelled, the reason
    <results>/model/model.pth       the same, as training goes on from it
    <results>/model/metrics.json    how good it is, or why there is none
    <results>/model/history.tsv     one row per epoch
    <results>/model/history.png     the same as a picture
    <results>/model/metrics.png     confusion matrix, reliability, accuracy per reason
    <results>/model/args.yaml       everything that was chosen

A training that was killed leaves <results>/model/unfinished.pth, no output, and goes on from there, also with another
number of nodes.
"""


rule model:
    """Train the network, or say why it cannot be trained."""
    input:
        dataset="<dataset>/dataset.tsv",
    output:
        model="<results>/model/model.pth",
        network="<results>/model/model.onnx",
        metrics="<results>/model/metrics.json",
        history="<results>/model/history.tsv",
        history_plot="<results>/model/history.png",
        metrics_plot="<results>/model/metrics.png",
        arguments="<results>/model/args.yaml",
    log:
        "<logs>/model.log",
    benchmark:
        "<benchmarks>/model.tsv"
    conda:
        "../envs/training.yaml"
    threads: lookup("train/threads", within=config)
    resources:
        mem_mb=3500,
        runtime=1440,
        # One process per node, which training starts itself; Slurm's plugin takes this for an MPI job.
        mpi="srun" if config["train"]["nodes"] > 1 else None,
        nodes=lookup("train/nodes", within=config),
        tasks=lookup("train/nodes", within=config),
    params:
        settings=lookup("train", within=config),
    message:
        "Training the network"
    script:
        "../scripts/train_model.py"
