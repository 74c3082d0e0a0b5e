"""The page on clusters: its commands are commands, and its slurm.conf makes a cluster."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.slurm import SlurmCluster
from workflow.runs import PROJECT

PAGE = (PROJECT / "docs" / "cluster.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_of_commands_is_one_for_bash() -> None:
    assert len(blocks("bash")) >= 8
    for block in blocks("bash"):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (block, done.stderr)


def test_it_calls_what_there_is() -> None:
    assert ".venv/bin/snakemake --profile profiles/slurm --configfile night.yaml" in PAGE
    assert (PROJECT / "profiles" / "slurm" / "profile.yaml").is_file()
    assert "\nsetup:" in (PROJECT / "Makefile").read_text(encoding="utf-8")
    for name in re.findall(r"`(?:workflow_tests/cluster/)?(test_\w+\.py)`", PAGE):
        assert (Path(__file__).parent / name).is_file(), name


def test_the_nodes_have_what_the_jobs_of_the_profile_ask_for() -> None:
    (configuration,) = blocks("ini")
    described = re.search(r"^NodeName=.* CPUs=(\d+) RealMemory=(\d+)", configuration, re.MULTILINE)
    assert described is not None
    profile = yaml.safe_load((PROJECT / "profiles" / "slurm" / "profile.yaml").read_text(encoding="utf-8"))
    assert int(described[1]) == profile["cores"] == profile["set-threads"]["score_chunk"]
    for asked in profile["set-resources"].values():
        (most,) = re.findall(r"^min\(.*, (\d+)\)$", asked["mem_mb"])
        assert int(most) <= int(described[2])


@pytest.fixture
def page_cluster(started_slurm: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """Start a cluster with the page's slurm.conf; what is changed is where things are."""
    # In a folder of a short name: Slurm's sockets cannot have longer ones.
    cluster = SlurmCluster(tmp_path_factory.mktemp("page"), nodes=4)
    own = dict(line.split("=", 1) for line in cluster.configuration.read_text().splitlines() if "NodeName" not in line)
    places = ("ClusterName", "SlurmctldHost", "SlurmUser", "StateSaveLocation", "SlurmdSpoolDir")
    places += ("SlurmctldLogFile", "SlurmdLogFile")
    lines = []
    for line in blocks("ini")[0].splitlines():
        key = line.partition("=")[0]
        if key == "NodeName":
            ports = re.findall(r"Port=(\d+) CPUs", cluster.configuration.read_text())
            what = line.partition(" ")[2]
            lines += [
                f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} {what}"
                for name, port in zip(cluster.nodes, ports, strict=True)
            ]
        elif key == "PartitionName":
            lines.append(line.replace("pi[1-4]", ",".join(cluster.nodes)))
        else:
            lines.append(f"{key}={own[key]}" if key in places else line)
    # Four daemons are one machine, which has not the memory and the cores of four.
    lines += [f"{key}={own[key]}" for key in ("SlurmctldPort", "SlurmctldPidFile", "SlurmdPidFile", "SlurmdUser")]
    lines += [f"AuthInfo={own['AuthInfo']}", "SlurmdParameters=config_overrides"]
    cluster.configuration.write_text("\n".join(lines) + "\n")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_its_slurm_conf_makes_a_cluster(page_cluster: SlurmCluster) -> None:
    described = page_cluster.ask("sinfo", "-N", "-h", "-o", "%N %T %c %m").split()
    assert described == [word for node in page_cluster.nodes for word in (node, "idle", "4", "7600")]
    commands = [line.split() for line in "".join(blocks("bash")).splitlines() if line.startswith(("srun", "sinfo"))]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            command,
            env=os.environ | page_cluster.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split()) >= 4
    # A job that asks for more than a Pi has is refused at once.
    asked = ["sbatch", "--mem=9000", "--wrap", "true"]
    refused = subprocess.run(
        asked, env=os.environ | page_cluster.environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode != 0
    assert "Memory specification can not be satisfied" in refused.stderr
