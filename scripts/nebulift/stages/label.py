"""Labelling: the scores of a night become labels with reasons, and a person's reviews override them."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nebulift.labels.checks import CHECKS, Limits, limit_at, run_checks
from nebulift.labels.reviews import read_reviews
from nebulift.labels.verdict import UNREADABLE, Thresholds, judge
from nebulift.nights.context import night_context
from nebulift.nights.order import capture_order
from nebulift.tables import Row, read_table, write_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Thresholds of the quality score, the smallest group that is compared, and the limits of each check."""

    thresholds: Thresholds
    smallest_group: int
    limits: Mapping[str, Limits] = field(default_factory=dict)

    @classmethod
    def from_config(cls, section: Mapping[str, Any]) -> "LabelSettings":
        """Take the section `label` of a complete configuration."""
        return cls(
            Thresholds(section["clean_threshold"], section["contaminated_threshold"]),
            section["smallest_group"],
            {check.column: Limits(**section["limits"][check.column], ideal=check.ideal) for check in CHECKS},
        )


def label_night(scores: Path, reviews: Path | None, output: Path, settings: LabelSettings) -> None:
    """Write the label table of one night from its score table and, if there is one, its reviews."""
    measured = read_table(scores, "scores")
    rows = label_rows(measured, settings)
    if not rows:
        kinds = Counter(row["image_type"] for row in measured)
        skipped = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        logger.warning("%s: no light frame in this night, only %s", output.stem, skipped)
    if reviews is not None:
        rows = _apply_reviews(rows, read_reviews(reviews), reviews)
    write_table(output, "labels", rows)
    counts = {label: sum(row["label"] == label for row in rows) for label in sorted({r["label"] for r in rows})}
    logger.info(
        "%s: %s",
        output.stem,
        ", ".join(f"{number} {label}" for label, number in counts.items()) or "no frame",
    )


def label_rows(scores: Sequence[Row], settings: LabelSettings) -> list[Row]:
    """Return the label rows of one night's score rows, in capture order; what was skipped has none."""
    measured = [row for row in scores if row["status"] == "scored"]
    contexts = night_context(measured, settings.smallest_group)
    rows = []
    for score, context in zip(measured, contexts, strict=True):
        values = score | asdict(context)
        findings = run_checks(values, settings.limits)
        verdict = judge(findings, settings.thresholds)
        row = _identity(score) | {
            "quality_score": verdict.quality_score,
            "label": verdict.label,
            "cv_label": verdict.label,
            "reasons": verdict.reasons,
            "qualities": json.dumps({one.check.column: float(f"{one.quality:.4g}") for one in findings}),
            "fwhm_px": score["fwhm_px"],
            "group": context.group,
            "group_frames": context.group_frames,
            "evidence": context.evidence,
            "persistent_streaks": context.persistent_streaks,
            "hot_pixel_persistence": context.hot_pixel_persistence,
        }
        for check in CHECKS:
            row[check.column] = values[check.column]
            limits = settings.limits[check.column]
            row[f"{check.column}_limit"] = limit_at(settings.thresholds.contaminated, limits)
        rows.append(row)
    rows += [
        _identity(score) | {"label": UNREADABLE, "cv_label": UNREADABLE, "reasons": f"unreadable: {score['error']}"}
        for score in scores
        if score["status"] == "unreadable"
    ]
    return sorted(rows, key=capture_order)


def _identity(score: Row) -> Row:
    columns = ("night", "frame", "path", "date_obs", "preview")
    return {column: score.get(column) or "" for column in columns} | {"label_source": "cv"}


def _apply_reviews(rows: Sequence[Row], reviews: Mapping[str, Row], path: Path) -> list[Row]:
    """Let a person's labels override; what cannot be applied is reported and left."""
    by_frame = {row["frame"]: row for row in rows}
    for frame in reviews:
        if frame not in by_frame:
            logger.warning("%s: %r is no light frame of this night; the review is kept but not used", path, frame)
        elif by_frame[frame]["label"] == UNREADABLE:
            logger.warning("%s: %r cannot be read, so its review has no effect", path, frame)
    reviewed = []
    for row in rows:
        review = reviews.get(row["frame"])
        if review is None or row["label"] == UNREADABLE:
            reviewed.append(row)
            continue
        reason = f"human: {review['note'] or 'reviewed by a person'}"
        reasons = "; ".join(part for part in (reason, row["reasons"]) if part)
        reviewed.append({**row, "label": review["label"], "label_source": "human", "reasons": reasons})
    return reviewed
