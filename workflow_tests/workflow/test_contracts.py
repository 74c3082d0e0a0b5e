"""Every table fits its schema, tells of every frame, and is the same byte by byte however it was made."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import nebulift
from nebulift.dataset.leaks import leaks
from workflow.runs import PROJECT, QUICK, Run, contents, files_below

TABLES = {
    **{f"scores/{name}": "scores" for name in ("a", "b", "c", "a/0000", "a/0001", "a/0002", "b/0000", "c/0000")},
    **{f"{kind}/{night}": kind for kind in ("labels", "predictions", "sorted") for night in "abc"},
    "labels": "labels",
    "dataset/dataset": "dataset",
    "dataset/audit": "audit",
    "model/history": "history",
}


def schema_of(name: str) -> dict[str, Any]:
    return yaml.safe_load((PROJECT / "config" / "schemas" / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def plain_rows(path: Path) -> list[dict[str, str]]:
    """Read a table as anybody would, knowing nothing of Nebulift."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def typed(text: str, kind: str | list[str]) -> object:
    if "string" in kind:
        return text
    if text == "":
        return None
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", text)
    return int(text) if "integer" in kind else float(text)


@pytest.mark.parametrize("path", TABLES)
def test_every_row_fits_its_schema(finished_once: str, kept_runs: Any, path: str) -> None:
    schema = schema_of(TABLES[path])
    rows = plain_rows(kept_runs.kept / finished_once / "run" / "results" / f"{path}.tsv")
    # Too few frames to audit: a header and nothing else.
    assert bool(rows) == (path != "dataset/audit")
    for row in rows:
        assert list(row) == list(schema["properties"])
        values = {column: typed(text, schema["properties"][column]["type"]) for column, text in row.items()}
        jsonschema.validate(values, schema, cls=jsonschema.Draft202012Validator)


def test_there_is_no_other_table(finished: Run) -> None:
    # The journal of a sorted night is no table of frames but a record of steps.
    assert {name for name in finished.tables() if not name.endswith("/journal.tsv")} == {
        f"{path}.tsv" for path in TABLES
    }


def test_every_frame_is_in_every_table_once_in_capture_order(finished: Run) -> None:
    for night, number in {"a": 9, "b": 4, "c": 4}.items():
        frames = [f"light_{index + 1:04d}.fits" for index in range(number)]
        for kind in ("scores", "labels", "predictions", "sorted"):
            assert finished.frames(f"{kind}/{night}.tsv", kind) == frames
    joined = [(row["night"], row["frame"]) for row in finished.table("labels.tsv", "labels")]
    assert joined == [(night, frame) for night in "abc" for frame in finished.frames(f"labels/{night}.tsv", "labels")]
    assert [(row["night"], row["frame"]) for row in finished.table("dataset/dataset.tsv", "dataset")] == joined


def test_labels_follow_from_quality_scores_and_name_their_reasons(finished: Run) -> None:
    rows = finished.table("labels.tsv", "labels")
    assert {row["label"] for row in rows} >= {"clean", "contaminated"}
    for row in rows:
        expected = (
            "clean" if row["quality_score"] >= 0.7 else "contaminated" if row["quality_score"] <= 0.3 else "review"
        )
        assert row["label"] == expected
        if row["label"] == "contaminated":
            assert re.match(r"[a-z ]+: .+ \S+ [<>] \S+", row["reasons"])


def test_every_sorted_frame_lies_in_the_folder_of_its_decision(finished: Run) -> None:
    for night in "abc":
        decisions = {row["frame"]: row["decision"] for row in finished.table(f"predictions/{night}.tsv", "predictions")}
        rows = finished.table(f"sorted/{night}.tsv", "sorted")
        for row in rows:
            place = Path(row["sorted_path"])
            assert place.parent == finished.results / "sorted" / night / decisions[row["frame"]]
            assert place.samefile(row["path"])
        links = [path for path in (finished.results / "sorted" / night).rglob("*") if path.is_symlink()]
        assert len(links) == len(rows)


def test_metadata_describe_the_dataset_that_lies_there(finished: Run) -> None:
    folder = finished.results / "dataset"
    description = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    rows = finished.table("dataset/dataset.tsv", "dataset")
    assert description["frames"] == len(rows) == 17
    for side in ("train", "val", "review"):
        counts = Counter(row["label"] for row in rows if row["split"] == side)
        assert description["counts"][side] == counts
        assert description["nights"][side] == Counter(row["night"] for row in rows if row["split"] == side)
        frames = [path for path in (folder / side).rglob("*.fits") if path.is_symlink()]
        assert len(frames) == counts.total()
        assert len([path for path in (folder / side).rglob("*.png") if path.is_symlink()]) == counts.total()
    for row in rows:
        assert (folder / row["link"]).samefile(row["path"])
        assert Path(row["link"]).parts[:3] == (row["split"], row["label"], row["night"])
    assert description["thresholds"] == {"clean_threshold": 0.7, "contaminated_threshold": 0.3}
    assert description["split_rule"] == QUICK["dataset"] | {"split": "blocks", "validation_fraction": 0.2}
    assert description["versions"]["nebulift"] == nebulift.__version__
    assert set(description["versions"]) == {"nebulift", "scorer", "preview", "context"}
    assert description["labels_by_people"] == 0
    assert leaks(description) == []
    assert re.fullmatch(r"[0-9a-f]{64}", description["fingerprint"])


def test_a_model_was_trained_and_says_how(finished: Run) -> None:
    folder = finished.results / "model"
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["trained"] is True
    assert 0 <= metrics["best_val_accuracy"] <= 100
    arguments = yaml.safe_load((folder / "args.yaml").read_text(encoding="utf-8"))
    assert QUICK["train"].items() <= arguments.items()
    assert all(
        0 <= row["p_clean"] <= 1 for night in "abc" for row in finished.table(f"predictions/{night}.tsv", "predictions")
    )


def test_every_job_has_a_log_and_a_benchmark(finished: Run) -> None:
    logs = {Path(name).with_suffix("") for name in files_below(finished.results / "logs", ".log")}
    benchmarks = {Path(name).with_suffix("") for name in files_below(finished.results / "benchmarks", ".tsv")}
    assert logs == benchmarks
    per_night = ("merge_scores", "label_night", "predict_night", "sort_night")
    assert {str(path) for path in logs} == {
        *(f"score_chunk/{chunk}" for chunk in ("a/0000", "a/0001", "a/0002", "b/0000", "c/0000")),
        *(f"{rule}/{night}" for night in "abc" for rule in per_night),
        *("labels", "dataset", "model", "report"),
    }


def test_cores_and_chunks_change_no_byte(finished: Run) -> None:
    """Shown here up to the dataset; runs that were killed show it for the rest."""
    other = Run(finished.folder.parent / "other")
    other.configure(yaml.safe_load((finished.folder / "night.yaml").read_text()) | {"chunk_size": 32})
    other.succeed("dataset", cores=1)

    def tables(run: Run) -> dict[str, bytes]:
        """Give the tables of nights and above: those of chunks differ, of course."""
        found = contents(run.tables())
        up_to_here = ("scores/", "labels", "dataset/")
        return {
            name: text
            for name, text in found.items()
            if name.startswith(up_to_here) and not re.fullmatch(r"scores/./\d+\.tsv", name)
        }

    assert tables(other) == tables(finished)
    assert len(tables(other)) == 9
    assert contents(files_below(other.results / "previews")) == contents(files_below(finished.results / "previews"))
    metadata = Path("dataset") / "metadata.json"
    assert (other.results / metadata).read_bytes() == (finished.results / metadata).read_bytes()
