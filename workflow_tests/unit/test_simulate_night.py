"""Simulated nights on disk: files, headers, truth, and that a seed always gives the same."""

import hashlib
from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import sep
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from nebulift.simulate.night import (
    Camera,
    CloudBank,
    FrameRecipe,
    Occlusion,
    Sky,
    Telescope,
    Trail,
    TruthRow,
    simulate_night,
    simulate_nights,
    tiny_night,
    truth_table,
)
from nebulift.simulate.plan import plan_night

CAMERA = Camera(width_px=120, height_px=90)


def pixels_of(path: Path) -> npt.NDArray[np.float32]:
    return np.asarray(fits.getdata(path), dtype=np.float32)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.*"))}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nights")
    assert simulate_nights(folder, frames=12, seed=5, width_px=160, height_px=120) == folder / "truth.tsv"
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, nights: Path) -> None:
    simulate_nights(tmp_path / "again", frames=12, seed=5, width_px=160, height_px=120)
    simulate_nights(tmp_path / "other", nights=1, frames=12, seed=6, width_px=160, height_px=120)
    first = digests(nights)
    assert digests(tmp_path / "again") == first
    assert not set(digests(tmp_path / "other").values()) & set(first.values())


def test_a_frame_is_the_same_however_many_are_made(tmp_path: Path) -> None:
    recipes = [FrameRecipe(), FrameRecipe(transparency=0.5), FrameRecipe(cloud_bank=CloudBank(0.5, 0.5, 10.0))]
    tiny_night(tmp_path / "three", frames=3, recipes=recipes)
    tiny_night(tmp_path / "five", frames=5, recipes=[*recipes, FrameRecipe(), FrameRecipe()])
    three, five = digests(tmp_path / "three"), digests(tmp_path / "five")
    assert len(three) == 3
    assert {name: five[name] for name in three} == three
    assert len(set(five.values())) == 5


def test_noise_is_new_in_each_frame_and_stars_in_each_night(tmp_path: Path) -> None:
    empty = {
        "camera": replace(CAMERA, hot_pixel_fraction=0.0, cosmic_rays_per_mpix_per_s=0.0),
        "telescope": Telescope(vignetting=0.0),
        "sky": Sky(star_density=0.0, gradient=0.0),
    }
    tiny_night(tmp_path / "noise", frames=2, **empty)
    noise = [pixels_of(tmp_path / "noise" / f"light_000{number}.fits").ravel() for number in (1, 2)]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.04
    simulate_nights(tmp_path, nights=4, frames=1, width_px=120, height_px=90, contaminated_fraction=0.0)
    # The fourth night is under the same sky as the first.
    nights = [pixels_of(tmp_path / f"2024-09-{day}" / "light_0001.fits") for day in ("09", "12")]
    assert np.median(nights[0]) == pytest.approx(np.median(nights[1]), rel=0.02)
    stars = [np.log(image - 400).ravel() for image in nights]
    assert np.corrcoef(stars)[0, 1] < 0.3


def test_files_are_what_a_capture_program_writes(tmp_path: Path) -> None:
    start = datetime(2025, 1, 31, 23, 59, 30, tzinfo=timezone(timedelta(hours=1)))
    camera = replace(CAMERA, bayer_pattern="GRBG", gain_setting=121, ccd_temp_c=-15.0)
    rows = simulate_night(
        tmp_path / "n",
        frames=2,
        seed=1,
        camera=camera,
        start=start,
        exposure_s=30.0,
        object_name="M 33",
        filter_name="R",
    )
    assert sorted(path.name for path in (tmp_path / "n").iterdir()) == ["light_0001.fits", "light_0002.fits"]
    with fits.open(tmp_path / "n" / "light_0002.fits") as hdus:
        hdus.verify("exception")
        header, pixels = hdus[0].header, hdus[0].data
    assert (pixels.dtype, pixels.shape) == (np.dtype("uint16"), (90, 120))
    raw = fits.getheader(tmp_path / "n" / "light_0001.fits")
    assert (raw["BITPIX"], raw["BZERO"]) == (16, 32768)
    expected = {
        "IMAGETYP": "Light Frame",
        "DATE-OBS": "2025-01-31T23:00:05.000",
        "EXPTIME": 30.0,
        "FILTER": "R",
        "OBJECT": "M 33",
        "GAIN": 121,
        "CCD-TEMP": -15.0,
        "INSTRUME": camera.name,
        "BAYERPAT": "GRBG",
    }
    assert {key: header[key] for key in expected} == expected
    assert header["TELESCOP"]
    assert 1.0 <= header["AIRMASS"] < 2.0
    assert [row.frame for row in rows] == ["light_0001.fits", "light_0002.fits"]
    assert "BAYERPAT" not in fits.getheader(_one_frame(tmp_path / "mono"))


