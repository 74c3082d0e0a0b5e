"""Reading files as an operating system hands them over, and the real frames of other people."""

import csv
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from nebulift.frames.frame import UnreadableFrame
from nebulift.frames.listing import list_frames
from nebulift.frames.reading import read_frame


def good_file(path: Path) -> Path:
    fits.PrimaryHDU(np.arange(400, dtype="u2").reshape(20, 20)).writeto(path)
    return path


def reason(path: Path) -> str:
    with pytest.raises(UnreadableFrame) as caught:
        read_frame(path)
    return str(caught.value)


def test_what_is_not_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    assert reason(tmp_path / "pipe.fits") == "not a regular file"
    assert reason(tmp_path) == "a folder, not a file"
    assert reason(Path("/dev/null")) == "not a regular file"


def test_links(tmp_path: Path) -> None:
    good = good_file(tmp_path / "good.fits")
    (tmp_path / "link.fits").symlink_to(good)
    (tmp_path / "broken.fits").symlink_to(tmp_path / "gone.fits")
    (tmp_path / "circle.fits").symlink_to(tmp_path / "circle.fits")
    assert read_frame(tmp_path / "link.fits").raw.shape == (20, 20)
    assert reason(tmp_path / "broken.fits") == "broken link: its target does not exist"
    assert reason(tmp_path / "circle.fits").startswith("cannot be read: ")


def test_a_file_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good_file(tmp_path / "frame.fits")
    opened = Path.open

    def vanish_and_open(self: Path, mode: str = "r") -> object:
        self.unlink()
        return opened(self, mode)

    monkeypatch.setattr(Path, "open", vanish_and_open)
    assert reason(path) == "vanished while being read"


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good_file(tmp_path / "frame.fits")

    def fail(self: Path, mode: str = "r") -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    assert reason(path) == "cannot be read: Input/output error"


def test_permission_denied() -> None:
    program = (
        "import os, sys; from pathlib import Path; from nebulift.frames.reading import read_frame\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "read_frame(Path(sys.argv[1]))"
    )
    scripts = str(Path(sys.modules["nebulift.frames.reading"].__file__ or "").parents[2])
    # Not in tmp_path, into which only its owner may look.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = good_file(Path(folder) / "frame.fits")
        path.chmod(0)
        result = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, "PYTHONPATH": scripts},
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.stderr.strip().endswith("UnreadableFrame: permission denied")


def test_more_than_the_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good_file(tmp_path / "frame.fits")

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", no_memory)
    assert reason(path) == "too large for the memory of this machine"


def test_every_real_bad_input(shared_data: Path) -> None:
    folder = shared_data / "bad_inputs"
    with (folder / "README.tsv").open(encoding="utf-8", newline="") as table:
        expected = {row["file"]: row["expected"] for row in csv.DictReader(table, delimiter="\t")}
    reasons = {
        "zero_bytes.fits": "empty file (0 bytes)",
        "git_lfs_pointer2.fits": "not a FITS file: starts with 'version https://git-lfs",
        "bintable_nan.fits": "no image in this file: 1 table",
        "truncated_data_60pct.fits": "truncated: 261776 of 650000 bytes of pixels missing",
        "truncated_last_block.fits": "truncated: 120 of 650000 bytes of pixels missing",
        "all_zero.fits": "every pixel has the value 0",
        "one_row.fits": "1 row",
        "bad_bitpix.fits": "BITPIX = 17",
    }
    original = read_frame(folder / "frame with space & ümlaut.fits")
    for name, meaning in expected.items():
        if name in reasons:
            assert reasons[name] in reason(folder / name), meaning
            continue
        frame = read_frame(folder / name)
        finite = np.isfinite(frame.pixels)
        assert (~finite).sum() == (2 if name == "real_with_inf.fits" else 0)
        offset, scale = 0.0, 1.0
        if name == "float01_normalised.fits":
            offset, scale = float(original.pixels.min()), float(np.ptp(original.pixels))
        np.testing.assert_allclose(frame.pixels[finite] * scale + offset, original.pixels[finite], rtol=1e-4)
        assert frame.saturation_adu * scale + offset == 4095
        assert frame.saturation_source == "top of the data"


def test_a_real_night_of_a_12_bit_camera(shared_data: Path) -> None:
    frames = list_frames(shared_data / "exotic_hatp32")
    assert len(frames) == 142
    for listed in frames[::12]:
        frame = read_frame(listed.path)
        assert frame.raw.dtype == np.int16 and frame.raw.shape == (500, 650)
        assert frame.saturation_adu == 4095
        assert frame.metadata.exposure_s == 60 and frame.metadata.filter == "Clear"
        # The file's name holds the start of the exposure in UTC, its DATE-OBS the local time with -0700.
        assert re.sub(r"\D", "", frame.metadata.date_obs)[2:12] == listed.name[len("HATP-32") :][:10]


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "date_obs", "saturation"),
    [
        ("astride/long.fits", (512, 512), "i2", "2002-07-26T19:36:37.000", 32767),
        ("ccdproc/a8280271.fits", (520, 536), "u2", "2013-07-13T00:57:33.000", 65535),
        ("panoptes/solved.fits.fz", (700, 700), "u2", "2016-09-09T08:14:34.000", 65535),
        ("uwmro_sci/EB12430.fit", (512, 512), "f4", "2015-07-27T06:36:25.000", 65535),
        ("trailblazer/cutout_lbcb.20210407.120357.fits", (200, 100), "u2", "2021-04-07T12:03:57.256", 65535),
        ("trailblazer/cutout_bi327715.fits", (400, 400), "f4", "2020-11-20T01:04:29.222", 59000),
        ("trailblazer/reduced_c4d_200306_000415_ori.fits.fz", (400, 287), "u2", "2020-03-06T00:04:15.410", 65535),
        ("gmn_ff/FF_UK0006_20220914_194911_205_0079616.fits", (720, 1280), "u1", "", 255),
        (
            "seestar_zeseestar/Light_M_94_10.0s_IRCUT_20250326-212057.fit",
            (1920, 1080),
            "u2",
            "2025-03-27T01:20:44.228",
            65535,
        ),
    ],
)
def test_real_frames(
    shared_data: Path, name: str, shape: tuple[int, int], dtype: str, date_obs: str, saturation: float
) -> None:
    frame = read_frame(shared_data / name)
    assert (frame.raw.shape, frame.raw.dtype) == (shape, np.dtype(dtype))
    assert frame.pixels.shape == shape
    assert (frame.metadata.date_obs, frame.metadata.image_type) == (date_obs, "light")
    assert frame.saturation_adu == saturation


def test_real_frames_agree_with_astropy(shared_data: Path) -> None:
    for name in ("als/Light_1069.fits", "trailblazer/cutout_HSCA21787010.fits", "panoptes/solved.fits.fz"):
        np.testing.assert_array_equal(read_frame(shared_data / name).raw, fits.getdata(shared_data / name))


def test_a_real_mosaic_loses_its_pattern(shared_data: Path) -> None:
    frame = read_frame(shared_data / "seestar_zeseestar/Light_M_94_10.0s_IRCUT_20250326-212057.fit")
    assert frame.metadata.bayer_pattern == "GRBG"

    def spread_of_phases(values: np.ndarray) -> float:
        return float(np.ptp([np.median(values[y::2, x::2]) for y in (0, 1) for x in (0, 1)]))

    assert spread_of_phases(frame.raw) > 100
    assert spread_of_phases(frame.pixels) < 1
