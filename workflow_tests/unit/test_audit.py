"""The audit of weak labels: it finds labels that are wrong, leaves a person's alone, and says when it cannot."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.dataset.audit import FEWEST_PER_CLASS, audit_labels, too_few_to_audit
from nebulift.dataset.preview import write_preview
from nebulift.dataset.preview_features import against_the_night, preview_features
from nebulift.dataset.splits import SplitRule
from nebulift.labels.verdict import CLEAN, CONTAMINATED
from nebulift.stages.dataset import dataset_rows, materialise_dataset
from nebulift.tables import Row, read_table, write_table
from unit.builders import label_row

THRESHOLDS = {"clean_threshold": 0.7, "contaminated_threshold": 0.3}


def picture(seed: int, spoilt: bool, brightness: float = 40.0) -> NDArray[np.uint8]:
    """Return a preview with stars, and across a spoilt one a line."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(brightness, 4, (224, 224, 3))
    for row, column in rng.integers(8, 216, (40, 2)):
        cv2.circle(pixels, (int(row), int(column)), 2, (200.0, 220.0, 0.0), -1)
    for cell in range(49):
        row, column = divmod(cell, 7)
        cv2.circle(pixels, (32 * column + 16, 32 * row + 16), 3, (0.0, 0.0, 250.0), -1)
    preview = np.clip(pixels, 0, 255).astype(np.uint8)
    if spoilt:
        angle = rng.uniform(0, np.pi)
        reach = (200 * np.cos(angle), 200 * np.sin(angle))
        ends = [(int(112 + sign * reach[0]), int(112 + sign * reach[1])) for sign in (-1, 1)]
        cv2.line(preview, *ends, (90, 140, 0), 1)
    return preview


def features_and_truth(frames: int = 120) -> tuple[NDArray[np.float64], list[str], list[str]]:
    spoilt = [index % 3 == 0 for index in range(frames)]
    features = np.stack([preview_features(picture(index, bad)) for index, bad in enumerate(spoilt)])
    labels = [CONTAMINATED if bad else CLEAN for bad in spoilt]
    return against_the_night(features), labels, [f"{index // 6}" for index in range(frames)]


def flipped(label: str) -> str:
    return CLEAN if label == CONTAMINATED else CONTAMINATED


def test_flipped_labels_are_found_and_right_ones_left_alone() -> None:
    features, truth, blocks = features_and_truth()
    wrong = {4, 15, 33, 58, 77, 90, 101, 110, 111, 118}
    labels = [flipped(label) if index in wrong else label for index, label in enumerate(truth)]
    found = audit_labels(features, labels, blocks, [False] * len(labels))
    assert {suspicion.index for suspicion in found} <= wrong
    assert len(found) >= 5
    assert [s.confidence for s in found] == sorted(s.confidence for s in found)
    assert all(suspicion.looks_like == flipped(labels[suspicion.index]) for suspicion in found)
    assert found[0].reason.startswith(f"label audit: looks {found[0].looks_like} to other frames, confidence in the")
    assert found == audit_labels(features, labels, blocks, [False] * len(labels))


def test_what_a_person_said_is_never_suspected() -> None:
    features, truth, blocks = features_and_truth()
    labels = [flipped(label) if index in (4, 15, 33, 58) else label for index, label in enumerate(truth)]
    by_people = [index in (4, 15) for index in range(len(labels))]
    found = {suspicion.index for suspicion in audit_labels(features, labels, blocks, by_people)}
    assert not found & {4, 15}
    assert {33, 58} <= found


