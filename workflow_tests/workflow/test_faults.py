"""What goes wrong around a run: clocks, disks, frames that vanish, a second run on the same results."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workflow.runs import QUICK, Run, finish

DAY_NS = 86_400 * 10**9


def date(path: Path, days_from_now: float) -> None:
    moment_ns = time.time_ns() + int(days_from_now * DAY_NS)
    os.utime(path, ns=(moment_ns, moment_ns))


def until(process: "subprocess.Popen[str]", words: str) -> str:
    """Read what a run prints up to a line with these words."""
    assert process.stdout is not None
    head = ""
    for line in process.stdout:
        head += line
        if words in line:
            return head
    raise AssertionError(f"ended without {words!r}:\n{head}")


@pytest.mark.parametrize("days", [-4000, 4000])
def test_frames_of_any_date_are_graded_once(new_run: Run, make_night: Callable[..., Path], days: int) -> None:
    """The camera's computer began in the past, or has a date of the future."""
    shutil.copytree(make_night(), new_run.folder.parent / "night")
    for path in (new_run.folder.parent / "night").iterdir():
        date(path, days)
    run = new_run.configure({"nights": {"n": str(new_run.folder.parent / "night")}} | QUICK)
    assert run.succeed("labels").scored_and_reused == (4, 0)
    assert run("labels").nothing_to_do
    shutil.copyfile(make_night(seed=2) / "light_0001.fits", run.folder.parent / "night" / "light_0005.fits")
    date(run.folder.parent / "night" / "light_0005.fits", 2 * days)
    assert run.succeed("labels").scored == ["light_0005.fits"]
    assert len(run.frames("labels.tsv", "labels")) == 5
    assert run("labels").nothing_to_do


def shift_all(run: Run, days: float) -> None:
    """Date everything that a run made otherwise, as if this machine's clock had been so much behind or ahead."""
    for path in run.results.rglob("*"):
        modified_ns = path.lstat().st_mtime_ns + int(days * DAY_NS)
        os.utime(path, ns=(modified_ns, modified_ns), follow_symlinks=False)


def test_after_a_start_in_the_past_a_new_frame_reaches_every_table_once(
    graded: Run, nights: Path, make_night: Callable[..., Path]
) -> None:
    shift_all(graded, 800)
    outcome = graded("dataset")
    assert outcome.nothing_to_do
    assert "800 days before the date of the newest result" in outcome.output
    shift_all(graded, 800)
    shutil.copy2(make_night(seed=5) / "light_0001.fits", nights / "b" / "new.fits")
    assert graded.succeed("dataset").scored == ["new.fits"]
    assert graded.frames("dataset/dataset.tsv", "dataset").count("new.fits") == 1
    assert graded("dataset").nothing_to_do


def test_reviews_of_any_date_count_and_count_once(graded: Run) -> None:
    """They come from another machine, out of a backup, by rsync."""
    reviews = graded.folder / "reviews" / "a.tsv"
    reviews.parent.mkdir()
    for label, days in (("contaminated", -4000), ("review", 4000)):
        reviews.write_text(f"frame\tlabel\nlight_0001.fits\t{label}\n")
        date(reviews, days)
        assert graded.succeed("labels").jobs == {"label_night": 1, "labels": 1}
        assert graded.table("labels/a.tsv", "labels")[0]["label"] == label
        assert graded("labels").nothing_to_do


def test_a_frame_that_vanishes_during_a_run_stops_nothing(
    new_run: Run, nights: Path, make_night: Callable[..., Path]
) -> None:
    night = new_run.folder.parent / "night"
    shutil.copytree(make_night(frames=9, seed=6), night)
    run = new_run.configure({"nights": {"n": str(night)}} | QUICK)
    process = run.start("labels", cores=1)
    until(process, "Execute ")
    (night / "light_0009.fits").unlink()
    code, output = finish(process)
    assert code == 0, output
    rows = {row["frame"]: row for row in run.table("labels.tsv", "labels")}
    assert [frame for frame, row in rows.items() if row["label"] == "unreadable"] == ["light_0009.fits"]
    assert rows["light_0009.fits"]["reasons"].startswith("unreadable: ")
    run.succeed("labels")
    assert len(run.frames("labels.tsv", "labels")) == 8


def test_a_second_run_on_the_same_results_is_refused_and_disturbs_nothing(
    new_run: Run, make_night: Callable[..., Path], tmp_path: Path
) -> None:
    settings = {"nights": {"n": str(make_night(frames=9, seed=6))}, **QUICK}
    run = new_run.configure(settings)
    elsewhere = Run(tmp_path / "elsewhere").configure({**settings, "pathvars": {"results": str(run.results)}})
    process = run.start("labels", cores=1)
    try:
        until(process, "Execute ")
        os.killpg(process.pid, signal.SIGSTOP)
        for other in (run, elsewhere):
            refused = other("labels")
            assert refused.code != 0
            assert "another run is at work on these results" in refused.output
            assert f"process {process.pid} on" in refused.output and f"in {run.folder}." in refused.output
            assert "Traceback" not in refused.output
            assert other("labels", options=("--dry-run",)).code == 0
        # Snakemake's own way out would let both go on.
        assert run(options=("--unlock",)).code != 0
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        code, output = finish(process)
    assert code == 0, output
    assert len(run.frames("labels.tsv", "labels")) == 9


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of its own, of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "nebulift", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a disk of memory")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_named_and_keeps_the_old_tables(
    small_disk: Path, make_night: Callable[..., Path], tmp_path: Path
) -> None:
    shutil.copytree(make_night(frames=4, seed=2), tmp_path / "night")
    run = Run(small_disk / "run").configure({"nights": {"n": str(tmp_path / "night")}} | QUICK)
    run.succeed("labels")
    before = run.tables()
    shutil.copyfile(make_night(seed=3) / "light_0001.fits", tmp_path / "night" / "light_0005.fits")
    filling = run.folder / "filling"
    with filling.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    # So much that Snakemake can keep its records, and no more.
    os.truncate(filling, filling.stat().st_size - 48 * 1024)
    outcome = run("labels")
    assert outcome.code != 0
    assert re.search(r"No space left on device: '[^']*results/[^']+'", outcome.output), outcome.output
    assert run.tables() == before
    filling.unlink()
    assert run.succeed("labels").scored == ["light_0005.fits"]
    assert len(run.frames("labels.tsv", "labels")) == 5
    assert list(run.results.rglob(".writing-*")) == []
