"""The journal of a sorted night: one step a line, whatever frames are called and whenever the power fails."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nebulift.sorting.journal import Entry, Journal, JournalError, is_double, moved_frames

# Whatever a file can be called, with folders above it.
ANY_NAME = (
    st.binary(min_size=1, max_size=20)
    .filter(lambda name: b"\0" not in name and name.strip(b"/."))
    .map(lambda name: os.fsdecode(name.strip(b"/")))
)
ODD_NAMES = [
    "tab\t.fits",
    "line\nline.fits",
    "return\r.fits",
    "back\\n.fits",
    "\\",
    "é.fits",
    "\udcff.fits",
    "#a",
    '"q"',
]


def entry(name: str = "a.fits", action: str = "link", folder: str = "/sorted/clean") -> Entry:
    return Entry(action, name, Path("/raw") / name, Path(folder) / name, 5, 1725910000123456789)


@given(st.lists(ANY_NAME, min_size=1, max_size=4))
@example(ODD_NAMES)
@settings(max_examples=40)
def test_what_is_written_is_read(names: list[str]) -> None:
    entries = [
        entry(name, action) for name, action in zip(names, ["link", "copy", "move", "restore"] * 5, strict=False)
    ]
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "night")
        for one in entries:
            journal.write(one)
        assert Journal(Path(folder) / "night").entries() == entries
        assert journal.path.read_bytes().count(b"\n") == len(entries) + 1


def test_without_a_journal_nothing_was_done(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.entries() == []
    assert journal.placed() == {}
    assert journal.lost() == []
    assert not journal.path.exists()


def test_a_step_is_on_the_disk_when_writing_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk: list[bytes] = []
    journal = Journal(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: on_disk.append(journal.path.read_bytes()))
    journal.write(entry())
    journal.write(entry("b.fits"))
    assert [content.count(b"\n") for content in on_disk] == [2, 3]


def test_earlier_lines_are_never_rewritten(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(entry())
    first, number = journal.path.read_bytes(), journal.path.stat().st_ino
    journal.write(entry("b.fits"))
    assert journal.path.read_bytes().startswith(first)
    assert journal.path.stat().st_ino == number


def test_a_line_that_a_crash_cut_off_was_not_acted_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(entry("é\n.fits"))
    whole = journal.path.read_bytes()
    journal.write(entry("b" * 5000 + "é.fits"))
    with_second = journal.path.read_bytes()
    for size in [*range(len(whole) + 1), *range(len(whole) + 1, len(with_second), 97)]:
        journal.path.write_bytes(with_second[:size])
        expected = with_second[:size].count(b"\n") - 1
        assert len(journal.entries()) == max(expected, 0), size
        journal.write(entry("c.fits"))
        assert [one.frame for one in journal.entries()][-1] == "c.fits", size
        assert len(journal.entries()) == max(expected, 0) + 1, size
        assert journal.path.read_bytes().count(b"action") == 1, size


@pytest.mark.parametrize(
    "content", ["date\tevent\n2024\tx\n", "my notes", "action\tframe\n", "\n", "action\tframe\tsourceX"]
)
def test_a_file_that_is_no_journal_is_neither_used_nor_changed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "journal.tsv"
    path.write_text(content)
    with pytest.raises(JournalError, match=r"journal\.tsv"):
        Journal(tmp_path).entries()
    assert path.read_text() == content


@pytest.mark.parametrize(
    "line", ["link\ta.fits", "link\ta\tb\tc\tx\ty", "burn\ta\tb\tc\t0\t0", "", "link\ta\tb\tc\t0\t0\t0"]
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    journal = Journal(tmp_path)
    journal.write(entry())
    journal.path.write_text(journal.path.read_text() + line + "\n")
    with pytest.raises(JournalError, match="line 3"):
        journal.entries()


class Night:
    """Places on the disk and the journal that tells of them."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.sorted = folder / "raw", folder / "sorted"
        for place in (self.raw, self.sorted / "clean", self.sorted / "review"):
            place.mkdir(parents=True)
        self.journal = Journal(self.sorted)

    def write(self, action: str, frame: str = "a.fits", folder: str = "clean", name: str = "") -> Path:
        destination = self.sorted / folder / (name or frame)
        source = self.raw / frame
        numbers = (source.stat().st_size, source.stat().st_mtime_ns) if source.is_file() else (0, 0)
        self.journal.write(Entry(action, frame, source, destination, *numbers))
        return destination

    def placed(self) -> dict[str, Path]:
        return {frame: one.destination for frame, one in self.journal.placed().items()}


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def copied(source: Path, destination: Path) -> None:
    destination.write_bytes(source.read_bytes())
    os.utime(destination, ns=(0, source.stat().st_mtime_ns))