def _one_frame(folder: Path) -> Path:
    tiny_night(folder, frames=1)
    return folder / "light_0001.fits"


def test_nights_are_named_by_their_evening_and_stand_in_the_truth(nights: Path) -> None:
    truth = pd.read_csv(nights / "truth.tsv", sep="\t", keep_default_na=False)
    assert list(truth.columns) == [column.name for column in fields(TruthRow)]
    assert list(truth["night"].unique()) == ["2024-09-09", "2024-09-10", "2024-09-11"]
    on_disk = sorted(f"{path.parent.name}/{path.name}" for path in nights.glob("*/*.fits"))
    assert list(truth["night"] + "/" + truth["frame"]) == on_disk
    headers = [fits.getheader(nights / name) for name in on_disk]
    assert len({header["INSTRUME"] for header in headers}) == 1
    assert len({header["OBJECT"] for header in headers}) == 3
    starts = [header["DATE-OBS"] for header in headers]
    assert starts == sorted(set(starts))
    assert [start[:10] for start in starts[::12]] == ["2024-09-09", "2024-09-10", "2024-09-11"]


def test_one_night_has_moonlight_and_one_ends_in_twilight(nights: Path) -> None:
    truth = pd.read_csv(nights / "truth.tsv", sep="\t", keep_default_na=False)
    dark, moonlit, dawn = (rows for _, rows in truth.groupby("night"))
    assert (dark["moon"] == 1).all()
    assert (dark["twilight"] < 1.01).all()
    assert (moonlit["moon"] > 2).all()
    assert moonlit["background_adu"].median() > 1.5 * dark["background_adu"].median()
    assert (dawn["twilight"].diff().iloc[1:] >= 0).all()
    assert dawn["twilight"].iloc[0] < 1.5 < 20 < dawn["twilight"].iloc[-1]
    assert dawn["verdict"].iloc[-1] == "contaminated"
    assert set(moonlit.loc[moonlit["artifacts"] == "none", "verdict"]) == {"clean"}


def test_the_truths_background_is_that_of_the_pixels(nights: Path) -> None:
    truth = pd.read_csv(nights / "truth.tsv", sep="\t", keep_default_na=False)
    for row in truth.itertuples():
        image = pixels_of(nights / str(row.night) / str(row.frame))
        assert sep.Background(image, bw=32, bh=32).globalback == pytest.approx(row.background_adu, rel=0.04)


def test_the_truths_hot_pixels_are_those_that_stay_through_a_dithered_night(nights: Path) -> None:
    truth = pd.read_csv(nights / "truth.tsv", sep="\t", keep_default_na=False)
    frames = [pixels_of(nights / row.night / row.frame) for row in truth.itertuples() if row.night == "2024-09-09"]
    lasting = np.median(frames, axis=0)
    lone = np.asarray(lasting - cv2.medianBlur(lasting, 5))[2:-2, 2:-2]
    assert truth["hot_pixels"].nunique() == 1
    assert np.count_nonzero(lone > 80) == pytest.approx(truth["hot_pixels"][0], abs=1)


