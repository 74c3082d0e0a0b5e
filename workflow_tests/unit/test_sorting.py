"""Sorting frames into folders: nothing overwritten, nothing lost, all of it undoable, whenever the power fails."""

import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebulift.sorting.journal import JOURNAL_NAME, Journal, JournalError, moved_frames
from nebulift.sorting.sort import Mode, Sorted, sort_frames, undo_sort
from nebulift.stages.sort import sort_night
from nebulift.tables import read_table, write_table

MODES: tuple[Mode, ...] = ("link", "copy", "move")
DECISIONS = ("clean", "contaminated", "review", "unreadable")
FRAMES = ("a.fits", "b.fits", "sub/a.fits")
ODD_NAMES = ("tab\t.fits", "line\nline.fits", "return\r.fits", "back\\n.fits", "é ü.fits", "\udcff.fits", "noending")


class Night:
    """A folder of raw frames, each with bytes and a time of its own, and the folder that they are sorted to."""

    def __init__(self, folder: Path, names: Sequence[str] = FRAMES) -> None:
        self.raw, self.sorted = folder / "raw", folder / "sorted" / "night"
        self.names = list(names)
        for number, name in enumerate(names):
            path = self.raw / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"frame {number}: {name!r}")
            os.utime(path, ns=(0, 1_725_900_000_000_000_000 + number * 1_000_000_007))
        self.before = contents(self.raw)

    def frames(self, *decisions: str) -> list[Sorted]:
        """Return the frames as the plan lists them: where they lie now. One decision stands for all frames."""
        moved = dict(moved_frames(self.sorted))
        chosen = decisions if len(decisions) == len(self.names) else decisions * len(self.names)
        return [
            Sorted(name, moved.get(name, self.raw / name), decision)
            for name, decision in zip(self.names, chosen, strict=True)
        ]

    def sort(self, mode: Mode, *decisions: str) -> list[Path | None]:
        return sort_frames(self.frames(*decisions), self.sorted, mode)

    def check(self, mode: Mode, *decisions: str, foreign: Sequence[str] = ()) -> None:
        """Check that every frame lies where it should, as it should, and that nothing else is anywhere."""
        wanted = {f"{frame.decision}/{frame.frame}": frame.frame for frame in self.frames(*decisions)}
        here = contents(self.sorted)
        assert here.pop(JOURNAL_NAME, None)
        assert set(here) == {*wanted, *foreign}
        for place, frame in wanted.items():
            assert here[place] == self.before[frame], place
            assert (self.sorted / place).is_symlink() == (mode == "link")
        assert contents(self.raw) == ({} if mode == "move" else self.before)
        assert not torn(self)

    def check_undone(self, foreign: Sequence[str] = ()) -> None:
        assert contents(self.raw) == self.before
        assert set(contents(self.sorted)) == {JOURNAL_NAME, *foreign}
        assert not [path for path in self.sorted.iterdir() if path.is_dir() and not any(path.rglob("*"))]
        assert not torn(self)

    def whole_frames(self) -> dict[str, int]:
        """Return in how many places each frame is a whole file, under whatever name."""
        files = [path for path in self.raw.parent.rglob("*") if path.is_file() and not path.is_symlink()]
        texts = [path.read_bytes() for path in files if not path.name.startswith(".")]
        return {name: texts.count(content) for name, (content, _) in self.before.items()}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and time of every file below a folder, hidden ones and links to files included."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns if path.name != JOURNAL_NAME else 0)
        for path in folder.rglob("*")
        if path.is_file()
    }


def torn(night: Night) -> list[Path]:
    return [path for path in night.raw.parent.rglob("*") if path.name.startswith(".")]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    chosen: Mode = request.param
    return chosen


@contextmanager
def other_file_system() -> Iterator[None]:
    """Let the folder of sorted frames seem to be on another file system."""
    rename = os.rename

    def across(source: Any, destination: Any) -> None:
        if ("/sorted/" in os.fspath(source)) != ("/sorted/" in os.fspath(destination)):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(destination))
        rename(source, destination)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", across)
        yield


