"""TIFF, PNG and JPEG pictures as frames."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from nebulift.frames.frame import CaptureMetadata, UnreadableFrame
from nebulift.frames.reading import read_frame


def picture(dtype: str, shape: tuple[int, ...] = (20, 30)) -> NDArray[Any]:
    return np.random.default_rng(2).integers(1, 250, shape).astype(dtype)


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def written(folder: Path, content: bytes) -> Path:
    path = folder / "picture"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_grey_and_colour(tmp_path: Path, suffix: str, dtype: str, channels: tuple[int, ...]) -> None:
    values = picture(dtype, (20, 30, *channels))
    bgr = cv2.cvtColor(values, cv2.COLOR_RGBA2BGRA) if channels == (4,) else values[..., ::-1] if channels else values
    frame = read_frame(written(tmp_path, cv2.imencode(suffix, bgr)[1].tobytes()))
    expected = values[..., :3] if channels else values
    assert frame.raw.dtype == values.dtype and frame.raw.flags.c_contiguous
    np.testing.assert_array_equal(frame.raw, expected)
    np.testing.assert_allclose(frame.pixels, expected.mean(axis=2) if channels else expected, rtol=1e-6)
    assert frame.metadata == CaptureMetadata()
    assert frame.saturation_adu == np.iinfo(dtype).max


def test_jpeg(tmp_path: Path) -> None:
    values = np.tile(np.linspace(10, 200, 32).astype("u1"), (32, 1))
    frame = read_frame(written(tmp_path, cv2.imencode(".jpg", values)[1].tobytes()))
    np.testing.assert_allclose(frame.pixels, values, atol=4)
    red = np.zeros((32, 32, 3), "u1")
    red[:, :16, 2] = 200  # in OpenCV's order
    frame = read_frame(written(tmp_path, cv2.imencode(".jpg", red)[1].tobytes()))
    assert frame.raw[:, :8, 0].mean() > 190 and frame.raw[..., 2].mean() < 10


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("f4", {}),
        ("f8", {}),
        ("f2", {}),
        ("i2", {}),
        ("i4", {}),
        ("u4", {}),
        ("u2", {"byteorder": ">"}),
        ("u2", {"bigtiff": True}),
        ("u2", {"compression": "zlib"}),
        ("f4", {"tile": (16, 16)}),
    ],
)
def test_kinds_of_tiff(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    values = picture(dtype)
    frame = read_frame(written(tmp_path, tiff(values, **options)))
    assert frame.raw.dtype == (np.float32 if dtype in ("f2", "f8", "u4") else values.dtype)
    assert frame.raw.dtype.isnative
    np.testing.assert_array_equal(frame.raw, values)


def test_lzw_tiff(tmp_path: Path) -> None:
    values = picture("u2", (20, 30, 3))
    content = cv2.imencode(".tif", values[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()
    np.testing.assert_array_equal(read_frame(written(tmp_path, content)).raw, values)


def test_planar_tiff(tmp_path: Path) -> None:
    planes = picture("u2", (3, 20, 30))
    content = tiff(planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_frame(written(tmp_path, content)).raw, np.moveaxis(planes, 0, -1))


def test_a_stack_of_frames_is_no_frame(tmp_path: Path) -> None:
    path = written(tmp_path, tiff(picture("u2", (7, 20, 30)), photometric="minisblack"))
    with pytest.raises(UnreadableFrame, match="not one frame: an array of 7 x 20 x 30"):
        read_frame(path)


PACKED = {
    "PNG": cv2.imencode(".png", picture("u2"))[1].tobytes(),
    "JPEG": cv2.imencode(".jpg", picture("u1", (64, 64)))[1].tobytes(),
    "TIFF": tiff(picture("u2")),
    "TIFF with zlib": tiff(picture("u2"), compression="zlib"),
    "planar TIFF": tiff(picture("u2", (3, 20, 30)), photometric="rgb", planarconfig="separate"),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.98])
def test_truncated(tmp_path: Path, kind: str, kept: float) -> None:
    content = PACKED[kind]
    path = written(tmp_path, content[: int(len(content) * kept)])
    with pytest.raises(
        UnreadableFrame, match=f"broken or truncated {kind.split()[-1 if 'planar' in kind else 0]} file"
    ):
        read_frame(path)


def test_too_small_or_constant(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFrame, match="30 x 5 pixels"):
        read_frame(written(tmp_path, tiff(picture("u1", (5, 30)))))
    with pytest.raises(UnreadableFrame, match="every pixel has the value 9"):
        read_frame(written(tmp_path, tiff(np.full((20, 20), 9, "u1"))))
