"""Previews: what a network has to see of a frame is in them."""

import functools
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.dataset.preview import PREVIEW_SIZE_PX, make_preview, read_preview, write_preview
from nebulift.frames.reading import read_frame
from nebulift.scoring.score import score_frame
from unit.builders import star_field, with_trail, write_frame

THUMBNAIL, PEAKS, MOSAIC = 0, 1, 2
CUT_OUT_PX = 32


def preview_of(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    with tempfile.TemporaryDirectory() as folder:
        return make_preview(score_frame(read_frame(write_frame(Path(folder) / "a.fits", pixels))))


@functools.cache
def field() -> NDArray[np.uint8]:
    return preview_of(star_field())


def cut_outs(preview: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the cut-outs (49, 32, 32) of the mosaic, row by row."""
    cells = preview[..., MOSAIC].reshape(7, CUT_OUT_PX, 7, CUT_OUT_PX)
    return cells.swapaxes(1, 2).reshape(49, CUT_OUT_PX, CUT_OUT_PX)


def test_a_preview_has_three_channels_of_eight_bits() -> None:
    assert field().shape == (PREVIEW_SIZE_PX, PREVIEW_SIZE_PX, 3)
    assert field().dtype == np.uint8
    assert all(np.ptp(field()[..., channel]) > 50 for channel in range(3))


def test_the_same_frame_gives_the_same_preview() -> None:
    np.testing.assert_array_equal(preview_of(star_field()), field())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "night" / "a.png"
    write_preview(path, field())
    np.testing.assert_array_equal(read_preview(path), field())
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        np.zeros((224, 224), np.uint8),
        np.zeros((100, 224, 3), np.uint8),
        np.zeros((224, 224, 3), "u2"),
    ],
    ids=["empty", "text", "one channel", "other size", "16 bits"],
)
def test_what_is_no_preview_is_named(tmp_path: Path, content: bytes | NDArray[np.uint8]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content if isinstance(content, bytes) else cv2.imencode(".png", content)[1].tobytes())
    with pytest.raises(OSError, match=r"a\.png: not a preview"):
        read_preview(path)


def test_a_missing_preview_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_preview(tmp_path / "gone.png")


def test_a_faint_trail_is_seen_among_the_peaks() -> None:
    # Thinner than a pixel of the thumbnail, and three times as bright as the noise of the sky.
    shape = (500, 700)
    plain = preview_of(star_field(shape))
    crossed = preview_of(with_trail(star_field(shape), brightness_adu=30.0))
    x = np.arange(20, 200)
    y = np.rint(((0.2 * shape[0]) + 0.5 * x * shape[1] / 224) * 224 / shape[0]).astype(int)
    along = crossed[y[y < 224], x[y < 224]].astype(float)
    beside = np.percentile(plain[..., PEAKS], 90)
    assert np.median(along[:, PEAKS]) > beside + 10


def test_hot_pixels_are_not_taken_for_peaks() -> None:
    pixels = star_field(stars=0)
    pixels[np.arange(10, 230, 20)[:, None], np.arange(10, 310, 20)[None, :]] += 1500
    hot, plain = preview_of(pixels)[..., PEAKS], preview_of(star_field(stars=0))[..., PEAKS]
    assert hot.max() < plain.max() + 20


def test_clouds_and_gradients_are_seen_in_the_thumbnail() -> None:
    gradient = np.linspace(0, 200, 320)[None, :]
    tilted = preview_of(star_field() + gradient)[..., THUMBNAIL].astype(float)
    plain = field()[..., THUMBNAIL].astype(float)
    assert np.median(tilted[:, -40:]) - np.median(tilted[:, :40]) > 60
    assert abs(np.median(plain[:, -40:]) - np.median(plain[:, :40])) < 10


def test_focus_is_seen_in_the_mosaic_and_not_in_the_thumbnail() -> None:
    sharp, soft = (preview_of(star_field((480, 640), fwhm_px=fwhm_px)) for fwhm_px in (3.0, 6.0))

    def wide(preview: NDArray[np.uint8]) -> float:
        """Return the median number of pixels that are as bright as half a star's peak."""
        stars = [cut_out for cut_out in cut_outs(preview) if cut_out.any()]
        assert len(stars) > 20
        return float(np.median([np.count_nonzero(star > 200) for star in stars]))

    assert wide(soft) > 2.5 * wide(sharp)
    mean = [preview[..., THUMBNAIL].mean() for preview in (sharp, soft)]
    assert mean[1] == pytest.approx(mean[0], rel=0.03)


def test_tracking_is_seen_in_the_mosaic() -> None:
    pixels = star_field()
    trailed = sum(np.roll(pixels, shift, axis=1) for shift in range(-4, 5)) / 9

    def elongation(preview: NDArray[np.uint8]) -> float:
        stack = np.sum([cut_out for cut_out in cut_outs(preview) if cut_out.any()], axis=0, dtype=float)
        stack = np.clip(stack - np.percentile(stack, 80), 0, None)
        y, x = np.mgrid[:CUT_OUT_PX, :CUT_OUT_PX] - (CUT_OUT_PX / 2)
        return float((stack * x**2).sum() / (stack * y**2).sum())

    assert elongation(preview_of(trailed)) > 1.5 * elongation(field())


def test_cut_outs_are_stars_at_native_scale_brightest_first() -> None:
    pixels = np.random.default_rng(1).normal(1000, 10, (240, 320))
    y, x = np.mgrid[:240, :320]
    for star, (row, column) in enumerate([(50, 50), (50, 150), (50, 250), (150, 50), (150, 150)]):
        pixels += (5 - star) * 400 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 1.3**2))
    cells = cut_outs(preview_of(pixels))
    filled = [bool(cell.any()) for cell in cells]
    assert filled[:5] == [True] * 5
    assert not any(filled[5:])
    for cell in cells[:5]:
        assert np.unravel_index(np.argmax(cell), cell.shape) == (CUT_OUT_PX // 2, CUT_OUT_PX // 2)
        assert cell.max() == 255


def test_saturated_stars_are_left_out_of_the_mosaic() -> None:
    pixels = star_field(stars=40)
    y, x = np.mgrid[:240, :320]
    pixels += 500_000 * np.exp(-((y - 120) ** 2 + (x - 160) ** 2) / (2 * 1.5**2))
    for cell in cut_outs(preview_of(pixels)):
        assert np.count_nonzero(cell > 250) < 20


@pytest.mark.parametrize("shape", [(20, 20), (16, 300), (31, 33), (64, 64)])
def test_tiny_frames_have_previews(shape: tuple[int, int]) -> None:
    assert preview_of(star_field(shape, stars=1)).shape == (224, 224, 3)


def test_pixels_without_a_value_are_no_obstacle() -> None:
    pixels = star_field()
    pixels[:50, :50] = np.nan
    pixels[100] = np.nan
    preview = preview_of(pixels)
    difference = np.abs(preview[60:, 60:, THUMBNAIL].astype(float) - field()[60:, 60:, THUMBNAIL])
    assert np.median(difference) < 15


def test_without_stars_the_mosaic_is_empty() -> None:
    preview = preview_of(star_field(stars=0))
    assert not preview[..., MOSAIC].any()
    assert preview[..., THUMBNAIL].any()


def test_neither_level_nor_gain_of_a_camera_is_seen() -> None:
    # What one camera counts as 1000 is 300 to another; only the noise is a common measure.
    other = preview_of(star_field() * 3 + 500)
    assert np.abs(other[..., THUMBNAIL].mean() - field()[..., THUMBNAIL].mean()) < 3
    assert np.abs(other[..., PEAKS].mean() - field()[..., PEAKS].mean()) < 3


def test_a_missing_preview_says_how_to_make_it_anew(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.png: no such preview; snakemake --forcerun score_chunk"):
        read_preview(tmp_path / "gone.png")