def test_only_what_is_on_the_disk_is_placed(night: Night) -> None:
    (night.raw / "a.fits").write_text("a")
    place = night.write("link")
    assert night.placed() == {}
    place.symlink_to(night.raw / "a.fits")
    assert night.placed() == {"a.fits": place}
    night.write("restore")
    assert night.placed() == {"a.fits": place}, "a crash came before the link was removed"
    place.unlink()
    assert night.placed() == {}


@pytest.mark.parametrize("other", ["file", "link"])
def test_what_somebody_put_in_the_place_of_a_link_is_not_ours(night: Night, other: str) -> None:
    (night.raw / "a.fits").write_text("a")
    place = night.write("link")
    if other == "file":
        place.write_text("mine")
    else:
        place.symlink_to(night.raw / "b.fits")
    assert night.placed() == {}


def test_what_somebody_put_in_the_place_of_a_copy_is_not_ours(night: Night) -> None:
    source = night.raw / "a.fits"
    source.write_text("a")
    place = night.write("copy")
    copied(source, place)
    assert night.placed() == {"a.fits": place}
    night.write("restore")
    assert night.placed() == {"a.fits": place}
    place.write_text("mine, and longer")
    assert night.placed() == {}


def test_a_copy_that_was_changed_is_still_the_copy(night: Night) -> None:
    (night.raw / "a.fits").write_text("a")
    place = night.write("copy")
    place.write_text("a with a solved plate")
    assert night.placed() == {"a.fits": place}


def test_a_move_back_that_was_done_leaves_nothing(night: Night) -> None:
    place = night.write("move")
    place.write_text("a")
    night.write("restore")
    assert night.placed() == {"a.fits": place}, "a crash came before it was moved back"
    (night.raw / "a.fits").write_text("a")
    assert night.placed() == {"a.fits": place}, "a crash came between copying and removing"
    place.write_text("mine")
    assert night.placed() == {}, "moved back, and then somebody put a file there"


def test_a_place_that_another_frame_got_is_no_longer_that_of_the_first(night: Night) -> None:
    place = night.write("move", "a.fits", name="a (2).fits")
    night.write("restore", "a.fits", name="a (2).fits")
    assert night.write("move", "a (2).fits") == place
    place.write_text("the second")
    assert night.placed() == {"a (2).fits": place}


def test_a_change_of_folder_that_was_cut_short_leaves_the_frame_where_it_was(night: Night) -> None:
    first = night.write("move", folder="clean")
    first.write_text("a")
    second = night.write("move", folder="review")
    assert night.placed() == {"a.fits": first}
    first.rename(second)
    assert night.placed() == {"a.fits": second}
    first.write_text("mine")
    assert night.placed() == {"a.fits": second}
    night.write("restore", folder="review")
    second.rename(night.raw / "a.fits")
    assert night.placed() == {}, "the file of somebody is not the frame"


def test_what_somebody_put_where_a_copy_had_been_before_is_not_ours(night: Night) -> None:
    source = night.raw / "a.fits"
    source.write_text("a")
    first = night.write("copy", folder="clean")
    copied(source, first)
    second = night.write("copy", folder="review")
    first.rename(second)
    second.unlink()
    first.write_text("mine, and longer")
    assert night.placed() == {}


def test_moved_frames_are_listed_where_they_lie(night: Night) -> None:
    for frame in ("a.fits", "b.fits", "c.fits"):
        night.write("move", frame).write_text(frame)
    night.write("restore", "b.fits").rename(night.raw / "b.fits")
    (night.raw / "d.fits").write_text("d")
    night.write("link", "d.fits").symlink_to(night.raw / "d.fits")
    (night.raw / "c.fits").write_text("new")
    assert dict(moved_frames(night.sorted)) == {"a.fits": night.sorted / "clean" / "a.fits"}


def test_lost_are_moved_frames_that_are_nowhere(night: Night) -> None:
    for frame in ("a.fits", "b.fits", "c.fits"):
        night.write("move", frame).write_text(frame)
    (night.sorted / "clean" / "a.fits").unlink()
    night.write("restore", "b.fits").rename(night.raw / "b.fits")
    (night.raw / "b.fits").unlink()
    assert [one.frame for one in night.journal.lost()] == ["a.fits"]
    (night.raw / "a.fits").write_text("again")
    assert night.journal.lost() == []


def test_doubles_are_files_of_the_same_bytes_in_two_places(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("same")
    other.write_text("same")
    assert is_double(one, other)
    assert not is_double(one, one)
    (tmp_path / "again").symlink_to(tmp_path)
    assert not is_double(one, tmp_path / "again" / "one"), "one place by two names"
    other.write_text("sane")
    assert not is_double(one, other)
    assert not is_double(one, tmp_path / "gone")


def test_doubles_of_links_lead_to_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "one").symlink_to("target")
    (tmp_path / "below" / "other").symlink_to("../target")
    assert is_double(tmp_path / "one", tmp_path / "below" / "other")
    (tmp_path / "target").write_text("x")
    assert not is_double(tmp_path / "one", tmp_path / "target"), "a link is no double of what it leads to"
