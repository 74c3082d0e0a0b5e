"""FITS files in every form that cameras and observatories write them."""

import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nebulift.frames.frame import UnreadableFrame
from nebulift.frames.reading import read_frame

BLOCK = 2880


def frame_values(dtype: str = "u2", shape: tuple[int, ...] = (20, 30), seed: int = 1) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(1, 120, shape).astype(dtype)


def as_bytes(*units: Any) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(list(units)).writeto(stream)
    return stream.getvalue()


def written(folder: Path, content: bytes, name: str = "frame.fits") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def reason(path: Path) -> str:
    with pytest.raises(UnreadableFrame) as caught:
        read_frame(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [("u1", "u1"), ("u2", "u2"), ("i2", "i2"), ("i4", "i4"), ("i8", "i4"), ("f4", "f4"), ("f8", "f4")],
)
def test_raw_keeps_values_and_type_as_close_as_allowed(tmp_path: Path, stored: str, expected: str) -> None:
    values = frame_values(stored)
    frame = read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(values))))
    assert frame.raw.dtype == np.dtype(expected)
    assert frame.raw.flags.c_contiguous and frame.raw.dtype.isnative
    np.testing.assert_array_equal(frame.raw, values)
    assert frame.pixels.dtype == np.float32
    np.testing.assert_array_equal(frame.pixels, values)


@pytest.mark.parametrize("name", ["A.FITS", "b.fit", "c.FtS", "d with space & ümlaut.fits", "no_suffix"])
def test_name_does_not_matter(tmp_path: Path, name: str) -> None:
    values = frame_values()
    np.testing.assert_array_equal(read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(values)), name)).raw, values)


def test_gzip_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    values = frame_values()
    plain = as_bytes(fits.PrimaryHDU(values))
    packed_with_plain_name = written(tmp_path, gzip.compress(plain), "packed.fits")
    plain_with_packed_name = written(tmp_path, plain, "plain.fits.gz")
    in_two_members = written(tmp_path, gzip.compress(plain[:5000]) + gzip.compress(plain[5000:]), "two.fits.gz")
    for path in (packed_with_plain_name, plain_with_packed_name, in_two_members):
        np.testing.assert_array_equal(read_frame(path).raw, values)


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "GZIP_2"])
def test_tile_compression(tmp_path: Path, compression: str) -> None:
    values = frame_values(shape=(40, 30))
    unit = fits.CompImageHDU(values, fits.Header({"EXPTIME": 30.0}), compression_type=compression)
    frame = read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(), unit), "frame.fits.fz"))
    assert frame.raw.dtype == np.uint16
    np.testing.assert_array_equal(frame.raw, values)
    assert frame.metadata.exposure_s == 30


def test_compression_that_crashes_on_damaged_files_is_refused(tmp_path: Path) -> None:
    values = frame_values(shape=(40, 30))
    by_hcompress = fits.CompImageHDU(values, compression_type="HCOMPRESS_1")
    assert "unpack it with funpack" in reason(written(tmp_path, as_bytes(fits.PrimaryHDU(), by_hcompress)))
    by_rice = as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(values))
    start = by_rice.index(b"ZVAL2   =") + 10
    damaged = by_rice[:start] + b"-1".rjust(20) + by_rice[start + 20 :]
    assert "BYTEPIX = -1" in reason(written(tmp_path, damaged))


def test_compressed_float_keeps_its_missing_pixels(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(1000, 20, (40, 50)).astype("f4")
    values[4, 5] = np.nan
    frame = read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(values))))
    np.testing.assert_allclose(frame.pixels, values, atol=10)
    assert np.isnan(frame.pixels[4, 5])


def test_image_in_extension_with_keywords_of_both_units(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "Newton", "EXPTIME": 99.0, "BZERO": 32768}))
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    spectrum = fits.ImageHDU(np.arange(50.0))
    image = fits.ImageHDU(frame_values("i2"), fits.Header({"EXPTIME": 30.0}))
    thumbnail = fits.ImageHDU(frame_values("u1", (16, 16)))
    frame = read_frame(written(tmp_path, as_bytes(primary, table, spectrum, image, thumbnail)))
    np.testing.assert_array_equal(frame.raw, frame_values("i2"))
    assert (frame.metadata.telescope, frame.metadata.exposure_s) == ("Newton", 30)


