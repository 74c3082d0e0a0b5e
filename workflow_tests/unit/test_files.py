"""Files are replaced whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from nebulift.files import read_exactly, replacing, write_text


def test_new_content_stands_under_the_name_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "table.tsv"
    write_text(path, "one\n")
    write_text(path, "two\n")
    assert path.read_text() == "two\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("old\n")
    with pytest.raises(type(error)), replacing(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old\n"
        raise error
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_a_failure_of_the_file_system_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("old\n")

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/table\.tsv'"):
        write_text(path, "new\n")
    monkeypatch.undo()
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "table.tsv", "")
        assert os.umask(mask) == mask, "the umask is left as it was"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "table.tsv").stat().st_mode) == mode


def test_the_temporary_file_is_hidden_and_in_the_same_folder_with_the_same_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "model.onnx") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".onnx"
        temporary.write_bytes(b"")


def test_names_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + "." + "x" * 14)  # 255 bytes
    write_text(path, "text")
    assert path.read_text() == "text"


def test_line_ends_and_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    path = tmp_path / "text"
    content = b"a\r\nb\rc\n\xff\xc3\xa9"
    path.write_bytes(content)
    write_text(path, read_exactly(path))
    assert path.read_bytes() == content
