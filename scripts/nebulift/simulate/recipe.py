"""What goes wrong in one frame, and what a careful person would call that frame."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2

CLOUD_TRANSPARENCY = 0.88
"""A veil is a cloud below this: photometric nights wander by a few per cent."""
SEEN_ON_PX = 3.0
"""FWHM of the stars on which the limits of focus and tracking are seen."""
DEFOCUS_LIMIT_PX = 2.0
"""A blur disc of this radius widens a star of FWHM 3 px by a quarter; less passes as seeing."""
TRACKING_LIMIT_PX = 3.0
"""A smear of this length makes a star of FWHM 3 px longer than wide by a fifth; less passes as round."""
OCCLUSION_LIMIT = 0.05
"""An obstacle that hides less of the frame passes as a corner that nobody misses."""
TWILIGHT_NOTED = 2.0
TWILIGHT_LIMIT = 10.0
"""Sky factor from which twilight ruins the frame: the noise has grown threefold, 1.25 magnitudes are lost."""


class CloudBank(NamedTuple):
    """A bank of cloud over part of the frame, with soft edges."""

    coverage: float
    """Share of the frame under it, 0 to 1."""
    opacity: float
    """Share of the stars' light that its middle takes, 0 to 1."""
    angle_deg: float
    """Direction in which the clouds thicken, degrees counter-clockwise from +x."""


class Occlusion(NamedTuple):
    """A dome's edge, a roof or a tree in front of part of the field: it hides stars, trails and sky."""

    share: float
    """Of the frame behind it, 0 to 1."""
    angle_deg: float
    """Direction in which it lies, degrees counter-clockwise from +x."""
    softness: float = 0.15
    """Width of its edge, half the longer side of the frame = 1; soft, for it is far out of focus."""
    glow: float = 0.3
    """Its own level over that of the sky at the frame's centre."""


class FieldTurn(NamedTuple):
    """A turn of the field while the shutter is open: a slipping mount, a polar axis far off, a rotator that moves."""

    angle_deg: float
    """Counter-clockwise, evenly through the exposure; each star draws an arc about the centre."""
    x: float
    """Centre of the turn, 0 to 1 across the frame; it may lie outside."""
    y: float
    """The same from the first row to the last."""


@dataclass(frozen=True)
class Trail:
    """A straight trail from (x0, y0) to (x1, y1) in pixels of the frame; the ends may lie outside of it."""

    x0: float
    y0: float
    x1: float
    y1: float
    peak_sigma: float
    """Brightness on the axis in units of one pixel's sky noise at the frame's centre, before vignetting."""
    width_px: float = 0.0
    """Width of the object itself; seeing comes on top."""
    dash_px: float = 0.0
    """Length of a dash and of the gap behind it (an aircraft's blinking lights); 0 = unbroken."""
    taper: float = 0.0
    """How a meteor rises from nothing and fades: 1 as s^2 (1 - s) of the way s, larger shorter; 0 = even."""
    flash_px: float = 0.0
    """Distance from one flash of a tumbling satellite to the next; 0 = steady."""
    flash_depth: float = 1.0
    """Share of the light that is missing between its flashes, 0 to 1."""

    @classmethod
    def across(
        cls,
        angle_deg: float,
        offset_px: float,
        frame: tuple[int, int],
        peak_sigma: float,
        width_px: float = 0.0,
        dash_px: float = 0.0,
    ) -> Self:
        """Give the trail across a frame of (width, height) px at an angle, `offset_px` beside its centre."""
        width, height = frame
        along = (math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg)))
        x, y = (width - 1) / 2 - offset_px * along[1], (height - 1) / 2 + offset_px * along[0]
        reach = math.hypot(width, height)
        return cls(
            x - reach * along[0],
            y - reach * along[1],
            x + reach * along[0],
            y + reach * along[1],
            peak_sigma,
            width_px,
            dash_px,
        )

    def inside(self, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Give the ends (x, y) of the part in a frame of `width` x `height` px, to about a pixel; None without."""
        ends = ((round(self.x0), round(self.y0)), (round(self.x1), round(self.y1)))
        is_inside, first, last = cv2.clipLine((0, 0, width, height), *ends)
        return ((int(first[0]), int(first[1])), (int(last[0]), int(last[1]))) if is_inside else None

    def length_px(self, width: int, height: int) -> float:
        """Length of the part inside a frame of `width` x `height` px, to about a pixel; 0 when it misses."""
        ends = self.inside(width, height)
        return math.dist(*ends) if ends else 0.0


@dataclass(frozen=True)
class FrameRecipe:
    """What one frame suffers. The default is a perfect frame of a dark, clear sky."""

    transparency: float = 1.0
    """Share of the stars' light that a veil lets through, 1 = clear; a veil also brightens the sky."""
    cloud_bank: CloudBank | None = None
    trails: tuple[Trail, ...] = ()
    defocus_px: float = 0.0
    """Radius of the disc that a star is blurred to, before seeing."""
    tracking_px: float = 0.0
    """Length of the line along which stars are smeared."""
    tracking_angle_deg: float = 0.0
    """Its direction, degrees counter-clockwise from +x."""
    twilight: float = 1.0
    """Sky level over a dark sky's, by twilight alone; 1 = none."""
    moon: float = 1.0
    """Sky level over a dark sky's, by the moon alone; 1 = none."""
    occlusion: Occlusion | None = None
    turn: FieldTurn | None = None
    """Only where it is seen: with it the frame counts as badly tracked."""

    @property
    def artifacts(self) -> tuple[str, ...]:
        """What is to be seen: any of cloud, streak, defocus, tracking, occlusion, twilight (from a sky factor of 2)."""
        present = {
            "cloud": self.transparency < CLOUD_TRANSPARENCY or self._bank_is_seen(),
            "streak": any(trail.peak_sigma > 0 for trail in self.trails),
            "defocus": self.defocus_px >= DEFOCUS_LIMIT_PX,
            "tracking": self.tracking_px >= TRACKING_LIMIT_PX or self.turn is not None,
            "twilight": self.twilight >= TWILIGHT_NOTED,
            "occlusion": self.occlusion is not None and self.occlusion.share >= OCCLUSION_LIMIT,
        }
        return tuple(name for name, is_present in present.items() if is_present)

    @property
    def verdict(self) -> str:
        """`clean` or `contaminated`. Moonlight never counts, twilight only from a sky factor of 10."""
        spoilt = set(self.artifacts) - {"twilight"} or self.twilight >= TWILIGHT_LIMIT
        return "contaminated" if spoilt else "clean"

    def _bank_is_seen(self) -> bool:
        """Whether the bank dims some stars by at least a tenth over at least a fiftieth of the frame."""
        return self.cloud_bank is not None and self.cloud_bank[0] >= 0.02 and self.cloud_bank[1] >= 0.1