def with_card(content: bytes, card: str) -> bytes:
    """Put a card in the place of EXTEND: astropy would rescale the pixels if it were given BSCALE or BLANK."""
    return content.replace(b"EXTEND  =                    T".ljust(80), card.ljust(80).encode(), 1)


@pytest.mark.parametrize(
    ("card", "change"),
    [
        ("BSCALE  = 0.5", lambda values: values * 0.5),
        ("BZERO   = 1000", lambda values: values + 1000),
        ("BSCALE  = 0", lambda values: values),
        ("BSCALE  = 'none'", lambda values: values),
    ],
)
def test_scaling(tmp_path: Path, card: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    values = frame_values("i2")
    frame = read_frame(written(tmp_path, with_card(as_bytes(fits.PrimaryHDU(values)), card)))
    np.testing.assert_array_equal(frame.raw, change(values))


def test_blank_pixels_are_missing_pixels(tmp_path: Path) -> None:
    values = frame_values("i2")
    frame = read_frame(written(tmp_path, with_card(as_bytes(fits.PrimaryHDU(values)), "BLANK   = 50")))
    blank = values == 50
    assert blank.any()
    np.testing.assert_array_equal(np.isnan(frame.raw), blank)
    np.testing.assert_array_equal(np.isnan(frame.pixels), blank)
    np.testing.assert_array_equal(frame.pixels[~blank], values[~blank])
    assert frame.saturation_adu == 32767


def test_unsigned_32_bits(tmp_path: Path) -> None:
    values = frame_values("u4")
    frame = read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(values))))
    assert frame.raw.dtype == np.int32
    np.testing.assert_array_equal(frame.raw, values)
    values[0, 0] = 4_000_000_000
    frame = read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(values)), "beyond_int32.fits"))
    assert frame.raw.dtype == np.float32
    np.testing.assert_array_equal(frame.raw, values.astype("f4"))


def test_infinite_pixels_become_nan_in_pixels_only(tmp_path: Path) -> None:
    values = frame_values("f4")
    values[1, 2], values[3, 4], values[5, 6] = np.inf, -np.inf, np.nan
    frame = read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(values))))
    np.testing.assert_array_equal(frame.raw, values)
    np.testing.assert_array_equal(np.isnan(frame.pixels), ~np.isfinite(values))
    assert frame.saturation_adu == 65535


@pytest.mark.parametrize("layout", ["planes first", "planes last", "with alpha"])
def test_colour_becomes_the_mean_of_the_channels(tmp_path: Path, layout: str) -> None:
    planes = frame_values("u2", (4 if layout == "with alpha" else 3, 20, 30))
    stored = np.moveaxis(planes, 0, -1) if layout == "planes last" else planes
    unit = fits.PrimaryHDU(stored, fits.Header({"BAYERPAT": "RGGB"}))
    frame = read_frame(written(tmp_path, as_bytes(unit)))
    assert frame.raw.shape == (20, 30, 3) and frame.raw.dtype == np.uint16
    np.testing.assert_array_equal(frame.raw[..., 2], planes[2])
    np.testing.assert_allclose(frame.pixels, planes[:3].mean(axis=0), rtol=1e-6)
    assert frame.metadata.bayer_pattern == ""  # it has been debayered


def test_axes_of_length_one_are_dropped(tmp_path: Path) -> None:
    values = frame_values(shape=(1, 1, 20, 30))
    np.testing.assert_array_equal(read_frame(written(tmp_path, as_bytes(fits.PrimaryHDU(values)))).raw, values[0, 0])


def test_mosaic_loses_its_colour_pattern_at_full_resolution(tmp_path: Path) -> None:
    sky = np.tile(np.array([[100, 220], [180, 60]], "u2"), (10, 15))
    sky[7, 9] += 400
    unit = fits.PrimaryHDU(sky, fits.Header({"BAYERPAT": "rggb"}))
    frame = read_frame(written(tmp_path, as_bytes(unit)))
    np.testing.assert_array_equal(frame.raw, sky)
    expected = np.full((20, 30), 140.0)
    expected[6:8, 8:10] += 100
    np.testing.assert_array_equal(frame.pixels, expected)
    assert frame.metadata.bayer_pattern == "RGGB"