def test_the_truth_tells_what_was_rendered(tmp_path: Path) -> None:
    trails = (Trail.across(0.0, 0.0, (200, 150), 4.0), Trail(10.0, 20.0, 50.0, 50.0, 9.0))
    recipes = [
        FrameRecipe(),
        FrameRecipe(transparency=0.6, moon=2.0),
        FrameRecipe(cloud_bank=CloudBank(0.4, 0.6, 45.0)),
        FrameRecipe(trails=trails),
        FrameRecipe(defocus_px=4.5, tracking_px=6.25, tracking_angle_deg=30.0),
        FrameRecipe(twilight=5.0),
    ]
    clean, veil, bank, streak, blurred, dawn = tiny_night(tmp_path / "n", recipes=recipes)
    assert [row.verdict for row in (clean, veil, bank, streak, blurred, dawn)] == ["clean"] + 4 * ["contaminated"] + [
        "clean"
    ]
    assert [row.artifacts for row in (clean, veil, bank, streak)] == ["none", "cloud", "cloud", "streak"]
    assert (blurred.artifacts, dawn.artifacts) == ("defocus,tracking", "twilight")
    assert (veil.transparency, veil.moon, bank.cloud_coverage, dawn.twilight) == (0.6, 2.0, 0.4, 5.0)
    assert (streak.trail_peak_sigma, streak.trail_length_px) == (9.0, pytest.approx(199.0, abs=1.5))
    assert (blurred.defocus_px, blurred.tracking_px) == (4.5, 6.25)
    assert {row.night for row in (clean, veil)} == {"n"}
    assert streak.trail_ends_px == "0,74,199,74;10,20,50,50"
    assert (clean.trail_ends_px, clean.occlusion, clean.rotation_deg) == ("none", 0.0, 0.0)
    assert blurred.star_fwhm_px > 1.5 * clean.star_fwhm_px > 1.5 * clean.fwhm_px
    level = {row.frame: float(np.median(pixels_of(tmp_path / "n" / row.frame))) for row in (clean, veil, dawn)}
    for row in (clean, veil, dawn):
        assert level[row.frame] == pytest.approx(row.background_adu, rel=0.02)
    assert level[dawn.frame] - 500 > 4 * (level[clean.frame] - 500)


def test_the_truth_reads_back_with_occlusion_and_flip(tmp_path: Path) -> None:
    recipes = [FrameRecipe(), FrameRecipe(occlusion=Occlusion(0.25, 30.0)), FrameRecipe()]
    telescope = Telescope(flips_at_meridian=True)
    rows = tiny_night(
        tmp_path / "n", frames=3, recipes=recipes, telescope=telescope, sky=Sky(transit_hours=0.03), exposure_s=60.0
    )
    (tmp_path / "truth.tsv").write_text(truth_table(rows))
    truth = pd.read_csv(tmp_path / "truth.tsv", sep="\t", keep_default_na=False)
    assert list(truth["occlusion"]) == [0.0, 0.25, 0.0]
    assert list(truth["rotation_deg"]) == [0.0, 0.0, 180.0]
    assert list(truth["artifacts"]) == ["none", "occlusion", "none"]
    assert list(truth["trail_ends_px"]) == ["none"] * 3


