"""The plan of a run: which frames a night has, and the chunks that they are scored in."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulift.config import ConfigError
from nebulift.frames.listing import ListedFrame
from nebulift.sorting.sort import Sorted, sort_frames, undo_sort
from nebulift.stages import plan
from nebulift.stages.plan import chunks, fingerprint, known_by_content, plan_night


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return folder


def planned(
    folder: Path | str, sorted_folder: Path | None = None, own: Iterable[Path] = (), **night: Any
) -> dict[str, Path]:
    complete = {"path": str(folder), "pattern": "*", "recursive": True, "frames_file": None, **night}
    frames = plan_night("n", complete, sorted_folder or Path("/nowhere/sorted/n"), own)
    assert [frame.name for frame in frames] == sorted(frame.name for frame in frames)
    return {frame.name: frame.path for frame in frames}


def error_of(folder: Path | str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(folder, **options)
    return str(caught.value)


def test_frames_are_listed_by_name_with_their_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "night", "b.fits", "sub/a.fit", "A.FITS", "notes.txt")
    monkeypatch.chdir(tmp_path)
    names = ("A.FITS", "b.fits", "sub/a.fit")
    assert planned("night") == {name: tmp_path / "night" / name for name in names}


def test_pattern_and_depth_of_the_night_count(tmp_path: Path) -> None:
    put(tmp_path, "Light_1.fits", "Dark_1.fits", "sub/Light_2.fits")
    assert set(planned(tmp_path, pattern="Light*")) == {"Light_1.fits", "sub/Light_2.fits"}
    assert set(planned(tmp_path, pattern="Light*", recursive=False)) == {"Light_1.fits"}


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "night", "a.fits")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert set(planned("~/night")) == {"a.fits"}


def test_a_missing_folder_is_named_with_its_key(tmp_path: Path) -> None:
    assert error_of(tmp_path / "gone") == f"nights: n: path: {tmp_path / 'gone'}: no such folder"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    put(tmp_path, "a.fits")
    assert error_of(tmp_path / "a.fits") == f"nights: n: path: {tmp_path / 'a.fits'}: no such folder"


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(folder: Path, *_: Any) -> list[ListedFrame]:
        raise PermissionError(13, "Permission denied", str(folder / "sub"))

    monkeypatch.setattr(plan, "list_frames", forbidden)
    assert error_of(tmp_path) == f"nights: n: path: {tmp_path / 'sub'}: permission denied"


@pytest.mark.parametrize("name", [None, "notes.txt", ".hidden.fits"])
def test_a_folder_without_frames_is_named_with_what_was_looked_for(tmp_path: Path, name: str | None) -> None:
    if name:
        put(tmp_path, name)
    message = error_of(tmp_path, pattern="L*")
    assert message.startswith(f"nights: n: path: {tmp_path}: no frame there whose name fits 'L*'")
    assert ".fits" in message


def test_what_the_workflow_writes_below_the_night_is_no_frame_of_it(tmp_path: Path) -> None:
    put(tmp_path, "a.fits", "results/previews/n/0.png", "results/sorted/n/clean/a.fits", "results2/b.fits", "c/d.fits")
    assert set(planned(tmp_path, own=[tmp_path / "results"])) == {"a.fits", "results2/b.fits", "c/d.fits"}
    assert set(planned(tmp_path, own=[tmp_path / "results", tmp_path / "c"])) == {"a.fits", "results2/b.fits"}


def test_its_own_folders_are_known_by_other_names_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "night/a.fits", "night/results/0.png")
    (tmp_path / "link").symlink_to(tmp_path / "night")
    (tmp_path / "night" / "again").symlink_to(tmp_path / "night" / "results")
    monkeypatch.chdir(tmp_path / "night")
    assert set(planned(tmp_path / "link", own=[Path("results")])) == {"a.fits"}


def test_a_night_inside_of_its_own_folders_is_refused_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path, "results/sorted/n/clean/a.fits")
    message = error_of(tmp_path / "results/sorted/n/clean", own=[tmp_path / "results"])
    assert message.startswith(f"nights: n: path: {tmp_path / 'results/sorted/n/clean'}: ")
    assert f"lies in {tmp_path / 'results'}, which the workflow writes itself" in message


def test_moved_frames_still_belong_to_the_night(tmp_path: Path) -> None:
    raw, folder = put(tmp_path / "raw", "a.fits", "sub/b.fits"), tmp_path / "sorted" / "n"
    frames = [Sorted(name, path, "clean") for name, path in planned(raw).items()]
    sort_frames(frames, folder, "move")
    put(raw, "c.fits")
    assert planned(raw, folder, own=[tmp_path / "sorted"]) == {
        "a.fits": folder / "clean" / "a.fits",
        "c.fits": raw / "c.fits",
        "sub/b.fits": folder / "clean" / "sub" / "b.fits",
    }
    undo_sort(folder)
    assert planned(raw, folder) == {name: raw / name for name in ("a.fits", "c.fits", "sub/b.fits")}


def test_moved_frames_are_enough_for_a_night(tmp_path: Path) -> None:
    raw, folder = put(tmp_path / "raw", "a.fits"), tmp_path / "sorted" / "n"
    sort_frames([Sorted("a.fits", raw / "a.fits", "clean")], folder, "move")
    assert planned(raw, folder) == {"a.fits": folder / "clean" / "a.fits"}


@pytest.mark.parametrize("mode", ["link", "copy"])
def test_linked_and_copied_frames_are_listed_where_they_are(tmp_path: Path, mode: Any) -> None:
    raw, folder = put(tmp_path / "raw", "a.fits"), tmp_path / "sorted" / "n"
    sort_frames([Sorted("a.fits", raw / "a.fits", "clean")], folder, mode)
    assert planned(raw, folder) == {"a.fits": raw / "a.fits"}


def test_a_new_frame_takes_the_place_of_a_moved_one_in_the_list(tmp_path: Path) -> None:
    raw, folder = put(tmp_path / "raw", "a.fits"), tmp_path / "sorted" / "n"
    sort_frames([Sorted("a.fits", raw / "a.fits", "clean")], folder, "move")
    put(raw, "a.fits")
    assert planned(raw, folder) == {"a.fits": raw / "a.fits"}


def test_a_file_in_the_place_of_the_journal_is_named(tmp_path: Path) -> None:
    raw, folder = put(tmp_path / "raw", "a.fits"), put(tmp_path / "sorted" / "n", "journal.tsv")
    message = error_of(raw, sorted_folder=folder)
    assert message.startswith(f"sort: destination: {folder / 'journal.tsv'}: not a journal")


def test_broken_links_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "a.fits")
    (tmp_path / "broken.fits").symlink_to(tmp_path / "gone.fits")
    assert set(planned(tmp_path)) == {"a.fits", "broken.fits"}


def test_the_fingerprint_changes_with_any_of_the_files(tmp_path: Path) -> None:
    put(tmp_path, "a.fits", "b.fits")
    frames = [tmp_path / name for name in ("a.fits", "b.fits", "broken.fits")]
    (tmp_path / "broken.fits").symlink_to(tmp_path / "gone")
    seen = [fingerprint(frames)]
    assert fingerprint(frames) == seen[0]

    def changed() -> bool:
        seen.append(fingerprint(frames))
        return seen[-1] not in seen[:-1]

    (tmp_path / "a.fits").write_text("longer than before")
    assert changed()
    os.utime(tmp_path / "b.fits", ns=(0, 10**18))
    assert changed(), "a file out of a backup, older and of the same size"
    (tmp_path / "gone").write_text("there again")
    assert changed()
    (tmp_path / "a.fits").unlink()
    assert changed()


def test_a_small_file_is_known_by_its_content_whatever_its_date(tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    assert known_by_content(path) == []
    path.write_text("frame\tlabel\n")
    before = known_by_content(path)
    assert before[0] == str(path)
    os.utime(path, (0, 4e9))
    assert known_by_content(path) == before
    path.write_text("frame\tlabe1\n")
    assert known_by_content(path) != before
    path.unlink()
    path.mkdir()
    assert known_by_content(path) == [str(path), "IsADirectoryError"]


@pytest.mark.parametrize(
    ("frames", "most", "size"),
    [(1, 256, 32), (128, 256, 32), (129, 256, 64), (500, 256, 128), (2000, 256, 256), (9000, 256, 256), (500, 7, 7)],
)
def test_a_job_takes_a_quarter_of_its_night(frames: int, most: int, size: int) -> None:
    assert plan.frames_per_chunk(frames, most) == size


@given(st.integers(0, 900), st.integers(1, 50))
def test_chunks_hold_every_frame_once_in_order(number: int, size: int) -> None:
    frames = [ListedFrame(f"{index:04d}.fits", Path(f"/n/{index:04d}.fits")) for index in range(number)]
    cut = chunks(frames, size)
    size = plan.frames_per_chunk(number, size)
    assert [frame for chunk in cut.values() for frame in chunk] == frames
    assert list(cut) == sorted(cut) == [f"{index:04d}" for index in range(len(cut))]
    assert all(len(chunk) == size for chunk in list(cut.values())[:-1])
    assert all(0 < len(chunk) <= size for chunk in cut.values())


def test_planning_imports_nothing_heavy() -> None:
    # It happens each time that the workflow is parsed, on every node.
    heavy = ("numpy", "astropy", "cv2", "sep", "torch")
    code = f"import sys, nebulift.stages.plan; sys.exit(any(name in sys.modules for name in {heavy}))"
    scripts = Path(plan.__file__).parents[2]
    finished = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(scripts)}, check=False)
    assert finished.returncode == 0


def test_only_the_frames_that_a_file_names_are_taken(tmp_path: Path) -> None:
    for name in ("a.fits", "b.fits", "c.fits"):
        (tmp_path / name).touch()
    names = tmp_path / "names.txt"
    night = {"path": str(tmp_path), "pattern": "*", "recursive": True, "frames_file": str(names)}
    with pytest.raises(ConfigError, match=r"nights: n: frames_file: .*names.txt: no such file"):
        plan.plan_night("n", night, tmp_path / "sorted", [])
    names.write_text("c.fits\na.fits\ngone.fits\n", encoding="utf-8")
    assert [frame.name for frame in plan.plan_night("n", night, tmp_path / "sorted", [])] == ["a.fits", "c.fits"]
