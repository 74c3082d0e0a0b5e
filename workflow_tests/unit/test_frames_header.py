"""Capture metadata out of headers that follow no single habit, and out of nonsense."""

from datetime import datetime
from typing import Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from nebulift.frames.frame import CaptureMetadata
from nebulift.frames.header import Keywords, capture_metadata, stated_saturation


def metadata(**cards: Any) -> CaptureMetadata:
    header = fits.Header([(name.replace("_", "-"), value) for name, value in cards.items()])
    return capture_metadata(Keywords(header))


def test_nothing_said_is_a_light_frame_without_metadata() -> None:
    assert metadata() == CaptureMetadata()


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("Light Frame", "light"),
        ("LIGHT", "light"),
        ("object", "light"),
        ("science", "light"),
        ("SKY", "light"),
        ("EXPOSE", "light"),
        ("Bias Frame", "bias"),
        ("zero", "bias"),
        ("Dark", "dark"),
        ("Master Dark", "dark"),
        ("FLAT", "flat"),
        ("Flat Field", "flat"),
        ("SKYFLAT", "flat"),
        ("Dark Flat", "flat_dark"),
        ("DARKFLAT", "flat_dark"),
        ("Focus", "other"),
        ("comp", "other"),
        ("", "light"),
        ("   ", "light"),
    ],
)
def test_spellings_of_the_image_type(spelling: str, kind: str) -> None:
    assert metadata(IMAGETYP=spelling).image_type == kind
    assert metadata(FRAME=spelling).image_type == kind
    assert metadata(OBSTYPE=spelling).image_type == kind


def test_a_frame_number_is_no_image_type() -> None:
    assert metadata(FRAME=27).image_type == "light"
    assert metadata(FRAME="0027", OBSTYPE="dark").image_type == "dark"
    assert metadata(IMAGETYP=True).image_type == "light"


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"DATE_OBS": "2018-09-07T22:31:45.431"}, "2018-09-07T22:31:45.431"),
        ({"DATE_OBS": "2025-03-27T01:20:44.228809"}, "2025-03-27T01:20:44.228"),
        ({"DATE_OBS": "  2020-12-09 12:33:40Z "}, "2020-12-09T12:33:40.000"),
        ({"DATE_OBS": "2013/7/3", "UT": "0:57:33"}, "2013-07-03T00:57:33.000"),
        ({"DATE_OBS": "26/07/102", "TIME_OBS": "19:36:37"}, "2002-07-26T19:36:37.000"),
        ({"DATE_OBS": "26/07/98", "TIME_OBS": "19:36"}, "1998-07-26T19:36:00.000"),
        ({"DATE_OBS": "2017-12-19T18:33:43.317-0700"}, "2017-12-20T01:33:43.317"),
        ({"DATE_OBS": "2020-01-01T00:30:00+05:30"}, "2019-12-31T19:00:00.000"),
        ({"DATE_OBS": "2016-12-31T23:59:60.5"}, "2017-01-01T00:00:00.500"),
        ({"DATE_OBS": "2013-07-13"}, "2013-07-13T00:00:00.000"),
        ({"DATE_OBS": "2013-07-13", "MJD_OBS": 56486.0}, "2013-07-13T00:00:00.000"),
        ({"DATE_OBS": "2013-07-13", "MJD_OBS": 56486.25}, "2013-07-13T06:00:00.000"),
        ({"MJD_OBS": 58107.5}, "2017-12-20T12:00:00.000"),
        ({"MJD_OBS": "58107.5"}, "2017-12-20T12:00:00.000"),
        ({"JD": 2458107.25}, "2017-12-19T18:00:00.000"),
        ({"DATE_OBS": "", "UT_OBS": "2017-12-20T01:33:43.317-0000"}, "2017-12-20T01:33:43.317"),
        ({"OBSDATE": "2015-10-07", "OBSSTART": "08:23:55.961"}, "2015-10-07T08:23:55.961"),
        ({"DATE_OBS": "2013-02-30T10:00:00"}, ""),
        ({"DATE_OBS": "9999-12-31T23:59:59-1500"}, ""),
        ({"DATE_OBS": "0001-01-01T00:00:00"}, ""),
        ({"DATE_OBS": "yesterday", "UT": "12:00:00"}, ""),
        ({"DATE_OBS": 20130713, "MJD_OBS": -1.0}, ""),
        ({"DATE": "2013-07-13T00:00:00"}, ""),  # when the file was written
    ],
)
def test_start_of_the_exposure(cards: dict[str, Any], expected: str) -> None:
    assert metadata(**cards).date_obs == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (60, 60.0),
        ("30.0    ", 30.0),
        ("53.907456", 53.907456),
        ("1.2D2 s", 120.0),
        ("0,5", 0.5),
        (0, 0.0),
        (-1, None),
        (1e30, None),
        ("", None),
        ("12:30", None),
        ("long", None),
        ("NaN", None),
        (True, None),
    ],
)
def test_exposure(value: Any, expected: float | None) -> None:
    assert metadata(EXPTIME=value).exposure_s == expected


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"PIXSCALE": 1.25}, 1.25),
        ({"SCALE": 2.67, "SECPIX1": 2.66}, 2.67),
        ({"PIXSCALE": 0, "SECPIX": "0.9 arcsec"}, 0.9),
        ({"XPIXSZ": 3.76, "FOCALLEN": 530.0}, 1.4633),
        ({"PIXSCALE": 1.5, "XPIXSZ": 3.76, "FOCALLEN": 530.0}, 1.5),
        ({"XPIXSZ": 3.76}, None),
        ({"XPIXSZ": 3.76, "FOCALLEN": 0}, None),
        ({}, None),
    ],
)
def test_how_much_sky_a_pixel_is(cards: dict[str, Any], expected: float | None) -> None:
    assert metadata(**cards).pixel_scale_arcsec == (expected and pytest.approx(expected, rel=1e-4))