def test_a_tiny_night_is_clean_and_has_stars_enough_to_measure(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        rows = tiny_night(tmp_path / str(seed), seed=seed, frames=2)
        assert {row.verdict for row in rows} == {"clean"}
        image = pixels_of(tmp_path / str(seed) / "light_0001.fits")
        assert image.shape == (150, 200)
        background = sep.Background(image)
        assert 40 <= len(sep.extract(image - background, 4, err=background.globalrms)) <= 90


def test_a_tiny_night_takes_the_arguments_of_a_night(tmp_path: Path) -> None:
    rows = tiny_night(tmp_path / "n", frames=10, contaminated_fraction=0.5, camera=CAMERA, sky=Sky(moon=4.0))
    assert Counter(row.verdict for row in rows) == {"clean": 5, "contaminated": 5}
    assert rows[0].moon == 4.0
    assert pixels_of(tmp_path / "n" / "light_0001.fits").shape == (90, 120)


def test_recipes_must_be_as_many_as_frames(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 recipes for 3 frames"):
        simulate_night(tmp_path, frames=3, seed=1, recipes=[FrameRecipe()] * 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("recipe", "artifacts", "verdict"),
    [
        (FrameRecipe(moon=10.0), (), "clean"),
        (FrameRecipe(twilight=1.9), (), "clean"),
        (FrameRecipe(twilight=9.9), ("twilight",), "clean"),
        (FrameRecipe(twilight=10.0), ("twilight",), "contaminated"),
        (FrameRecipe(transparency=0.9), (), "clean"),
        (FrameRecipe(transparency=0.87), ("cloud",), "contaminated"),
        (FrameRecipe(cloud_bank=CloudBank(0.3, 0.05, 0.0)), (), "clean"),
        (FrameRecipe(cloud_bank=CloudBank(0.3, 0.4, 0.0)), ("cloud",), "contaminated"),
        (FrameRecipe(trails=(Trail(0, 0, 9, 9, 0.0),)), (), "clean"),
        (FrameRecipe(trails=(Trail(0, 0, 9, 9, 0.5),)), ("streak",), "contaminated"),
        (FrameRecipe(defocus_px=1.9, tracking_px=2.9), (), "clean"),
        (FrameRecipe(defocus_px=2.0), ("defocus",), "contaminated"),
        (FrameRecipe(tracking_px=3.0, twilight=3.0), ("tracking", "twilight"), "contaminated"),
        (FrameRecipe(occlusion=Occlusion(0.04, 0.0)), (), "clean"),
        (FrameRecipe(occlusion=Occlusion(0.05, 0.0)), ("occlusion",), "contaminated"),
    ],
)
def test_verdict_and_artifacts_follow_from_the_recipe(
    recipe: FrameRecipe, artifacts: tuple[str, ...], verdict: str
) -> None:
    assert recipe.artifacts == artifacts
    assert recipe.verdict == verdict


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(1, 120), seed=st.integers(0, 10**6), fraction=st.floats(0, 1))
def test_a_plan_has_the_asked_share_of_spoilt_frames(frames: int, seed: int, fraction: float) -> None:
    plan = plan_night(frames, seed, CAMERA, Sky(), fraction)
    assert len(plan) == frames
    assert sum(recipe.verdict == "contaminated" for recipe in plan) == round(frames * fraction)
    assert plan == plan_night(frames, seed, CAMERA, Sky(), fraction)
    # Nothing between clear and clouded: what a careful person could not call.
    assert not any(0.82 < recipe.transparency < 0.92 for recipe in plan)
    for recipe in plan:
        for trail in recipe.trails:
            assert trail.length_px(CAMERA.width_px, CAMERA.height_px) > 20


def test_a_plan_has_every_kind_in_realistic_shares_runs_and_strengths() -> None:
    plans = [plan_night(100, seed, CAMERA, Sky(), 0.3) for seed in range(40)]
    spoilt = [recipe for plan in plans for recipe in plan if recipe.artifacts]
    kinds = Counter(name for recipe in spoilt for name in recipe.artifacts)
    assert set(kinds) == {"cloud", "streak", "tracking", "defocus"}
    assert kinds["cloud"] > kinds["streak"] > kinds["tracking"] > kinds["defocus"] > 0.1 * len(spoilt)
    runs: dict[str, list[int]] = {"cloud": [], "streak": []}
    for plan in plans:
        for artifacts, run in groupby(plan, key=lambda recipe: recipe.artifacts):
            if artifacts in (("cloud",), ("streak",)):
                runs[artifacts[0]].append(len(list(run)))
    assert np.mean(runs["cloud"]) > 3
    assert np.mean(runs["streak"]) < 1.3
    peaks = [max(trail.peak_sigma for trail in recipe.trails) for recipe in spoilt if recipe.trails]
    assert np.percentile(peaks, 10) < 2.5 < 15 < np.percentile(peaks, 90)
    veils = [recipe.transparency for recipe in spoilt if recipe.transparency < 0.9]
    assert np.percentile(veils, 10) < 0.5 < 0.65 < np.percentile(veils, 90)
    places = np.array([index for plan in plans for index, recipe in enumerate(plan) if recipe.artifacts])
    assert np.histogram(places, bins=5, range=(0, 100))[0].min() > 0.14 * len(places)


def test_dawn_spoils_the_end_of_a_night_alone() -> None:
    for frames in (12, 60, 300):
        dawn = plan_night(frames, 1, CAMERA, Sky(twilight=30.0), 0.0)
        noted = [index for index, recipe in enumerate(dawn) if "twilight" in recipe.artifacts]
        assert noted
        assert min(noted) >= 0.7 * frames - 1
        assert dawn[-1].twilight == 30.0
        assert dawn[-1].verdict == "contaminated"


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_fraction_beyond_one_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="contaminated fraction"):
        plan_night(10, 1, CAMERA, Sky(), fraction)


def test_an_existing_frame_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "light_0001.fits").write_bytes(b"half of a frame")
    tiny_night(tmp_path, frames=1)
    assert [path.name for path in tmp_path.iterdir()] == ["light_0001.fits"]
    assert pixels_of(tmp_path / "light_0001.fits").shape == (150, 200)


def test_a_start_without_a_time_zone_is_utc(tmp_path: Path) -> None:
    naive = datetime(2024, 3, 1, 1, 2, 3, tzinfo=UTC).replace(tzinfo=None)
    tiny_night(tmp_path, frames=1, start=naive)
    assert fits.getheader(tmp_path / "light_0001.fits")["DATE-OBS"] == "2024-03-01T01:02:03.000"
