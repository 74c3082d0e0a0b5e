"""What a change of a late stage makes anew: that stage and what follows from it, never the scoring."""

from pathlib import Path

from workflow.runs import Run


def row_of(run: Run, path: str, name: str, frame: str) -> dict[str, object]:
    (row,) = (row for row in run.table(path, name) if row["frame"] == frame)
    return row


def test_the_reports_title_changes_the_report_alone(finished: Run) -> None:
    tables = finished.tables()
    finished.change(report={"title": "Nights of <September> & October"})
    assert finished.succeed().jobs == {"report": 1, "all": 1}
    assert finished.tables() == tables
    page = (finished.results / "report.html").read_text(encoding="utf-8")
    assert "Nights of &lt;September&gt; &amp; October" in page


def test_a_setting_of_training_trains_anew(finished: Run) -> None:
    finished.change(train={"seed": 1})
    assert finished.succeed("model", options=("--dry-run",)).planned == {"model": 1}


def test_a_certainty_decides_and_sorts_anew(finished: Run) -> None:
    finished.change(predict={"clean_probability": 0.97})
    planned = finished.succeed("results/sorted/a.tsv", options=("--dry-run",)).planned
    assert planned == {"predict_night": 1, "sort_night": 1}


def test_copies_in_place_of_links_are_sorted_anew(finished: Run, nights: Path) -> None:
    finished.change(sort={"mode": "copy"})
    assert finished.succeed("results/sorted/b.tsv").jobs == {"sort_night": 1}
    for row in finished.table("sorted/b.tsv", "sorted"):
        assert not Path(row["sorted_path"]).is_symlink()
        assert Path(row["sorted_path"]).read_bytes() == (nights / "b" / row["frame"]).read_bytes()


def test_a_persons_word_decides(finished: Run) -> None:
    frame = "light_0001.fits"
    before = row_of(finished, "predictions/a.tsv", "predictions", frame)
    assert before["decided_by"] != "human"
    # The model as it is, so that this is about the person alone.
    (finished.results / "model" / "model.onnx").rename(finished.folder / "mine.onnx")
    finished.change(model={"path": "mine.onnx"})
    reviews = finished.folder / "reviews" / "a.tsv"
    reviews.parent.mkdir()
    reviews.write_text(f"frame\tlabel\tnote\n{frame}\tcontaminated\tdew on the mirror\n")
    scores = finished.tables("scores")
    outcome = finished.succeed("results/sorted/a.tsv")
    assert outcome.jobs == {"label_night": 1, "predict_night": 1, "sort_night": 1}
    assert finished.tables("scores") == scores
    decision = row_of(finished, "predictions/a.tsv", "predictions", frame)
    assert (decision["decision"], decision["decided_by"]) == ("contaminated", "human")
    assert decision["reasons"] == "human: dew on the mirror"
    folder = finished.results / "sorted" / "a"
    assert row_of(finished, "sorted/a.tsv", "sorted", frame)["sorted_path"] == str(folder / "contaminated" / frame)
    assert (folder / "contaminated" / frame).exists()
    assert not any((folder / label / frame).exists() for label in ("clean", "review"))
