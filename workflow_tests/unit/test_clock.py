"""Results dated in the future are dated back, in their order, and nothing else is."""

import os
import time
from pathlib import Path

from nebulift.clock import date_back, now_of

NOW = 1_700_000_000_000_000_000
DAY = 86_400 * 10**9


def put(path: Path, modified_ns: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, ns=(modified_ns, modified_ns))
    return path


def dates(*paths: Path) -> list[int]:
    return [path.lstat().st_mtime_ns for path in paths]


def test_without_results_of_the_future_nothing_is_touched(tmp_path: Path) -> None:
    paths = [put(tmp_path / "labels.tsv", NOW), put(tmp_path / "scores" / "a.tsv", NOW - DAY)]
    assert date_back(tmp_path, tmp_path / "dataset", NOW) == 0
    assert dates(*paths) == [NOW, NOW - DAY]
    assert date_back(tmp_path / "none yet", tmp_path / "dataset", NOW) == 0


def test_all_results_move_back_together(tmp_path: Path) -> None:
    old, new, newest = (
        put(tmp_path / "scores" / "a" / "0000.tsv", NOW - DAY),
        put(tmp_path / "scores" / "a.tsv", NOW + 2 * DAY),
        put(tmp_path / "sorted" / "a.tsv", NOW + 2 * DAY + 1),
    )
    assert date_back(tmp_path, tmp_path / "dataset", NOW) == (2 * DAY + 1) / 1e9
    assert dates(old, new, newest) == [NOW - 3 * DAY - 1, NOW - 1, NOW]
    assert date_back(tmp_path, tmp_path / "dataset", NOW) == 0


def test_folders_that_are_outputs_move_by_the_date_snakemake_keeps_in_them(tmp_path: Path) -> None:
    results, dataset = tmp_path / "results", tmp_path / "elsewhere"
    stamp = put(dataset / "train" / ".snakemake_timestamp", NOW + DAY)
    copied = put(dataset / "train" / "clean" / "a.fits", NOW + DAY)
    metadata = put(dataset / "metadata.json", NOW)
    assert date_back(results, dataset, NOW) == DAY / 1e9
    assert dates(stamp, copied, metadata) == [NOW, NOW + DAY, NOW - DAY]


def test_frames_previews_links_and_logs_are_left_alone(tmp_path: Path) -> None:
    results, frame = tmp_path / "results", put(tmp_path / "night" / "a.fits", NOW + DAY)
    moved = put(results / "sorted" / "a" / "clean" / "a.fits", NOW + DAY)
    preview, log = put(results / "previews" / "a" / "0.png", NOW + DAY), put(results / "logs" / "labels.log", NOW + DAY)
    link = results / "scores" / "link.tsv"
    link.parent.mkdir(parents=True)
    link.symlink_to(frame)
    before = dates(frame, moved, preview, log, link)
    put(results / "labels.tsv", NOW + 5 * DAY)
    assert date_back(results, results / "dataset", NOW) > 0
    assert dates(frame, moved, preview, log, link) == before


def test_now_is_when_a_file_would_be_written(tmp_path: Path) -> None:
    before = time.time_ns() - 10**8  # the kernel dates files by its last tick
    assert before < now_of(tmp_path) <= time.time_ns()
    assert list(tmp_path.iterdir()) == []