@contextmanager
def same_file_system() -> Iterator[None]:
    yield


# Sorting


def test_frames_are_sorted_into_the_folders_of_their_decisions(night: Night, mode: Mode) -> None:
    places = night.sort(mode, "clean", "review", "contaminated")
    assert places == [
        night.sorted / "clean/a.fits",
        night.sorted / "review/b.fits",
        night.sorted / "contaminated/sub/a.fits",
    ]
    night.check(mode, "clean", "review", "contaminated")


def test_frames_of_one_name_in_sub_folders_are_kept_apart(night: Night, mode: Mode) -> None:
    night.sort(mode, "clean")
    assert (night.sorted / "clean/a.fits").read_bytes() != (night.sorted / "clean/sub/a.fits").read_bytes()
    night.check(mode, "clean")


def test_sorting_again_changes_nothing(night: Night, mode: Mode) -> None:
    night.sort(mode, "clean", "review", "clean")
    journal = (night.sorted / JOURNAL_NAME).read_bytes()
    inodes = {path: path.lstat().st_ino for path in night.sorted.rglob("*")}
    places = night.sort(mode, "clean", "review", "clean")
    assert (night.sorted / JOURNAL_NAME).read_bytes() == journal
    assert {path: path.lstat().st_ino for path in night.sorted.rglob("*")} == inodes
    assert places == [night.sorted / place for place in ("clean/a.fits", "review/b.fits", "clean/sub/a.fits")]


def test_a_changed_decision_moves_the_frame_and_leaves_the_old_folder(night: Night, mode: Mode) -> None:
    night.sort(mode, "clean", "clean", "clean")
    night.sort(mode, "review", "clean", "contaminated")
    night.check(mode, "review", "clean", "contaminated")
    night.sort(mode, "clean", "clean", "clean")
    night.check(mode, "clean", "clean", "clean")


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(MODES, 2)))
def test_another_mode_takes_the_place_of_the_first(night: Night, first: Mode, second: Mode) -> None:
    night.sort(first, "clean")
    night.sort(second, "clean", "review", "clean")
    night.check(second, "clean", "review", "clean")
    undo_sort(night.sorted)
    night.check_undone()


def test_frames_that_no_longer_belong_are_taken_out(night: Night, mode: Mode) -> None:
    night.sort(mode, "clean")
    kept = night.frames("clean")[:1]
    sort_frames(kept, night.sorted, mode)
    assert set(contents(night.sorted)) == {JOURNAL_NAME, "clean/a.fits"}
    assert set(contents(night.raw)) == {"b.fits", "sub/a.fits"} | (set() if mode == "move" else {"a.fits"})


def test_frames_added_later_join(night: Night, mode: Mode) -> None:
    sort_frames(night.frames("clean")[1:], night.sorted, mode)
    night.sort(mode, "clean")
    night.check(mode, "clean")


def test_undoing_restores_everything(night: Night, mode: Mode) -> None:
    night.sort(mode, "clean", "review", "contaminated")
    restored = undo_sort(night.sorted)
    night.check_undone()
    assert restored == ([night.raw / name for name in FRAMES] if mode == "move" else [])
    assert undo_sort(night.sorted) == []
    night.check_undone()


def test_undoing_makes_folders_again_that_are_gone(night: Night) -> None:
    night.sort("move", "clean")
    shutil.rmtree(night.raw)
    undo_sort(night.sorted)
    night.check_undone()


def test_undoing_without_a_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    with pytest.raises(FileNotFoundError, match=r"journal\.tsv: no such journal; name the folder of one sorted night"):
        undo_sort(tmp_path)
    assert (tmp_path / "clean").is_dir()