def test_neighbours_in_a_block_do_not_vouch_for_one_another() -> None:
    """A whole block that is labelled wrongly is found: with random folds its own frames would confirm it."""
    features, truth, _ = features_and_truth()
    rng = np.random.default_rng(0)
    # Frames of a block are near copies.
    blocks = [str(index // 6) for index in range(120)]
    spoilt = [int(block) % 3 == 0 for block in blocks]
    source = {bad: [i for i, label in enumerate(truth) if (label == CONTAMINATED) == bad] for bad in (False, True)}
    copied = np.stack(
        [features[source[spoilt[i]][int(blocks[i])]] + rng.normal(0, 0.01, features.shape[1]) for i in range(120)]
    )
    labels = [CONTAMINATED if bad != (block == "7") else CLEAN for bad, block in zip(spoilt, blocks, strict=True)]
    found = {suspicion.index for suspicion in audit_labels(copied, labels, blocks, [False] * 120)}
    assert found >= {index for index, block in enumerate(blocks) if block == "7"}


@pytest.mark.parametrize(
    ("labels", "blocks"),
    [
        ([CLEAN] * 100, [str(number) for number in range(100)]),
        ([CLEAN, CONTAMINATED] * (FEWEST_PER_CLASS - 1), [str(number) for number in range(2 * FEWEST_PER_CLASS - 2)]),
        ([CLEAN, CONTAMINATED] * 100, [str(number // 50) for number in range(200)]),
        ([], []),
    ],
)
def test_too_few_labels_are_not_audited_and_it_is_said(labels: list[str], blocks: list[str]) -> None:
    assert f"{FEWEST_PER_CLASS} frames and 5 blocks of each are needed" in too_few_to_audit(labels, blocks)
    with pytest.raises(ValueError, match="too few labels to audit"):
        audit_labels(np.zeros((len(labels), 44)), labels, blocks, [False] * len(labels))


def test_features_are_finite_and_know_a_line() -> None:
    blank = preview_features(np.zeros((224, 224, 3), np.uint8))
    clean, spoilt = (preview_features(picture(1, bad)) for bad in (False, True))
    assert blank.shape == clean.shape == (44,)
    for values in (blank, clean, spoilt, against_the_night(np.stack([blank, clean, spoilt]))):
        assert np.isfinite(values).all()
    assert spoilt[39] > clean[39] + 3  # the strongest line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with labels and previews of a night, some of the labels wrong."""
    rows: list[Row] = []
    for index in range(120):
        spoilt = index % 3 == 0
        label = CONTAMINATED if spoilt != (index in (16, 34, 58, 77, 100)) else CLEAN
        frame = f"{index:03d}.fits"
        date = f"2024-09-09T{20 + index * 2 // 60:02d}:{index * 2 % 60:02d}:00.000"
        rows.append(label_row(frame, label, date_obs=date))
        write_preview(tmp_path / "previews" / "2024-09-09" / f"{frame}.png", picture(index, spoilt))
    write_table(tmp_path / "labels.tsv", "labels", rows)
    return tmp_path


def laid_out(folder: Path, audit: bool = True) -> tuple[list[Row], list[Row], dict[str, object]]:
    output = folder / "dataset"
    materialise_dataset(folder / "labels.tsv", folder / "previews", output, SplitRule(), THRESHOLDS, audit)
    metadata = json.loads((output / "metadata.json").read_text())
    return read_table(output / "audit.tsv", "audit"), read_table(output / "dataset.tsv", "dataset"), metadata


def test_suspected_labels_leave_training_for_review_and_validation_keeps_its_own(folder: Path) -> None:
    before = {
        row["frame"]: row["split"]
        for row in dataset_rows(read_table(folder / "labels.tsv", "labels"), folder / "previews", SplitRule())
    }
    audit, table, metadata = laid_out(folder)
    assert {row["frame"] for row in audit} <= {"016.fits", "034.fits", "058.fits", "077.fits", "100.fits"}
    assert len(audit) >= 3
    assert metadata["audit"] == {"suspected": len(audit)}
    suspected = {row["frame"]: row for row in audit}
    for row in table:
        expected = before[row["frame"]]
        if row["frame"] in suspected and expected == "train":
            assert row["split"] == suspected[row["frame"]]["split"] == "review"
            assert row["link"] == f"review/_label_audit/2024-09-09/{row['frame']}"
            assert (folder / "dataset" / row["link"]).is_symlink()
        else:
            assert row["split"] == expected
    assert {row["split"] for row in audit} >= {"review"}
    again = (folder / "dataset" / "audit.tsv").read_bytes()
    laid_out(folder)
    assert (folder / "dataset" / "audit.tsv").read_bytes() == again


def test_without_an_audit_nothing_moves(folder: Path) -> None:
    audit, table, metadata = laid_out(folder, audit=False)
    assert audit == []
    assert metadata["audit"] == {"suspected": 0, "skipped": "not asked for"}
    assert not any(row["split"] == "review" for row in table)
