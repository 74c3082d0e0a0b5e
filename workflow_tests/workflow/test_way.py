"""The way from nights to sorted frames: where it starts, where it stops, and what it leaves behind."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nebulift.stages.models import promote_model, register_model
from nebulift.tables import read_table
from workflow.runs import PROJECT, QUICK, Run, finish, start

STAGES = {
    "labels": {"scores", "previews", "labels", "labels.tsv"},
    "dataset": {"dataset"},
    "model": {"model"},
    "sorted": {"predictions", "sorted"},
    "": {"report.html"},
}


@pytest.mark.parametrize("target", STAGES)
def test_a_target_stops_at_its_stage(finished_once: str, stages: dict[str, set[str]], target: str) -> None:
    names = list(STAGES)
    up_to_here = names[: names.index(target) + 1]
    assert stages[target] == set().union(*(STAGES[name] for name in up_to_here))


def test_a_finished_run_has_nothing_to_do(finished: Run) -> None:
    assert finished().nothing_to_do


def test_without_a_night_the_run_says_how_to_name_one(project_copy: Path) -> None:
    code, output = finish(start([sys.executable, "-m", "snakemake", "--cores", "1"], project_copy))
    assert code == 1
    assert "No night is configured" in output
    assert "nights:" in output
    assert "2024-09-09: /folder/of/that/night" in output
    assert "snakemake --cores 4 --configfile night.yaml" in output
    assert "Traceback (most recent call last)" not in output


def test_a_run_leaves_nothing_behind_in_the_checkout(
    project_copy: Path, make_night: Callable[..., Path], tmp_path: Path
) -> None:
    """Neither a run elsewhere nor, as in the quick start, one in the checkout itself."""

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
        command = ["git", *who, *arguments]
        return subprocess.run(command, cwd=project_copy, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "A checkout")
    settings = {"nights": {"n": str(make_night(frames=1))}} | QUICK
    Run(tmp_path / "elsewhere", project_copy).configure(settings).succeed("results/scores/n.tsv")
    left = [line for line in git("status", "--porcelain", "--ignored").splitlines() if "__pycache__" not in line]
    assert left == []

    Run(project_copy, project_copy).configure(settings)
    command = [sys.executable, "-m", "snakemake", "results/scores/n.tsv", "--cores", "2", "--configfile", "night.yaml"]
    code, output = finish(start(command, project_copy))
    assert code == 0, output
    assert (project_copy / "results" / "scores" / "n.tsv").is_file()
    (project_copy / "reviews").mkdir()
    (project_copy / "reviews" / "n.tsv").write_text("frame\tlabel\n")
    assert git("status", "--porcelain") == ""


def test_lint_finds_nothing(project_copy: Path) -> None:
    code, output = finish(start([sys.executable, "-m", "snakemake", "--lint"], project_copy))
    assert code == 0, output
    assert "Congratulations" in output


def test_the_rules_are_formatted() -> None:
    command = [str(Path(sys.executable).with_name("snakefmt")), "--check", "Snakefile", "rules"]
    code, output = finish(start(command, PROJECT))
    assert code == 0, output


def test_a_night_may_choose_its_files_and_results_may_lie_elsewhere(
    new_run: Run, make_night: Callable[..., Path], tmp_path: Path
) -> None:
    night = tmp_path / "night"
    shutil.copytree(make_night(), night)
    shutil.copytree(make_night(), night / "below")
    shutil.copy2(night / "light_0001.fits", night / "flat_0001.fits")
    shutil.copy2(night / "light_0001.fits", night / "LIGHT_0009.FITS")
    chosen = {"path": str(night), "pattern": "light_*", "recursive": False}
    new_run.configure({"nights": {"n": chosen}, "pathvars": {"results": "../out"}} | QUICK).succeed("labels")
    lights = ["LIGHT_0009.FITS", *(f"light_000{number}.fits" for number in (1, 2, 3, 4))]
    assert sorted(row["frame"] for row in read_table(tmp_path / "out" / "labels.tsv", "labels")) == lights
    assert len(list((tmp_path / "out" / "previews" / "n").iterdir())) == 5
    assert not new_run.results.exists()


def test_results_and_copies_inside_the_night_are_not_graded(make_night: Callable[..., Path], tmp_path: Path) -> None:
    night = tmp_path / "night"
    shutil.copytree(make_night(), night)
    settings = {"nights": {"n": "."}, "sort": {"mode": "copy", "destination": "for stacking"}}
    run = Run(night).configure(settings | QUICK)
    assert run.succeed("sorted").scored_and_reused == (4, 0)
    assert len(list((night / "for stacking" / "n" / "clean").iterdir())) == 4
    assert (night / "results" / "dataset" / "train").is_dir()
    assert run("sorted").nothing_to_do


def test_a_night_without_spoilt_frames_is_sorted_by_the_rules_alone(
    new_run: Run, make_night: Callable[..., Path]
) -> None:
    outcome = new_run.configure({"nights": {"n": str(make_night())}} | QUICK).succeed()
    metrics = json.loads((new_run.results / "model" / "metrics.json").read_text())
    assert metrics["trained"] is False
    assert "contaminated" in metrics["reason"]
    assert metrics["reason"] in outcome.logs["model.log"]
    assert f"the rules decide alone: {metrics['reason']}" in outcome.logs["predict_night/n.log"]
    decisions = new_run.table("predictions/n.tsv", "predictions")
    assert [(row["decision"], row["decided_by"], row["p_clean"]) for row in decisions] == [("clean", "cv", None)] * 4
    assert len(list((new_run.results / "sorted" / "n" / "clean").iterdir())) == 4
    assert (new_run.results / "report.html").stat().st_size > 0


def test_a_fixed_model_decides_and_nothing_is_trained(
    finished: Run, new_run: Run, make_night: Callable[..., Path]
) -> None:
    model = new_run.folder.parent / "model.pth"
    shutil.copy2(finished.results / "model" / "model.pth", model)
    settings = {"nights": {"n": str(make_night(seed=5))}, "model": {"path": "../model.pth"}}
    outcome = new_run.configure(settings | QUICK).succeed()
    assert "model" not in outcome.jobs
    assert "model" not in new_run.made()
    decisions = new_run.table("predictions/n.tsv", "predictions")
    assert all(0 <= row["p_clean"] <= 1 for row in decisions)
    assert len(new_run.table("sorted/n.tsv", "sorted")) == 4
    assert (new_run.results / "report.html").stat().st_size > 0
    model.touch()
    assert new_run.succeed("sorted", options=("--dry-run",)).planned == {
        "predict_night": 1,
        "sort_night": 1,
        "sorted": 1,
    }


def test_the_promoted_model_decides_until_another_does(
    finished: Run, new_run: Run, make_night: Callable[..., Path]
) -> None:
    registry = new_run.folder / "models"
    register_model(registry, finished.results / "model", finished.results / "dataset", "first")
    promote_model(registry, "first", new_run.results / "labels.tsv", None, [])
    outcome = new_run.configure({"nights": {"n": str(make_night(seed=5))}} | QUICK).succeed("sorted")
    assert "model" not in outcome.jobs
    before = new_run.table("predictions/n.tsv", "predictions")
    assert all(0 <= row["p_clean"] <= 1 for row in before)
    register_model(registry, finished.results / "model", finished.results / "dataset", "second")
    promote_model(registry, "second", new_run.results / "labels.tsv", None, [], force=True)
    assert new_run.succeed("sorted", options=("--dry-run",)).planned["predict_night"] == 1
    (registry / "registry.json").write_text("{}")
    failed = new_run("sorted", options=("--dry-run",))
    assert failed.code == 1
    assert "model: registry: models/registry.json: not a registry" in failed.output
    (registry / "registry.json").unlink()
    assert new_run.succeed("sorted", options=("--dry-run",)).planned["model"] == 1
