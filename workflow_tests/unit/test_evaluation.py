"""Labels and decisions against what is true, and thresholds chosen by reviews."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nebulift import cli
from nebulift.config import ConfigError, complete_config, read_config
from nebulift.labels.checks import run_checks
from nebulift.labels.evaluation import Judged, evaluate, judged_frames
from nebulift.labels.threshold_choice import (
    FEWEST_PER_CLASS,
    NothingToGain,
    choose_thresholds,
    macro_f1,
    reviewed_frames,
)
from nebulift.labels.truth import read_truth
from nebulift.labels.verdict import CLEAN, CONTAMINATED, LABELS, REVIEW, Thresholds, judge, quality_score
from nebulift.stages.evaluate import calibrate, evaluate_table
from nebulift.tables import Row, TableError, write_table
from unit.builders import label_row, label_settings

FRAMES = [
    *[Judged("a", CLEAN, CLEAN)] * 8,
    *[Judged("a", REVIEW, CLEAN, "focus: FWHM ratio 1.4 > 1.3")] * 2,
    *[Judged("a", CONTAMINATED, CONTAMINATED, "cloud: transparency 0.3 < 0.8; focus: x 1 > 0")] * 6,
    Judged("b", CLEAN, CONTAMINATED),
    Judged("b", CONTAMINATED, CLEAN, "streak: significance 14.2 > 9.5"),
]
SETTINGS = label_settings()


def test_the_figures_are_those_counted_by_hand() -> None:
    figures = evaluate(FRAMES)
    assert json.loads(json.dumps(figures)) == figures
    assert figures["confusion_matrix"] == {
        CLEAN: {CLEAN: 8, CONTAMINATED: 1, REVIEW: 2, "unreadable": 0},
        CONTAMINATED: {CLEAN: 1, CONTAMINATED: 6, REVIEW: 0, "unreadable": 0},
    }
    assert (figures["accuracy"]["frames"], figures["accuracy"]["of"]) == (14, 16)
    assert (figures["settled"]["frames"], figures["settled"]["of"]) == (16, 18)
    clean, contaminated = figures["classes"][CLEAN], figures["classes"][CONTAMINATED]
    assert (clean["precision"]["value"], clean["recall"]["value"]) == (pytest.approx(8 / 9), pytest.approx(8 / 11))
    assert clean["f1"]["value"] == pytest.approx(16 / 20)
    assert contaminated["f1"]["value"] == pytest.approx(12 / 14)
    assert figures["macro_f1"] == pytest.approx((16 / 20 + 12 / 14) / 2)
    # Wilson's interval for 8 of 9, as it stands in tables.
    assert (clean["precision"]["low"], clean["precision"]["high"]) == (
        pytest.approx(0.565, abs=1e-3),
        pytest.approx(0.980, abs=1e-3),
    )
    assert figures["nights"]["b"] == {"frames": 2, "settled": 2, "right": 0, "truly_clean": 1, "truly_contaminated": 1}
    assert list(figures["reasons"]) == ["none", "cloud", "focus", "streak"]
    assert figures["reasons"]["focus"]["settled"] == 0


@given(
    st.lists(
        st.builds(Judged, st.sampled_from("ab"), st.sampled_from(LABELS), st.sampled_from([CLEAN, CONTAMINATED])),
        min_size=1,
    )
)
def test_every_interval_holds_its_figure(frames: list[Judged]) -> None:
    figures = evaluate(frames)
    shares = [figures["accuracy"], figures["settled"]]
    shares += [share for of in figures["classes"].values() for share in of.values()]
    for share in shares:
        assert share["value"] is None or 0 <= share["low"] <= share["value"] <= share["high"] + 1e-12 <= 1 + 1e-9
    for by in ("nights", "reasons"):
        assert sum(row["frames"] for row in figures[by].values()) == len(frames)


def test_nothing_to_judge_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate([])


def test_of_labels_the_rules_word_is_judged_and_a_persons_decision_is_left_out() -> None:
    truth = {("n", "a"): CLEAN, ("n", "b"): REVIEW, ("n", "c"): CONTAMINATED}
    rows = [{"night": "n", "frame": frame, "reasons": "", "cv_label": REVIEW, "label": CLEAN} for frame in "abcd"]
    judged, left_out = judged_frames(rows, truth)
    assert [frame.said for frame in judged] == [REVIEW, REVIEW]
    assert left_out == {"without truth": 1, "true label is review": 1, "decided by a person": 0}
    decided = [
        {"night": "n", "frame": "a", "reasons": "", "decision": CLEAN, "decided_by": "human"},
        {"night": "n", "frame": "c", "reasons": "", "decision": CLEAN, "decided_by": "agreement"},
    ]
    judged, left_out = judged_frames(decided, truth)
    assert [(frame.said, frame.truth) for frame in judged] == [(CLEAN, CONTAMINATED)]
    assert left_out["decided by a person"] == 1


def test_truth_is_read_from_reviews_folders_and_tables(tmp_path: Path) -> None:
    reviews = tmp_path / "reviews"
    reviews.mkdir()
    (reviews / "n.tsv").write_text("frame\tlabel\tnote\na.fits\tClean\tfine\n")
    (reviews / "m.tsv").write_text("frame\tlabel\na.fits\treview\n")
    table = tmp_path / "truth.tsv"
    table.write_text("night\tframe\tverdict\tartifacts\nk\tb.fits\tcontaminated\tcloud\n")
    assert read_truth([reviews, table]) == {
        ("n", "a.fits"): CLEAN,
        ("m", "a.fits"): REVIEW,
        ("k", "b.fits"): CONTAMINATED,
    }
    table.write_text("night\tframe\tverdict\nk\tb.fits\tgood\n")
    with pytest.raises(TableError, match=r"truth\.tsv: line 2: 'good'"):
        read_truth([table])
    table.write_text("frame\tverdict\nb.fits\tclean\n")
    with pytest.raises(TableError, match=r"truth\.tsv: the column 'night' is missing"):
        read_truth([table])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no reviews there"):
        read_truth([tmp_path / "empty"])


def graded(nights: int, frames: int, error: float = 0.0, seed: int = 3) -> tuple[list[Row], dict[tuple[str, str], str]]:
    """Return label rows and truth: what is spoilt is so from a FWHM ratio of 1.3 (clean limit) on, not from 1.5.

    So the contaminated threshold should rise towards the clean one. A share `error` of the truth is wrong.
    """
    rng = np.random.default_rng(seed)
    rows, truth = [], {}
    for night in range(nights):
        for index in range(frames):
            ratio = float(rng.uniform(1.05, 1.75))
            name = f"{index:03d}.fits"
            row = label_row(name, "clean", night=f"n{night}", fwhm_ratio=round(ratio, 4))
            rows.append(row)
            spoilt = (ratio > 1.31) != (rng.random() < error)
            truth[f"n{night}", name] = CONTAMINATED if spoilt else CLEAN
    return [_labelled(row) for row in rows], truth


def _labelled(row: Row) -> Row:
    settings = SETTINGS
    values = {column: row.get(column) for column in settings.limits}
    verdict = judge(run_checks(values, settings.limits), settings.thresholds)
    label = {"label": verdict.label, "cv_label": verdict.label, "reasons": verdict.reasons}
    return {**row, **values, **label, "quality_score": verdict.quality_score}


def choice_for(rows: list[Row], truth: dict[tuple[str, str], str]) -> Any:
    settings = SETTINGS
    return choose_thresholds(reviewed_frames(rows, truth, settings.limits, settings.thresholds), settings.thresholds)


def test_thresholds_follow_what_people_decide_and_the_gain_is_that_on_other_nights() -> None:
    choice = choice_for(*graded(4, 40))
    assert choice.thresholds.contaminated >= 0.6
    assert choice.thresholds.clean == 0.7
    assert choice.f1 > choice.f1_before + 0.1
    assert choice.put_right > 10 > choice.put_wrong
    assert (choice.nights, choice.frames) == (4, 160)


def test_where_the_thresholds_are_right_nothing_is_gained() -> None:
    settings = SETTINGS
    rows, _ = graded(4, 40)
    truth = {(row["night"], row["frame"]): row["cv_label"] for row in rows}
    with pytest.raises(NothingToGain, match=r"macro F1 1\.0000 against 1\.0000"):
        choose_thresholds(reviewed_frames(rows, truth, settings.limits, settings.thresholds), settings.thresholds)


def test_what_one_night_alone_wants_is_not_chosen() -> None:
    """On all frames together other thresholds look better; labelled by what the others choose, no night gains."""
    rows, truth = graded(1, 120)
    others, _ = graded(3, 30)
    others = [row for row in others if row["night"] != "n0"]
    # In these nights what lies between the limits is clean, and in the long one contaminated.
    truth |= {
        (row["night"], row["frame"]): CONTAMINATED if row["cv_label"] == CONTAMINATED else CLEAN for row in others
    }
    frames = reviewed_frames([*rows, *others], truth, SETTINGS.limits, SETTINGS.thresholds)
    said = [Thresholds(0.7, 0.65).label(quality_score(frame.findings, Thresholds(0.7, 0.65))) for frame in frames]
    now = [SETTINGS.thresholds.label(quality_score(frame.findings, SETTINGS.thresholds)) for frame in frames]
    true = [frame.truth for frame in frames]
    assert macro_f1(said, true) > macro_f1(now, true)
    with pytest.raises(NothingToGain, match="do no better on a night left out"):
        choose_thresholds(frames, SETTINGS.thresholds)


@pytest.mark.parametrize(("nights", "frames"), [(2, 100), (3, 8)])
def test_too_few_reviews_choose_nothing(nights: int, frames: int) -> None:
    with pytest.raises(ValueError, match=f"too few reviews .* {FEWEST_PER_CLASS} of each and 3 nights are needed"):
        choice_for(*graded(nights, frames))


def test_labels_of_another_configuration_are_refused() -> None:
    rows, truth = graded(3, 40)
    settings = SETTINGS
    with pytest.raises(ValueError, match="give the --configfile that the labels were made with"):
        reviewed_frames(rows, truth, settings.limits, Thresholds(0.9, 0.05))


def test_macro_f1_counts_review_where_a_person_says_so() -> None:
    assert macro_f1([CLEAN, CONTAMINATED], [CLEAN, CONTAMINATED]) == 1
    assert macro_f1([REVIEW, CONTAMINATED], [CLEAN, CONTAMINATED]) == 0.5
    assert macro_f1([CLEAN, CONTAMINATED, REVIEW], [CLEAN, CONTAMINATED, REVIEW]) == 1
    assert macro_f1([CLEAN, CONTAMINATED, CLEAN], [CLEAN, CONTAMINATED, REVIEW]) == pytest.approx((2 / 3 + 1) / 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows, truth = graded(4, 40)
    write_table(tmp_path / "labels.tsv", "labels", rows)
    reviews = tmp_path / "reviews"
    reviews.mkdir()
    for night in range(4):
        lines = [f"{frame}\t{label}" for (name, frame), label in truth.items() if name == f"n{night}"]
        (reviews / f"n{night}.tsv").write_text("\n".join(["frame\tlabel", *lines]) + "\n")
    return tmp_path


def test_evaluate_prints_what_programs_and_people_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["evaluate", str(folder / "labels.tsv"), "--reviews", str(folder / "reviews")]
    assert cli.main([*line, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads(json.dumps(evaluate_table([folder / "labels.tsv"], [folder / "reviews"])))
    assert figures["frames"] == 160
    assert cli.main(line) == 0
    printed = capsys.readouterr().out
    assert f"settled   {figures['settled']['value']:.3f}" in printed
    assert "n3" in printed and "focus" in printed


def test_evaluate_says_why_nothing_can_be_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {
            "night": "n0",
            "frame": "000.fits",
            "path": "x",
            "decision": CLEAN,
            "decided_by": "human",
            "reasons": "human: x",
        }
    ]
    write_table(folder / "predictions.tsv", "predictions", rows)
    assert cli.main(["evaluate", str(folder / "predictions.tsv"), "--reviews", str(folder / "reviews")]) == 2
    assert "1 decided by a person" in capsys.readouterr().err
    (folder / "other.tsv").write_text("a\tb\n")
    assert cli.main(["evaluate", str(folder / "other.tsv"), "--reviews", str(folder / "reviews")]) == 2
    assert "other.tsv: neither a table of labels" in capsys.readouterr().err


def test_calibrate_writes_what_the_workflow_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder / "thresholds.yaml"
    line = ["calibrate", str(folder / "labels.tsv"), "--reviews", str(folder / "reviews"), "--output", str(output)]
    assert cli.main(line) == 0
    label = read_config([output])["label"]
    assert f"contaminated_threshold {label['contaminated_threshold']:g}" in capsys.readouterr().out
    assert label["contaminated_threshold"] > 0.3
    assert set(yaml.safe_load(output.read_text())) == {"label"}
    # Labels made with the choice do better on these frames, and choosing again changes nothing.
    before = output.read_bytes()
    calibrate(folder / "labels.tsv", [folder / "reviews"], [], output)
    assert output.read_bytes() == before


def test_calibrate_writes_nothing_where_nothing_is_gained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder / "thresholds.yaml"
    output.write_text("label: {clean_threshold: 0.9}\n")
    for night in range(1, 4):
        (folder / "reviews" / f"n{night}.tsv").unlink()
    line = ["calibrate", str(folder / "labels.tsv"), "--reviews", str(folder / "reviews"), "--output", str(output)]
    assert cli.main(line) == 2
    assert "too few reviews" in capsys.readouterr().err
    assert output.read_text() == "label: {clean_threshold: 0.9}\n"


def test_configurations_are_laid_over_one_another(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("nights: {a: x}\nlabel: {clean_threshold: 0.8, contaminated_threshold: 0.2}\n")
    two.write_text("label: {clean_threshold: 0.9}\n")
    config = read_config([one, two])
    assert (config["label"]["clean_threshold"], config["label"]["contaminated_threshold"]) == (0.9, 0.2)
    assert config["nights"]["a"]["path"] == "x"
    assert read_config([]) == complete_config({})
    two.write_text("just text\n")
    with pytest.raises(ConfigError, match=r"two\.yaml: not a configuration"):
        read_config([two])
    two.write_text("label: [\n")
    with pytest.raises(ConfigError, match=r"two\.yaml: not YAML"):
        read_config([two])
