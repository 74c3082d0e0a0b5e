"""Listing the frames of a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nebulift.frames.listing import list_frames


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(folder: Path, pattern: str = "*", recursive: bool = True) -> list[str]:
    return [frame.name for frame in list_frames(folder, pattern, recursive)]


def test_suffixes_in_any_case(tmp_path: Path) -> None:
    frames = [
        *("a.fits", "b.FIT", "c.Fts", "d.fits.fz", "e.fit.gz", "f.FTS.FZ", "g.fz", "h.tif", "i.TIFF", "j.png"),
        *("k.jpg", "l.JPEG"),
    ]
    touch(tmp_path, *frames, "notes.txt", "fits", "m.fits.tmp", "n.fits~", "o.gz", "p.xisf.json")
    assert names(tmp_path) == frames


def test_sorted_by_name_across_folders_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "b.fits", "a/z.fits", "a/B/c.fits", "B.fits", "a.fits", "a10.fits", "a9.fits")
    monkeypatch.chdir(tmp_path)
    frames = list_frames(Path())
    expected = ["B.fits", "a.fits", "a/B/c.fits", "a/z.fits", "a10.fits", "a9.fits", "b.fits"]
    assert [frame.name for frame in frames] == expected
    assert [frame.path for frame in frames] == [tmp_path / name for name in expected]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden.fits", "._a.fits", ".trash/a.fits", "seen/.b.fits", "seen/c.fits")
    assert names(tmp_path) == ["seen/c.fits"]


def test_a_hidden_folder_can_be_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, ".night/a.fits")
    assert names(tmp_path / ".night") == ["a.fits"]


def test_pattern_is_matched_against_the_file_name(tmp_path: Path) -> None:
    touch(tmp_path, "Light_1.fits", "sub/LIGHT_2.FIT", "dark_1.fits", "light/dark_2.fits", "light_notes.txt")
    assert names(tmp_path, "light_*") == ["Light_1.fits", "sub/LIGHT_2.FIT"]
    assert names(tmp_path, "*_[1].*") == ["Light_1.fits", "dark_1.fits"]


def test_not_recursive(tmp_path: Path) -> None:
    touch(tmp_path, "a.fits", "sub/b.fits", "folder.fits/c.fits")
    assert names(tmp_path, recursive=False) == ["a.fits"]
    assert names(tmp_path) == ["a.fits", "folder.fits/c.fits", "sub/b.fits"]


def test_links_to_files_and_broken_links_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a.fits")
    (tmp_path / "b.fits").symlink_to(tmp_path / "a.fits")
    (tmp_path / "c.fits").symlink_to(tmp_path / "gone.fits")
    (tmp_path / "d.fits").symlink_to(tmp_path / "d.fits")
    assert names(tmp_path) == ["a.fits", "b.fits", "c.fits", "d.fits"]


def test_linked_folders_are_listed_once_and_real_ones_under_their_own_name(tmp_path: Path) -> None:
    night = tmp_path / "nights"
    touch(night, "z_real/a.fits")
    touch(tmp_path / "elsewhere", "b.fits")
    (night / "a_link").symlink_to(night / "z_real")
    (night / "circle").symlink_to(night)
    (night / "parent").symlink_to(tmp_path)
    (night / "x_other").symlink_to(tmp_path / "elsewhere")
    assert names(night) == ["parent/elsewhere/b.fits", "z_real/a.fits"]
    assert names(night, recursive=False) == []


def test_the_folder_may_be_a_link(tmp_path: Path) -> None:
    touch(tmp_path / "real", "a.fits")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    [frame] = list_frames(tmp_path / "link")
    assert (frame.name, frame.path) == ("a.fits", tmp_path / "link" / "a.fits")


@pytest.mark.parametrize(
    "name",
    [
        "with space & ümlaut.fits",
        "WWCrA#30V_(1)'\"`$x.fits",
        "two\nlines.fits",
        "星雲.fits",
        "n" * 240 + ".fits",
        os.fsdecode(b"undecodable \xff\xfe.fits"),
    ],
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    [frame] = list_frames(tmp_path, "*.fits")
    assert frame.name == name
    assert frame.path.read_bytes() == b""


def test_what_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.fits")
    with pytest.raises(NotADirectoryError):
        list_frames(tmp_path / "a.fits")
    with pytest.raises(FileNotFoundError):
        list_frames(tmp_path / "gone")


@pytest.mark.parametrize("locked", [".", "sub"])
def test_a_locked_folder_is_an_error_with_its_path(
    tmp_path: Path, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.fits", "sub/b.fits")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path) == tmp_path / locked:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PermissionError) as caught:
        list_frames(tmp_path)
    assert Path(caught.value.filename) == tmp_path / locked


def test_each_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f"{folder}/{number}.fits" for folder in "abc" for number in range(50)))
    scandir, read = os.scandir, []

    def counting(path: str) -> object:
        read.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    assert len(list_frames(tmp_path)) == 150
    assert len(read) == 4


def test_imports_only_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import nebulift.frames.listing\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - {'nebulift'}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    scripts = str(Path(sys.modules["nebulift.frames.listing"].__file__ or "").parents[2])
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": scripts},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"
