"""The level at which a pixel is full."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from nebulift.frames.reading import read_frame


def sky(dtype: str = "u2", level: float = 500, noise: float = 10) -> NDArray[Any]:
    values = np.random.default_rng(5).normal(level, noise, (100, 100))
    return values.round().astype(dtype) if dtype[0] != "f" else values.astype(dtype)


def with_star(values: NDArray[Any], peak: float, pixels: int) -> NDArray[Any]:
    values = values.copy()
    values[50, 10 : 10 + pixels] = peak
    return values


def saturation(folder: Path, values: NDArray[Any], **header: Any) -> tuple[float, str]:
    path = folder / "frame.fits"
    fits.PrimaryHDU(values, fits.Header(header)).writeto(path, overwrite=True)
    frame = read_frame(path)
    return frame.saturation_adu, frame.saturation_source


@pytest.mark.parametrize(("dtype", "top"), [("u1", 255), ("i2", 32767), ("u2", 65535), ("i4", 65535), ("f4", 65535)])
def test_data_type_where_nothing_else_tells(tmp_path: Path, dtype: str, top: float) -> None:
    assert saturation(tmp_path, sky(dtype, 100)) == (top, "data type")


@pytest.mark.parametrize("top", [255, 1023, 4095, 4090, 16383, 65520, 65532, 65534])
def test_top_of_the_data_at_a_converter_limit(tmp_path: Path, top: int) -> None:
    values = with_star(sky(level=100), top, 9)
    assert saturation(tmp_path, values) == (top, "top of the data")
    assert saturation(tmp_path, values.astype("f4")) == (top, "top of the data")


def test_few_pixels_or_the_end_of_a_distribution_are_no_limit(tmp_path: Path) -> None:
    assert saturation(tmp_path, with_star(sky(), 4095, 3)) == (65535, "data type")
    noise = np.minimum(sky(level=4000, noise=30), 4095)
    values = np.concatenate([noise[noise < 4095], [4095] * 5])
    assert saturation(tmp_path, values[:9800].reshape(98, 100)[::-1]) == (65535, "data type")


def test_elsewhere_only_strong_clipping_is_a_limit(tmp_path: Path) -> None:
    assert saturation(tmp_path, with_star(sky(), 13583, 20)) == (65535, "data type")
    assert saturation(tmp_path, with_star(sky(), 13583, 60)) == (13583, "top of the data")


def test_normalised_frames(tmp_path: Path) -> None:
    values = sky("f4") / 65535
    assert saturation(tmp_path, values) == (1, "data type")
    assert saturation(tmp_path, with_star(values, 1, 9)) == (1, "top of the data")
    assert saturation(tmp_path, values, SATURATE=60000) == (1, "data type")


def test_float_frames_above_16_bits(tmp_path: Path) -> None:
    assert saturation(tmp_path, with_star(sky("f4"), 90000, 1)) == (90000, "data type")


def test_header(tmp_path: Path) -> None:
    assert saturation(tmp_path, sky(), SATURATE=59000.0) == (59000, "header")
    assert saturation(tmp_path, with_star(sky(), 65535, 50), SATLEVEL="59000") == (59000, "header")
    assert saturation(tmp_path, sky(), SATURATE=65536) == (65535, "header")


@pytest.mark.parametrize("stated", [0, -1, 495, "full", float(1)])
def test_nonsense_in_the_header(tmp_path: Path, stated: Any) -> None:
    assert saturation(tmp_path, sky(), SATURATE=stated) == (65535, "data type")


def test_datamax_counts_only_as_the_limit_of_a_converter(tmp_path: Path) -> None:
    values = with_star(sky(), 14452, 1)
    assert saturation(tmp_path, values, DATAMAX=14452) == (65535, "data type")
    assert saturation(tmp_path, values, DATAMAX=60224) == (65535, "data type")
    assert saturation(tmp_path, values, DATAMAX=16383) == (16383, "header")


def test_colour_frames_are_judged_by_all_channels(tmp_path: Path) -> None:
    values = np.stack([sky(level=100), sky(level=150), with_star(sky(level=100), 4095, 9)])
    assert saturation(tmp_path, values) == (4095, "top of the data")