def test_edges_of_a_mosaic_with_odd_sides(tmp_path: Path) -> None:
    sky = np.tile(np.array([[100, 220], [180, 60]], "u2"), (10, 10))[:19, :17]
    unit = fits.PrimaryHDU(sky, fits.Header({"COLORTYP": "GRBG"}))
    assert np.ptp(read_frame(written(tmp_path, as_bytes(unit))).pixels) == 0


def test_a_missing_pixel_of_a_mosaic_costs_only_its_cells(tmp_path: Path) -> None:
    values = frame_values("f4")
    values[10, 10] = np.nan
    unit = fits.PrimaryHDU(values, fits.Header({"BAYERPAT": "RGGB"}))
    assert np.isnan(read_frame(written(tmp_path, as_bytes(unit))).pixels).sum() == 4


@pytest.mark.parametrize("pattern", ["", "MONO", "TRUE", "RRRR"])
def test_mono_camera_with_a_bayer_keyword(tmp_path: Path, pattern: str) -> None:
    unit = fits.PrimaryHDU(frame_values(), fits.Header({"BAYERPAT": pattern}))
    frame = read_frame(written(tmp_path, as_bytes(unit)))
    assert frame.metadata.bayer_pattern == ""
    np.testing.assert_array_equal(frame.pixels, frame_values())


def test_missing_bytes_are_counted(tmp_path: Path) -> None:
    content = as_bytes(fits.PrimaryHDU(frame_values(shape=(100, 100))))
    pixels_end = BLOCK + 20000
    assert reason(written(tmp_path, content[: pixels_end - 7])) == "truncated: 7 of 20000 bytes of pixels missing"
    assert reason(written(tmp_path, content[: BLOCK + 1])) == "truncated: 19999 of 20000 bytes of pixels missing"
    np.testing.assert_array_equal(
        read_frame(written(tmp_path, content[:pixels_end])).raw, frame_values(shape=(100, 100))
    )


def test_truncated_compressed_files(tmp_path: Path) -> None:
    packed = as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(frame_values(shape=(100, 100))))
    assert "bytes of compressed pixels missing" in reason(written(tmp_path, packed[: 3 * BLOCK]))
    zipped = gzip.compress(as_bytes(fits.PrimaryHDU(frame_values())))
    assert reason(written(tmp_path, zipped[:-9])) == "truncated: gzip data end early"
    damaged = zipped[:-8] + bytes(4) + zipped[-4:]
    assert "damaged gzip data" in reason(written(tmp_path, damaged))


def cards(*texts: str) -> bytes:
    return b"".join(text.ljust(80).encode("latin-1") for text in (*texts, "END")).ljust(BLOCK)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty file (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "starts with 'version https://git-lfs"),
        (b"\n<!DOCTYPE html>\n<html>", "starts with '<!DOCTYPE html>'"),
        (bytes(range(1, 40)), "starts with 01 02 03"),
        (cards("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 0"), "no image in this file: no data at all"),
        (cards("SIMPLE  = T", "BITPIX  = 17", "NAXIS   = 2", "NAXIS1  = 20", "NAXIS2  = 20"), "BITPIX = 17"),
        (cards("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2147483648"), "2147483648 axes"),
        (
            cards("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 99999999", "NAXIS2  = 99999999"),
            "truncated: 19999999600000002 of 19999999600000002 bytes",
        ),
        (cards("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = -5", "NAXIS2  = 20"), "broken FITS header"),
        (cards("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 'x'"), "broken FITS header"),
        (cards("SIMPLE  = T", "BITPIX  = 16")[:500], "truncated: the header ends early"),
        (b"SIMPLE", "truncated: the header ends early"),
        (gzip.compress(b"not an image"), "not a FITS file: starts with 'not an image'"),
        (gzip.compress(b""), "empty file"),
        (gzip.compress(gzip.compress(b"SIMPLE")), "compressed twice"),
    ],
)
def test_what_is_no_frame_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in reason(written(tmp_path, content))


