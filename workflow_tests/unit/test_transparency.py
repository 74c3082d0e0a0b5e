"""How clear the air was, by the stars that frames of a group share."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nebulift.nights.extinction import clear_level
from nebulift.nights.matching import match_group
from nebulift.nights.transparency import Clearness, group_clearness
from nebulift.tables import Row
from unit.builders import score_row

SIZE = (1000, 800)
Array = NDArray[np.float64]


class Field:
    """A field of stars that is looked at again and again, each time with noise of its own."""

    def __init__(self, stars: int = 150, seed: int = 3) -> None:
        self.random = np.random.default_rng(seed)
        count = round(stars * 1.8 * 1.8)
        self.places = self.random.uniform(-0.4, 1.4, (count, 2)) * SIZE
        self.flux = 10 ** self.random.uniform(4.0, 5.5, count)

    def look(
        self,
        light: float | Array = 1.0,
        shift: tuple[float, float] = (0.0, 0.0),
        turn_deg: float = 0.0,
        found: float = 1.0,
        **changes: Any,
    ) -> Row:
        """Return the row of a frame: `light` for all stars or for each, `found` of them by chance."""
        angle = math.radians(turn_deg)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        middle = (np.array(SIZE) - 1) / 2
        places = (self.places - middle) @ turn.T + middle + shift + self.random.normal(0, 0.1, self.places.shape)
        flux = self.flux * light + self.random.normal(0, 120, len(self.flux))
        seen = (places > 0).all(axis=1) & (places < SIZE).all(axis=1) & (flux > 900)
        seen &= self.random.random(len(flux)) < found
        listed = np.column_stack([places, flux])[seen]
        listed = listed[np.argsort(-listed[:, 2])]
        return score_row(stars=repr(listed.round(1).tolist()), star_count=len(listed), **changes)

    def dithered(self, light: float | Array = 1.0, **changes: Any) -> Row:
        return self.look(light, tuple(self.random.uniform(-30, 30, 2)), **changes)


def measured(rows: list[Row], hours: Array | None = None) -> list[Clearness]:
    return group_clearness(rows, SIZE, np.arange(len(rows)) / 60 if hours is None else hours)[0]


def transparencies(rows: list[Row], hours: Array | None = None) -> Array:
    return np.array([np.nan if found.transparency is None else found.transparency for found in measured(rows, hours)])


def test_veils_are_measured_to_a_percent() -> None:
    field = Field()
    light = np.array([1.0, 0.9, 1.0, 0.8, 0.99, 0.3, 1.0, 0.05, 1.0, 0.95, 1.0, 0.6])
    assert transparencies([field.dithered(value) for value in light]) == pytest.approx(light, abs=0.012)


@pytest.mark.parametrize("stars", [5, 12, 40])
def test_sparse_fields_are_measured_too(stars: int) -> None:
    field = Field(stars)
    light = np.array([1.0, 1.0, 0.7, 1.0, 1.0, 0.5, 1.0, 1.0])
    told = transparencies([field.dithered(value) for value in light])
    assert told[[2, 5]].max() < 0.83
    assert told[light == 1].min() > 0.93


def test_the_clear_frames_may_be_few() -> None:
    field = Field()
    light = np.concatenate([np.full(6, 1.0), field.random.uniform(0.3, 0.85, 14)])
    field.random.shuffle(light)
    assert transparencies([field.dithered(value) for value in light]) == pytest.approx(light, abs=0.02)


@pytest.mark.parametrize("turn_deg", [180.0, 31.0])
def test_a_meridian_flip_and_a_turned_camera_change_nothing(turn_deg: float) -> None:
    field = Field()
    light = [1.0, 0.8, 1.0, 1.0, 0.8, 1.0, 1.0, 0.8]
    rows = [field.dithered(value, turn_deg=turn_deg * (number > 3)) for number, value in enumerate(light)]
    assert transparencies(rows) == pytest.approx(light, abs=0.02)


def test_a_field_that_drifts_and_turns_is_followed() -> None:
    field = Field(300)
    rows = [field.look(shift=(10.0 * number, -6.0 * number), turn_deg=0.5 * number) for number in range(30)]
    _, placements = group_clearness(rows, SIZE, np.arange(30) / 60)
    assert None not in placements
    assert transparencies(rows) == pytest.approx(1, abs=0.02)


def test_stars_that_must_be_seen_and_are_not_are_counted() -> None:
    field = Field()
    told = measured([*(field.dithered() for _ in range(6)), field.dithered(0.0)])[-1]
    assert told.transparency is not None
    assert told.transparency < 0.15


def test_a_frame_of_another_field_tells_nothing() -> None:
    field = Field()
    (*_, other) = measured([*(field.dithered() for _ in range(6)), Field(seed=9).dithered()])
    assert other == Clearness()


@pytest.mark.parametrize(("share", "least"), [(0.15, 0.08), (0.3, 0.2), (0.6, 0.45)])
def test_what_hides_a_part_of_the_field_is_seen(share: float, least: float) -> None:
    field = Field()
    hidden = np.where(field.places[:, 0] < share * SIZE[0], 0.2, 1.0)
    rows = [field.dithered(hidden if number in (4, 5) else 1.0) for number in range(8)]
    told = [found.hidden_fraction or 0.0 for found in measured(rows)]
    assert min(told[4:6]) > least
    assert max(told[4:6]) < 1.5 * share + 0.1
    assert max(told[:4] + told[6:]) < 0.05


@pytest.mark.parametrize("axis", [0, 1])
def test_a_narrow_strip_is_neither_lost_between_stars_nor_made_wider(axis: int) -> None:
    told = []
    for seed in range(12):
        field = Field(150, seed)
        rows = [field.look(shift=tuple(field.random.uniform(-8, 8, 2))) for _ in range(7)]
        strip = np.where(field.places[:, axis] < 0.1 * SIZE[axis], 0.2, 1.0)
        (*clear, hidden) = measured([*rows, field.look(strip)])
        assert max(found.hidden_fraction or 0.0 for found in clear) < 0.02
        told.append(hidden.hidden_fraction or 0.0)
    assert 0.08 < np.mean(told) < 0.11


def test_one_star_that_is_gone_among_others_hides_nothing() -> None:
    field = Field(40)
    gone = np.ones(len(field.flux))
    inside = (field.places > 60).all(axis=1) & (field.places < np.array(SIZE) - 60).all(axis=1)
    gone[np.flatnonzero(inside)[3]] = 0.1
    (*_, odd) = measured([*(field.look() for _ in range(6)), field.look(gone)])
    assert odd.hidden_fraction == pytest.approx(0, abs=0.005)


def test_a_veil_over_all_of_the_field_hides_no_part_of_it() -> None:
    field = Field()
    *_, veiled = measured([*(field.dithered() for _ in range(6)), field.dithered(0.6)])
    assert veiled.hidden_fraction == pytest.approx(0, abs=0.02)


def test_stars_that_are_lost_now_and_then_hide_nothing() -> None:
    field = Field()
    told = measured([field.dithered(found=0.93) for _ in range(12)])
    assert max(found.hidden_fraction or 0.0 for found in told) < 0.05
    assert min(found.transparency or 0.0 for found in told) > 0.97


def test_stars_whose_light_depends_on_where_the_pixels_fall_hide_nothing() -> None:
    field = Field()
    restless = field.random.random(len(field.flux)) < 0.4
    told = measured(
        [field.dithered(np.where(restless, field.random.uniform(0.5, 1.2, len(restless)), 1.0)) for _ in range(10)]
    )
    assert max(found.hidden_fraction or 0.0 for found in told) < 0.04


def test_what_shines_beside_the_stars_of_a_nebula_is_no_change_of_the_air() -> None:
    field = Field()
    fwhm = field.random.uniform(3.0, 4.0, 20)
    rows = [field.dithered(float((width / 3) ** 1.2), fwhm_px=float(width)) for width in fwhm]
    rows[7] = field.dithered(0.7 * float((fwhm[7] / 3) ** 1.2), fwhm_px=float(fwhm[7]))
    told = transparencies(rows)
    assert told[7] == pytest.approx(0.7, abs=0.05)
    assert np.delete(told, 7) == pytest.approx(1, abs=0.06)


def test_a_brighter_sky_is_no_cloud() -> None:
    field = Field()
    rows = [field.dithered(background_adu=1000.0 * (1 + number), background_noise_adu=60.0) for number in range(8)]
    assert transparencies(rows) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("known", [True, False])
def test_a_setting_target_is_no_cloud_and_a_veil_before_it_is(known: bool) -> None:
    field = Field()
    hours = np.linspace(0, 4, 40)
    airmass = 1 / (0.45 + 0.55 * np.cos(np.radians(15 * hours)))
    light = 10 ** (-0.4 * 0.25 * (airmass - 1))
    veiled = np.isin(np.arange(40), [10, 25, 26, 27, 38])
    rows = [
        field.dithered(value * (0.8 if cloud else 1), airmass=air if known else None)
        for value, air, cloud in zip(light, airmass, veiled, strict=True)
    ]
    told = transparencies(rows, hours)
    assert told[veiled] == pytest.approx(0.8, abs=0.03)
    assert told[~veiled] == pytest.approx(1, abs=0.03)


def test_a_veil_that_thickens_faster_than_air_can_is_seen_without_an_airmass() -> None:
    hours = np.linspace(0, 2, 60)
    light = np.where(hours < 1, 1.0, 1 - 0.4 * (hours - 1))
    nothing = np.full(60, np.nan)
    told = light / clear_level(light, nothing, hours, np.full(60, 3.0))
    assert told[hours < 0.8].min() > 0.95
    assert told[-1] < 0.75


def test_the_extinction_stays_within_what_air_can_do() -> None:
    airmass = np.linspace(1, 2, 40)
    light = 10 ** (-0.4 * 1.5 * (airmass - 1))
    told = light / clear_level(light, airmass, airmass, np.full(40, 3.0))
    assert told[-1] < 0.6


def test_frames_out_of_focus_do_not_make_sharp_ones_look_dim() -> None:
    field = Field()
    rows = [field.dithered(1.06, fwhm_px=6.0) if number % 3 == 0 else field.dithered() for number in range(30)]
    assert transparencies(rows)[1::3] == pytest.approx(1, abs=0.025)


def test_without_stars_nothing_is_said() -> None:
    assert measured([score_row(stars="[]") for _ in range(5)]) == [Clearness()] * 5
    assert measured([]) == []


def test_stars_are_matched_one_to_one() -> None:
    field = Field()
    lists = [np.array(eval(field.dithered()["stars"])) for _ in range(5)]
    matched = match_group(lists, SIZE)
    # Each star keeps its light through all frames, so a column that mixes two stars would scatter.
    scatter = np.nanstd(matched.flux_adu, axis=0) / np.nanmean(matched.flux_adu, axis=0)
    assert np.median(np.isfinite(matched.flux_adu).mean(axis=0)) > 0.9
    assert scatter.max() < 0.1


def test_few_frames_far_from_one_another_still_have_a_clear_level() -> None:
    light = np.array([0.3, 0.6, 1.0])
    level = clear_level(light, np.full(3, np.nan), np.full(3, np.nan), np.full(3, 3.0))
    assert ((level > 0.6) & (level <= 1.0)).all()