def test_the_next_keyword_is_asked_when_one_makes_no_sense() -> None:
    assert metadata(EXPTIME=-1, EXPOSURE="20.0").exposure_s == 20
    assert metadata(FILTER="", FILTER1="gp").filter == "gp"


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"CCD_TEMP": -20.2, "SET_TEMP": -25}, -20.2),
        ({"SET_TEMP": -25}, -25.0),
        ({"CCDTEMP": "-39.6"}, -39.6),
        ({"CAMTEMP": "44 C"}, 44.0),
        ({"CCD_TEMP": 180.2}, -92.95),
        ({"CAMTEMP": 271.0}, -2.15),
        ({"CCDTEMP": -999.9}, None),
        ({"CCD_TEMP": 1e6}, None),
        ({"CCD_TEMP": "NaN"}, None),
    ],
)
def test_sensor_temperature(cards: dict[str, Any], expected: float | None) -> None:
    assert metadata(**cards).ccd_temp_c == expected


def test_names_are_single_lines_and_numbers_become_text() -> None:
    found = metadata(OBJECT="  M   31 ", TELESCOP="", INSTRUME=" ", CAMERA="ASI2600", FILTERS=48, GAIN="1.22    ")
    assert (found.object, found.telescope, found.camera) == ("M 31", "", "ASI2600")
    assert (found.filter, found.gain) == ("48", 1.22)


@pytest.mark.parametrize("keyword", ["BAYERPAT", "BAYRPAT", "COLORTYP", "FILTER"])
def test_bayer_pattern(keyword: str) -> None:
    assert metadata(**{keyword: "gbrg"}).bayer_pattern == "GBRG"
    assert metadata(**{keyword: "Luminance"}).bayer_pattern == ""


def test_the_image_goes_before_the_primary_unit() -> None:
    image, primary = fits.Header({"EXPTIME": 5.0, "OBJECT": ""}), fits.Header({"EXPTIME": 9.0, "OBJECT": "M 1"})
    found = capture_metadata(Keywords(image, primary))
    assert (found.exposure_s, found.object) == (5, "M 1")


def test_saturation_levels_in_order_of_trust() -> None:
    header = fits.Header({"SATLEVEL": "60000", "SATURATE": 59000.0, "SATURATN": "unknown"})
    assert stated_saturation(Keywords(header)) == (59000, 60000)


NAMES = ("IMAGETYP", "DATE-OBS", "TIME-OBS", "MJD-OBS", "EXPTIME", "GAIN", "CCD-TEMP", "FILTER", "BAYERPAT", "OBJECT")


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
    )
)
def test_no_card_makes_it_fail(cards: list[tuple[str, str]]) -> None:
    text = "".join(f"{name:8}= {value}"[:80].ljust(80) for name, value in cards)
    found = capture_metadata(Keywords(fits.Header.fromstring(text)))
    assert all(value == " ".join(value.split()) for value in (found.filter, found.object, found.bayer_pattern))
    assert found.date_obs == "" or datetime.fromisoformat(found.date_obs)


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2190, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_every_time_with_its_zone(moment: datetime, minutes: int) -> None:
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    found = metadata(DATE_OBS=moment.isoformat() + zone).date_obs
    difference = moment - datetime.fromisoformat(found)
    assert abs(difference.total_seconds() - minutes * 60) < 0.0011
