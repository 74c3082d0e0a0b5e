"""Simulated exposures of the catalogue's set-ups, as frames in memory."""

from dataclasses import replace
from functools import lru_cache

from nebulift.frames.frame import CaptureMetadata, Frame
from nebulift.frames.luminance import luminance
from nebulift.scoring.score import FrameScore, ScoringSettings, score_frame
from nebulift.simulate.catalogue import SetUp, set_ups
from nebulift.simulate.equipment import Camera
from nebulift.simulate.exposure import Exposure


def names(half: str) -> list[str]:
    """Return the names of the set-ups of a half, in the catalogue's order."""
    return [set_up.name for set_up in set_ups(half)]


def monochrome(half: str) -> list[str]:
    """Return the names of those with a monochrome camera."""
    return [set_up.name for set_up in set_ups(half) if not set_up.camera.bayer_pattern]


@lru_cache(maxsize=64)
def set_up_of(half: str, name: str, width_px: int, height_px: int, fwhm_px: float | None = None) -> SetUp:
    """Return a set-up by its name with frames of a size, under steady seeing of `fwhm_px` where that is given."""
    found = next(set_up for set_up in set_ups(half, width_px, height_px) if set_up.name == name)
    if fwhm_px is None:
        return found
    seeing = fwhm_px * found.telescope.pixel_scale_arcsec
    return replace(found, sky=replace(found.sky, seeing_arcsec=seeing, seeing_drift=0.0))


def frame_of(exposure: Exposure, camera: Camera) -> Frame:
    """Return an exposure as the frame that a reader would give."""
    return Frame(
        raw=exposure.pixels,
        pixels=luminance(exposure.pixels, camera.bayer_pattern),
        metadata=CaptureMetadata(bayer_pattern=camera.bayer_pattern),
        saturation_adu=float(camera.saturation_adu),
        saturation_source="header",
    )


def scored(exposure: Exposure, camera: Camera) -> FrameScore:
    """Measure an exposure with the default settings."""
    return score_frame(frame_of(exposure, camera), ScoringSettings())