def test_relative_folders_are_those_of_the_moment(night: Night, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(night.raw.parent)
    frames = [Sorted(name, Path("raw") / name, "clean") for name in FRAMES]
    sort_frames(frames, Path("sorted/night"), mode)
    monkeypatch.chdir("/")
    night.check(mode, "clean")
    monkeypatch.chdir(night.sorted.parent)
    undo_sort(Path("night"))
    night.check_undone()


# Nothing is overwritten


@pytest.mark.parametrize("foreign", ["file", "broken link", "folder"])
def test_a_name_that_is_taken_is_never_overwritten(night: Night, mode: Mode, foreign: str) -> None:
    taken = night.sorted / "clean" / "a.fits"
    taken.parent.mkdir(parents=True)
    if foreign == "file":
        taken.write_text("mine")
    elif foreign == "folder":
        taken.mkdir()
        (taken / "mine").write_text("mine")
    else:
        taken.symlink_to("nowhere")
    assert night.sort(mode, "clean")[0] == night.sorted / "clean" / "a (2).fits"
    assert (night.sorted / "clean" / "a (2).fits").read_bytes() == night.before["a.fits"][0]
    assert night.sort(mode, "clean")[0] == night.sorted / "clean" / "a (2).fits"
    undo_sort(night.sorted)
    assert contents(night.raw) == night.before
    if foreign == "broken link":
        assert taken.readlink() == Path("nowhere")
    else:
        assert (taken / "mine" if foreign == "folder" else taken).read_text() == "mine"


def test_the_longest_names_find_a_free_place(tmp_path: Path, mode: Mode) -> None:
    name = "é" * 125 + ".fits"  # 255 bytes
    night = Night(tmp_path, [name])
    taken = night.sorted / "clean" / name
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")
    (place,) = night.sort(mode, "clean")
    assert place is not None
    assert place.name.endswith(" (2).fits")
    assert place.read_bytes() == night.before[name][0]
    undo_sort(night.sorted)
    night.check_undone(foreign=[f"clean/{name}"])


@pytest.mark.parametrize("later", ["undo", "other decision", "other mode"])
def test_what_somebody_put_among_the_frames_stays(night: Night, mode: Mode, later: str) -> None:
    night.sort(mode, "clean")
    (night.sorted / "clean" / "stacked.fits").write_text("mine")
    (night.sorted / "notes.txt").write_text("mine")
    if later == "undo":
        undo_sort(night.sorted)
        night.check_undone(foreign=["clean/stacked.fits", "notes.txt"])
    else:
        chosen = mode if later == "other decision" else MODES[MODES.index(mode) - 1]
        night.sort(chosen, "review")
        night.check(chosen, "review", foreign=["clean/stacked.fits", "notes.txt"])
    assert (night.sorted / "clean" / "stacked.fits").read_text() == "mine"


def test_what_takes_the_place_of_a_frame_that_was_taken_out_stays(night: Night, mode: Mode) -> None:
    night.sort(mode, "clean")
    night.sort(mode, "review")
    (night.sorted / "clean").mkdir()
    (night.sorted / "clean" / "a.fits").write_text("mine")
    night.sort(mode, "review")
    night.check(mode, "review", foreign=["clean/a.fits"])
    undo_sort(night.sorted)
    night.check_undone(foreign=["clean/a.fits"])
    assert (night.sorted / "clean" / "a.fits").read_text() == "mine"


def test_what_takes_the_place_of_a_link_stays(night: Night) -> None:
    night.sort("link", "clean")
    place = night.sorted / "clean" / "a.fits"
    place.unlink()
    place.write_text("mine")
    assert night.sort("link", "clean")[0] == night.sorted / "clean" / "a (2).fits"
    undo_sort(night.sorted)
    night.check_undone(foreign=["clean/a.fits"])


def test_a_new_frame_in_the_place_of_a_moved_one_stops_the_move_back(night: Night) -> None:
    night.sort("move", "clean")
    (night.raw / "b.fits").write_text("new")
    for act in (lambda: undo_sort(night.sorted), lambda: night.sort("move", "clean")):
        with pytest.raises(FileExistsError, match=r"raw/b\.fits: a new file lies where .*clean/b\.fits was moved from"):
            act()
        assert (night.raw / "b.fits").read_text() == "new"
        assert (night.sorted / "clean" / "b.fits").read_bytes() == night.before["b.fits"][0]
    (night.raw / "b.fits").unlink()
    undo_sort(night.sorted)
    night.check_undone()


def test_a_file_that_is_called_like_the_journal_is_not_written_to(night: Night, mode: Mode) -> None:
    night.sorted.mkdir(parents=True)
    (night.sorted / JOURNAL_NAME).write_text("mine")
    with pytest.raises(JournalError, match=r"journal\.tsv: not a journal"):
        night.sort(mode, "clean")
    assert (night.sorted / JOURNAL_NAME).read_text() == "mine"
    assert contents(night.raw) == night.before


# Frames and files that change between


def test_a_frame_that_has_vanished_is_left_out_and_named(
    night: Night, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    frames = night.frames("clean")
    (night.raw / "a.fits").unlink()
    places = sort_frames(frames, night.sorted, mode)
    assert places == [None, night.sorted / "clean" / "b.fits", night.sorted / "clean" / "sub" / "a.fits"]
    assert str(night.raw / "a.fits") in caplog.text
    assert set(contents(night.sorted)) == {JOURNAL_NAME, "clean/b.fits", "clean/sub/a.fits"}


def test_a_broken_link_is_sorted_as_such_and_never_stops_the_others(
    night: Night, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    night.names.append("broken.fits")
    (night.raw / "broken.fits").symlink_to("/nowhere/broken.fits")
    places = night.sort(mode, "clean", "clean", "clean", "unreadable")
    assert None not in places[:3]
    place = night.sorted / "unreadable" / "broken.fits"
    assert places[3] == (None if mode == "copy" else place)
    assert place.is_symlink() == (mode != "copy")
    assert ("broken.fits: cannot be read" in caplog.text) == (mode == "copy")
    undo_sort(night.sorted)
    night.check_undone()
    assert (night.raw / "broken.fits").readlink() == Path("/nowhere/broken.fits")


def test_the_copy_of_a_frame_that_is_gone_is_kept(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    night.sort("copy", "clean")
    frames = night.frames("review")
    (night.raw / "a.fits").unlink()
    places = sort_frames(frames, night.sorted, "copy")
    assert places[0] == night.sorted / "review" / "a.fits"
    assert places[0].read_bytes() == night.before["a.fits"][0]
    sort_frames(frames[1:], night.sorted, "copy")
    undo_sort(night.sorted)
    assert places[0].read_bytes() == night.before["a.fits"][0]
    assert "a.fits" in caplog.text


def test_a_frame_that_changed_is_copied_again(night: Night) -> None:
    night.sort("copy", "clean")
    (night.raw / "a.fits").write_text("written anew")
    # Older than the copy, as a file out of a backup is.
    os.utime(night.raw / "a.fits", ns=(0, 10**18))
    night.before = contents(night.raw)
    night.sort("copy", "clean")
    night.check("copy", "clean")


def test_a_copy_that_somebody_changed_is_kept(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    night.sort("copy", "clean")
    changed = night.sorted / "clean" / "a.fits"
    changed.write_text("with a solved plate")
    night.sort("copy", "clean")
    assert changed.read_text() == "with a solved plate"
    night.sort("copy", "review")
    changed = night.sorted / "review" / "a.fits"
    assert changed.read_text() == "with a solved plate"
    undo_sort(night.sorted)
    night.check_undone(foreign=["review/a.fits"])
    assert f"{changed}: stays" in caplog.text


def test_a_moved_frame_that_is_nowhere_is_named(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    night.sort("move", "clean")
    (night.sorted / "clean" / "a.fits").unlink()
    assert undo_sort(night.sorted) == [night.raw / "b.fits", night.raw / "sub/a.fits"]
    assert f"{night.sorted / 'clean' / 'a.fits'}: not found" in caplog.text


def test_a_moved_frame_is_found_by_the_path_that_an_older_list_has(night: Night) -> None:
    before = night.frames("clean")
    night.sort("move", "clean")
    after = night.frames("review")
    sort_frames(before, night.sorted, "move")
    night.check("move", "clean")
    undo_sort(night.sorted)
    sort_frames(after, night.sorted, "move")
    night.check("move", "review")


def test_raw_frames_are_only_read_by_links_and_copies(night: Night) -> None:
    folders = [night.raw, night.raw / "sub"]
    before = [folder.stat().st_mtime_ns for folder in folders]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for mode in ("link", "copy"):
            night.sort(mode, "clean")
            night.check(mode, "clean")
        undo_sort(night.sorted)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    night.check_undone()
    assert [folder.stat().st_mtime_ns for folder in folders] == before, "something was written beside the frames"


def test_a_folder_that_frames_cannot_leave_is_an_error_and_loses_nothing(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(source: Any, destination: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(source), None, str(destination))

    monkeypatch.setattr(os, "rename", forbidden)
    with pytest.raises(PermissionError, match=r"raw/a\.fits"):
        night.sort("move", "clean")
    monkeypatch.undo()
    assert contents(night.raw) == night.before
    night.sort("move", "clean")
    night.check("move", "clean")


def test_where_no_links_can_be_made_it_is_said_what_to_do(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", unsupported)
    with pytest.raises(OSError, match=r"no links can be made here; set sort: mode: copy.*clean/a\.fits"):
        night.sort("link", "clean")


def test_names_with_anything_in_them(tmp_path: Path, mode: Mode) -> None:
    night = Night(tmp_path, ODD_NAMES)
    night.sort(mode, "clean")
    night.check(mode, "clean")
    night.sort(mode, *itertools.islice(itertools.cycle(DECISIONS), len(ODD_NAMES)))
    night.check(mode, *itertools.islice(itertools.cycle(DECISIONS), len(ODD_NAMES)))
    undo_sort(night.sorted)
    night.check_undone()


# Other file systems


def test_moving_to_another_file_system(night: Night) -> None:
    (night.raw / "a.fits").chmod(0o440)
    with other_file_system():
        night.sort("move", "clean", "review", "clean")
        night.check("move", "clean", "review", "clean")
        night.sort("move", "review", "review", "clean")
        night.check("move", "review", "review", "clean")
        assert (night.sorted / "review" / "a.fits").stat().st_mode & 0o777 == 0o440
        undo_sort(night.sorted)
    night.check_undone()
    assert (night.raw / "a.fits").stat().st_mode & 0o777 == 0o440


def test_a_copy_that_fails_half_way_keeps_the_frame(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, destination: Path) -> None:
        Path(destination).write_bytes(Path(source).read_bytes()[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    for mode in ("move", "copy"):
        with other_file_system(), pytest.raises(OSError, match="No space left"):
            night.sort(mode, "clean")
        assert contents(night.raw) == night.before
        assert set(contents(night.sorted)) == {JOURNAL_NAME}


@pytest.mark.parametrize("target", ["relative", "absolute"])
def test_frames_that_are_links_themselves_lead_where_they_led(night: Night, mode: Mode, target: str) -> None:
    pool = night.raw.parent / "pool"
    pool.mkdir()
    (pool / "l.fits").write_text("in the pool")
    link = night.raw / "sub" / "l.fits"
    link.symlink_to("../../pool/l.fits" if target == "relative" else pool / "l.fits")
    night.names.append("sub/l.fits")
    before = link.readlink()
    for context in (same_file_system, other_file_system):
        with context():
            places = night.sort(mode, "clean")
            assert places[3] == night.sorted / "clean" / "sub" / "l.fits"
            assert places[3].read_text() == "in the pool"
            night.sort(mode, "review")
            assert (night.sorted / "review" / "sub" / "l.fits").read_text() == "in the pool"
            undo_sort(night.sorted)
        assert link.readlink() == before
        assert link.read_text() == "in the pool"


# Any sequence of runs


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(MODES), st.lists(st.sampled_from(DECISIONS), min_size=3, max_size=3), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    st.sets(st.sampled_from([f"{decision}/{name}" for decision in DECISIONS for name in FRAMES]), max_size=3),
)
def test_undoing_restores_everything_after_any_sequence_of_runs(
    runs: list[tuple[Mode, list[str], bool]], foreign: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        night = Night(Path(folder))
        for name in foreign:
            (night.sorted / name).parent.mkdir(parents=True, exist_ok=True)
            (night.sorted / name).write_text(f"mine: {name}")
        for mode, decisions, elsewhere in runs:
            with other_file_system() if elsewhere else same_file_system():
                places = night.sort(mode, *decisions)
            for place, name, decision in zip(places, FRAMES, decisions, strict=True):
                assert place is not None
                assert place.relative_to(night.sorted).parts[0] == decision
                assert place.read_bytes() == night.before[name][0]
            assert len(contents(night.sorted)) == 1 + len(FRAMES) + len(foreign)
            assert contents(night.raw) == ({} if mode == "move" else night.before)
        undo_sort(night.sorted)
        night.check_undone(foreign=sorted(foreign))
        assert all((night.sorted / name).read_text() == f"mine: {name}" for name in foreign)


# A crash at any moment


class Killed(BaseException):
    """The power failed."""


_CALLS_OF_OS = ("rename", "replace", "symlink", "unlink", "mkdir", "rmdir", "open", "utime", "chmod", "fsync")
CALLS = [*((os, name) for name in _CALLS_OF_OS), (shutil, "copyfile"), (shutil, "copystat")]


@contextmanager
def killed_at(moment: int) -> Iterator[list[int]]:
    """Let the program die before its call number `moment` to the file system: nothing after it is done any more."""
    calls = [0]

    def dying(module: Any, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == moment:
                if name == "copyfile":
                    content = Path(arguments[0]).read_bytes()
                    Path(arguments[1]).write_bytes(content[: len(content) // 2])
                if name == "fsync":
                    _tear_last_line(arguments[0])
            if calls[0] >= moment:
                raise Killed
            return real(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for module, name in CALLS:
            patch.setattr(module, name, dying(module, name, getattr(module, name)))
        yield calls


def _tear_last_line(number: int) -> None:
    """Cut off half of the last line of a journal that was not yet on the disk."""
    path = Path(f"/proc/self/fd/{number}").resolve()
    if path.name == JOURNAL_NAME:
        content = path.read_bytes()
        last = content.rstrip(b"\n").rfind(b"\n") + 1
        path.write_bytes(content[: (last + len(content)) // 2])


def runs(first: Sequence[Mode | None], second: Sequence[Mode | None]) -> list[tuple[Any, ...]]:
    """Return each pair of runs on one file system, and on two where anything is moved."""
    pairs = list(itertools.product(first, second))
    return [(*pair, same_file_system) for pair in pairs] + [
        (*pair, other_file_system) for pair in pairs if "move" in pair
    ]


# Fewer frames than elsewhere: there are hundreds of moments.
FEW = ("a.fits", "sub/a.fits")


def crashed(folder: Path, first: Mode | None, act: Callable[[Night], object], moment: int) -> tuple[Night, bool]:
    """Return a night on which the program died while it did something, and whether it was done before that."""
    night = Night(folder / str(moment), FEW)
    if first is not None:
        night.sort(first, "clean", "review")
    try:
        with killed_at(moment):
            act(night)
            return night, True
    except Killed:
        return night, False


@pytest.mark.parametrize(("first", "second", "file_system"), runs([None, *MODES], MODES))
def test_killed_at_any_moment_no_frame_is_lost_and_the_next_run_puts_all_right(
    tmp_path: Path, first: Mode | None, second: Mode, file_system: Callable[[], Any]
) -> None:
    listed: list[Sorted] = []

    def act(night: Night) -> None:
        listed[:] = night.frames("review", "contaminated")
        night.sort(second, "review", "contaminated")

    with file_system():
        for moment in itertools.count(1):
            night, done = crashed(tmp_path, first, act, moment)
            assert all(places >= 1 for places in night.whole_frames().values()), moment
            # The next run has the list of before the crash, or a new one.
            frames = listed if moment % 2 else night.frames("review", "contaminated")
            sort_frames(frames, night.sorted, second)
            night.check(second, "review", "contaminated")
            undo_sort(night.sorted)
            night.check_undone()
            if done:
                break
    assert moment > 5


@pytest.mark.parametrize(("first", "second", "file_system"), runs(MODES, [*MODES, None]))
def test_killed_at_any_moment_everything_can_be_undone(
    tmp_path: Path, first: Mode, second: Mode | None, file_system: Callable[[], Any]
) -> None:
    def act(night: Night) -> object:
        return undo_sort(night.sorted) if second is None else night.sort(second, "review", "contaminated")

    with file_system():
        for moment in itertools.count(1):
            night, done = crashed(tmp_path, first, act, moment)
            assert all(places >= 1 for places in night.whole_frames().values()), moment
            undo_sort(night.sorted)
            night.check_undone()
            if done:
                break
    assert moment > 5


# The stage


def predictions(folder: Path, frames: Sequence[Sorted]) -> Path:
    path = folder / "predictions.tsv"
    rows = (
        {"night": "n", "frame": frame.frame, "path": str(frame.path), "decision": frame.decision, "decided_by": "cv"}
        for frame in frames
    )
    write_table(path, "predictions", rows)
    return path


def test_the_table_tells_where_each_frame_went(night: Night, mode: Mode, tmp_path: Path) -> None:
    frames = night.frames("clean", "review", "clean")
    sort_night(predictions(tmp_path, frames), night.sorted, mode, tmp_path / "sorted.tsv")
    night.check(mode, "clean", "review", "clean")
    rows = read_table(tmp_path / "sorted.tsv", "sorted")
    assert [(row["frame"], row["decision"]) for row in rows] == [
        ("a.fits", "clean"),
        ("b.fits", "review"),
        ("sub/a.fits", "clean"),
    ]
    for row in rows:
        assert row["sorted_path"] == str(night.sorted / row["decision"] / row["frame"])
        assert Path(row["sorted_path"]).read_bytes() == night.before[row["frame"]][0]


def test_a_frame_that_was_not_sorted_has_no_place_in_the_table(
    night: Night, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    frames = night.frames("clean", "review", "clean")
    (night.raw / "a.fits").unlink()
    sort_night(predictions(tmp_path, frames), night.sorted, "link", tmp_path / "sorted.tsv")
    rows = read_table(tmp_path / "sorted.tsv", "sorted")
    assert [bool(row["sorted_path"]) for row in rows] == [False, True, True]
    assert "night: 1 clean, 1 not sorted, 1 review" in caplog.text


def test_moved_frames_are_listed_from_where_they_are_until_undone(night: Night) -> None:
    night.sort("move", "clean", "review", "clean")
    assert dict(moved_frames(night.sorted)) == {
        "a.fits": night.sorted / "clean/a.fits",
        "b.fits": night.sorted / "review/b.fits",
        "sub/a.fits": night.sorted / "clean/sub/a.fits",
    }
    undo_sort(night.sorted)
    assert not dict(moved_frames(night.sorted))
    assert len(Journal(night.sorted).entries()) == 6
