"""Samples of stars and hot pixels, and what a night makes of the latter and of its sky."""

import numpy as np
import pytest

from nebulift.nights.samples import cell_of, place_hash, read_sample, sample_pixels, sample_stars, write_sample
from nebulift.nights.trend import hot_pixel_persistence, hours_of, sky_bumps
from unit.builders import score_row

SIZE = (800, 600)
RANDOM = np.random.default_rng(2)


def stars(count: int, saturated: int = 0) -> list[list[float]]:
    x, y = RANDOM.uniform(0, 1, (2, count)) * np.array(SIZE)[:, None]
    flux = np.sort(10 ** RANDOM.uniform(3, 6, count))[::-1]
    return sample_stars(x, y, flux, np.arange(count) < saturated, *SIZE)


def test_few_stars_are_all_listed_brightest_first() -> None:
    listed = stars(40)
    assert len(listed) == 40
    assert [flux for *_, flux in listed] == sorted((flux for *_, flux in listed), reverse=True)


def test_many_stars_are_sampled_all_over_the_field() -> None:
    x, y = RANDOM.uniform(0, 1, (2, 3000)) * np.array(SIZE)[:, None]
    # A cluster as rich as half the field, brighter than everything around.
    x[:1500], y[:1500] = 400 + RANDOM.normal(0, 20, 1500), 300 + RANDOM.normal(0, 20, 1500)
    listed = np.array(sample_stars(x, y, np.linspace(1e6, 1e3, 3000), np.zeros(3000, dtype=bool), *SIZE))
    assert len(listed) == 200
    assert np.bincount(cell_of(listed[:, 0], listed[:, 1], *SIZE), minlength=48).min() >= 3


def test_saturated_stars_are_listed_without_light_and_never_many() -> None:
    listed = stars(100, saturated=50)
    assert [flux for *_, flux in listed[:24]] == [0.0] * 24
    assert all(flux > 0 for *_, flux in listed[24:])
    assert len(listed) == 74


def test_samples_survive_the_table() -> None:
    listed = stars(30)
    text = write_sample(listed)
    assert " " not in text
    assert read_sample(text, 3) == pytest.approx(np.array(listed))
    assert read_sample("[]", 3).shape == (0, 3)
    assert read_sample("", 2).shape == (0, 2)


def places(count: int) -> np.ndarray:
    flat = RANDOM.choice(SIZE[0] * SIZE[1], count, replace=False)
    return np.column_stack([flat % SIZE[0], flat // SIZE[0]])


def test_frames_choose_the_same_hot_pixels() -> None:
    common = places(1000)
    first, second = (sample_pixels(*np.concatenate([common, places(100)]).T) for _ in range(2))
    assert len(first) == len(second) == 64
    assert len({(x, y) for x, y in first} & {(x, y) for x, y in second}) > 50


def test_hashes_of_places_differ() -> None:
    y, x = np.mgrid[:100, :100]
    assert len(np.unique(place_hash(x.ravel(), y.ravel()))) == 10_000


@pytest.mark.parametrize("count", [20, 2000])
def test_persistence_is_the_share_of_hot_pixels_that_stay(count: int) -> None:
    stay, fresh = places(count), [places(count) for _ in range(4)]
    kept = [np.concatenate([stay[: count * share // 10], new[: count - count * share // 10]]) for share, new in
            zip((10, 10, 5, 0), fresh, strict=True)]  # fmt: skip
    rows = [score_row(hot_pixels=write_sample(sample_pixels(*places.T))) for places in kept]
    told = hot_pixel_persistence(rows)
    assert told == pytest.approx([1, 1, 0.5, 0], abs=0.2)


def test_persistence_needs_another_frame_of_the_camera() -> None:
    rows = [score_row(camera=name, hot_pixels="[[1,2]]") for name in "AB"]
    assert hot_pixel_persistence(rows) == [None, None]
    assert hot_pixel_persistence([score_row(), score_row(hot_pixels="[[1,2]]")]) == [None, 0.0]


def test_moonrise_and_twilight_are_no_bumps() -> None:
    rising = list(100 * 1.1 ** np.arange(30))
    assert sky_bumps(rising) == pytest.approx([1.0] * 30)
    assert sky_bumps(rising[::-1]) == pytest.approx([1.0] * 30)
    assert sky_bumps(rising[::-1] + rising) == pytest.approx([1.0] * 60)


def test_a_lit_cloud_is_a_bump() -> None:
    sky = 100 * 1.01 ** np.arange(40)
    sky[18:22] *= 1.5
    told = np.array(sky_bumps(list(sky)), dtype=float)
    assert told[18:22].min() > 1.4
    assert np.delete(told, range(18, 22)).max() < 1.1


def test_unknown_sky_levels_are_passed_over() -> None:
    assert sky_bumps([None, 100.0, -1.0, 100.0]) == [None, 1.0, None, 1.0]
    assert sky_bumps([None]) == [None]
    assert sky_bumps([]) == []


def test_hours_count_from_the_first_frame() -> None:
    times = ["2024-09-09T23:00:00.000", "2024-09-10T00:30:00.000", "", "2024-09-09T22:00:00.000"]
    assert hours_of([score_row(date_obs=time) for time in times]) == pytest.approx([1, 2.5, np.nan, 0], nan_ok=True)
    assert np.isnan(hours_of([score_row(date_obs="")])).all()
