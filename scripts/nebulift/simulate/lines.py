"""Light along straight lines: trails of satellites and aircraft, spikes of bright stars."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nebulift.simulate.psf import moffat_radius
from nebulift.simulate.recipe import Trail

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

STEP_PX = 0.1
SPIKE_SCALE_PX = 8.0


class LineProfile:
    """Brightness across a line that seeing has broadened, 1 on the axis."""

    def __init__(self, fwhm_px: float, beta: float, width_px: float = 0.0, defocus_px: float = 0.0) -> None:
        """Take the seeing's FWHM and Moffat slope, the object's width, the defocus disc's radius (px)."""
        self.reach_px = 5.0 * fwhm_px + width_px / 2 + defocus_px
        steps = math.ceil(self.reach_px / STEP_PX)
        self.distance: FloatArray = np.linspace(-steps, steps, 2 * steps + 1) * STEP_PX
        # A Moffat star summed along one axis is again a Moffat profile, its slope less by 1/2.
        scale = moffat_radius(fwhm_px, beta)
        profile: npt.NDArray[np.floating] = np.asarray((1.0 + (self.distance / scale) ** 2) ** (0.5 - beta))
        profile = _blur(profile, np.abs(self.distance) <= 0.5)
        if width_px > 0:
            profile = _blur(profile, np.abs(self.distance) <= width_px / 2)
        if defocus_px > 0:
            profile = _blur(profile, np.sqrt(np.maximum(defocus_px**2 - self.distance**2, 0.0)))
        self.values: FloatArray = profile / profile.max()

    def __call__(self, distance_px: FloatArray) -> FloatArray:
        """Give the brightness at distances from the axis; 0 beyond the reach."""
        return np.interp(distance_px, self.distance, self.values, left=0.0, right=0.0)

    @property
    def area_px(self) -> float:
        """The profile's integral across the line."""
        return float(self.values.sum() * STEP_PX)


def add_trail(image: Image, trail: Trail, peak_e: float, profile: LineProfile) -> None:
    """Add a trail whose axis reaches `peak_e` electrons to `image` (h, w) in place."""
    length = math.hypot(trail.x1 - trail.x0, trail.y1 - trail.y0)
    reach = profile.reach_px
    along = np.arange(-reach, length + reach, STEP_PX * 2)
    lit = ((along >= 0) & (along <= length)).astype(float)
    if trail.dash_px > 0:
        lit *= np.mod(along, 2 * trail.dash_px) < trail.dash_px
    if trail.taper > 0:
        way = np.clip(along / length, 0.0, 1.0)
        # A meteor is brightest two thirds down its path.
        lit *= (6.75 * way**2 * (1.0 - way)) ** trail.taper
    if trail.flash_px > 0:
        lit *= 1.0 - trail.flash_depth * np.sin(math.pi * along / trail.flash_px) ** 2
    # Ends and dashes are as soft as the trail is across.
    lit = np.convolve(lit, profile.values[::2] / profile.values[::2].sum(), mode="same")
    _add_line(
        image,
        (trail.x0, trail.y0),
        (trail.x1, trail.y1),
        lambda distance: peak_e * np.interp(distance, along, lit, left=0.0, right=0.0),
        profile,
    )


def add_spikes(
    image: Image,
    centre: tuple[float, float],
    electrons: float,
    angle_deg: float,
    profile: LineProfile,
    floor_e: float,
) -> None:
    """Add a star's four spikes, `electrons` in all, which fade as 1/r^2 until below `floor_e` per px."""
    on_axis = electrons / 4 / SPIKE_SCALE_PX / profile.area_px
    reach = SPIKE_SCALE_PX * (math.sqrt(max(on_axis / floor_e, 1.0)) - 1.0)
    if reach < 1.0:
        return
    for angle in (angle_deg, angle_deg + 90.0):
        step_x, step_y = reach * math.cos(math.radians(angle)), reach * math.sin(math.radians(angle))
        _add_line(
            image,
            (centre[0] - step_x, centre[1] - step_y),
            (centre[0] + step_x, centre[1] + step_y),
            lambda distance: np.where(
                np.abs(distance - reach) <= reach,
                on_axis * (1.0 + np.abs(distance - reach) / SPIKE_SCALE_PX) ** -2.0,
                0.0,
            ),
            profile,
        )


def _add_line(
    image: Image,
    first: tuple[float, float],
    last: tuple[float, float],
    brightness: Callable[[FloatArray], FloatArray],
    profile: LineProfile,
) -> None:
    """Add brightness(distance along) * profile(distance across) around the line from one (x, y) to another.

    Raises ValueError when the two are the same.
    """
    (x0, y0), (x1, y1) = first, last
    if abs(x1 - x0) < abs(y1 - y0):
        _add_line(image.T, (y0, x0), (y1, x1), brightness, profile)
        return
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0:
        raise ValueError(f"a line needs two different ends, not ({x0}, {y0}) twice")
    cosine, sine = (x1 - x0) / length, (y1 - y0) / length
    height, width = image.shape
    window = math.ceil(profile.reach_px / abs(cosine)) + 1
    start = max(0, math.floor(min(x0, x1) - profile.reach_px))
    stop = min(width, math.ceil(max(x0, x1) + profile.reach_px) + 1)
    columns = np.arange(start, max(stop, start))
    middle = y0 + (columns - x0) * sine / cosine
    crossing = (middle > -window) & (middle < height + window)
    columns, middle = columns[crossing], middle[crossing]
    rows = np.rint(middle).astype(np.intp)[:, None] + np.arange(-window, window + 1)[None, :]
    from_x, from_y = columns[:, None] - x0, rows - y0
    light = brightness(from_x * cosine + from_y * sine) * profile(from_y * cosine - from_x * sine)
    inside = (rows >= 0) & (rows < height)
    # No pixel occurs twice, so plain addition is enough.
    image[rows[inside], np.broadcast_to(columns[:, None], rows.shape)[inside]] += light[inside].astype(np.float32)


def _blur(profile: npt.NDArray[np.floating], kernel: npt.ArrayLike) -> FloatArray:
    """Convolve a profile with a kernel of the same length."""
    return np.convolve(profile, np.asarray(kernel, dtype=float), mode="same")