def test_huge_promise_of_a_tiny_compressed_file(tmp_path: Path) -> None:
    packed = as_bytes(fits.PrimaryHDU(), fits.CompImageHDU(frame_values(shape=(100, 100))))
    for axis in (b"ZNAXIS1 =", b"ZNAXIS2 ="):
        start = packed.index(axis) + 10
        packed = packed[:start] + b"200000".rjust(20) + packed[start + 20 :]
    assert "cannot come out of" in reason(written(tmp_path, packed))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (fits.PrimaryHDU(np.zeros((1, 650), "i2")), "1 row:"),
        (fits.PrimaryHDU(np.zeros((650, 1), "i2")), "1 column:"),
        (fits.PrimaryHDU(np.zeros((15, 40), "i2")), "40 x 15 pixels:"),
        (fits.PrimaryHDU(np.full((20, 20), 7, "u2")), "every pixel has the value 7"),
        (fits.PrimaryHDU(np.full((20, 20), np.nan, "f4")), "every pixel has the value NaN"),
        (fits.PrimaryHDU(np.full((20, 20), -np.inf, "f4")), "every pixel has the value -inf"),
        (fits.PrimaryHDU(np.zeros((7, 20, 20), "i2")), "not one frame: an array of 7 x 20 x 20"),
        (fits.PrimaryHDU(np.zeros(400, "i2")), "no image in this file: 1 array with one axis"),
    ],
)
def test_pixels_that_are_no_frame_are_named(tmp_path: Path, unit: Any, expected: str) -> None:
    assert expected in reason(written(tmp_path, as_bytes(unit)))


def test_tables_are_counted(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    assert reason(written(tmp_path, as_bytes(fits.PrimaryHDU(), table))) == "no image in this file: 1 table"
    text = fits.TableHDU.from_columns([fits.Column("x", "F5.1", array=np.arange(3.0))])
    content = as_bytes(fits.PrimaryHDU(np.arange(9)), table, text)
    assert reason(written(tmp_path, content)) == "no image in this file: 1 array with one axis, 2 tables"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trip(data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "i2", "u2", "i4", "f4"])))
    shape = (data.draw(st.integers(16, 24)), data.draw(st.integers(16, 24)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    bits = np.random.default_rng(seed).integers(0, 256, (*shape, dtype.itemsize), dtype=np.uint8)
    values = bits.view(dtype)[..., 0]
    unit = data.draw(st.sampled_from(["primary", "extension", "gzip"]))
    content = as_bytes(fits.PrimaryHDU(values))
    if unit == "extension":
        content = as_bytes(fits.PrimaryHDU(), fits.ImageHDU(values))
    if unit == "gzip":
        content = gzip.compress(content, 1)
    with tempfile.TemporaryDirectory() as folder:
        frame = read_frame(written(Path(folder), content))
    assert frame.raw.dtype == dtype
    np.testing.assert_array_equal(frame.raw, values)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(frame.pixels[finite], values[finite].astype("f4"))
    assert np.isnan(frame.pixels[~finite]).all()
    assert np.isfinite(frame.saturation_adu)


@settings(max_examples=80, deadline=None)
@given(cut=st.integers(0, 3 * BLOCK - 1), in_extension=st.booleans())
def test_any_truncation_is_noticed(cut: int, in_extension: bool) -> None:
    values = frame_values(shape=(20, 70))
    units = (fits.PrimaryHDU(), fits.ImageHDU(values)) if in_extension else (fits.PrimaryHDU(values),)
    content = as_bytes(*units)
    last_pixel = BLOCK * len(units) + values.nbytes
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), content[:cut])
        if cut >= last_pixel:
            np.testing.assert_array_equal(read_frame(path).raw, values)
        else:
            assert reason(path)


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from(
        [b"", b"SIMPLE  =", b"\x1f\x8b\x08", b"II*\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
    ),
    rest=st.binary(max_size=400),
)
def test_bytes_without_sense_are_unreadable(start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert reason(written(Path(folder), start + rest))


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, BLOCK - 1), st.integers(32, 126)), min_size=1, max_size=40))
def test_a_header_full_of_mistakes_is_read_or_unreadable(changes: list[tuple[int, int]]) -> None:
    header = fits.Header({"EXPTIME": 3.0, "DATE-OBS": "2020-01-02T03:04:05", "GAIN": 1.5, "SATURATE": 60000})
    content = bytearray(as_bytes(fits.PrimaryHDU(frame_values(), header)))
    for position, value in changes:
        content[position] = value
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), bytes(content))
        try:
            frame = read_frame(path)
        except UnreadableFrame as error:
            assert str(error) and "\n" not in str(error)
        else:
            assert frame.pixels.dtype == np.float32
