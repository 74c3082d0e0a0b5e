"""The images in which trails are searched: flat, binned, in units of their own noise, stars masked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from nebulift.scoring.defective_columns import defective_columns
from nebulift.scoring.flatten import flatten
from nebulift.scoring.pieces import Piece, find_pieces, leans
from nebulift.scoring.sky_structure import sky_structure
from nebulift.scoring.spikes import angles_of_each, mask_spikes, spike_angles
from nebulift.scoring.star_mask import bright_stars, faint_sources, mask_compact, mask_cores, mask_faint
from nebulift.scoring.star_subtraction import subtract_stars
from nebulift.scoring.stars import Stars

_FINE_SIDE = 1280  # longest side of the image in which trails are measured: a faint trail is some pixels wide
# All in pixels of that image.
_DRAWN_LONG = 0.85  # eccentricity
_BLEEDING_PX, _BLEEDING_GLOW_PX = 21, 6
_LEANING_PX = 41  # width of what belongs to a piece that is no bleeding
_LONG_PIECE, _LONG_PIECE_PX = 0.6, 9  # of the shorter side; width of what belongs to it


@dataclass(frozen=True, slots=True)
class SearchImage:
    """A frame made ready for the search; all arrays but those of stars have its shape (rows, columns).

    `values` are float32 in units of their noise, `structure` what of them is the sky's own. `masked` says nothing of
    trails, `masked_faint` is also what may be faint stars: the pieces of a trail that is not fainter than these are
    among them. `pieces` are bright parts of trails and `trails` their pixels, `winding_share` the share of pixels of
    what is bright and long but winds. `bright_stars` (n, 4) are x, y, radius (0: small) and flux in ADU of stars with
    a glow and spikes, brightest first; `spike_angles` are the directions of these in radians (None: not known),
    `angles_of_each` those that some of the very brightest shows alone. `star_fwhm` is the width of stars here (0:
    unknown), `star_angle` the direction in radians along which the mount has drawn them long (NaN: they are not),
    `binning` how many pixels of the frame one pixel is wide, `noise_adu` the noise of one pixel in ADU.
    """

    values: NDArray[np.float32]
    structure: NDArray[np.float32]
    masked: NDArray[np.bool_]
    masked_faint: NDArray[np.bool_]
    pieces: tuple[Piece, ...]
    trails: NDArray[np.bool_]
    winding_share: float
    bright_stars: NDArray[np.float64]
    spike_angles: NDArray[np.float64] | None
    angles_of_each: NDArray[np.float64]
    star_fwhm: float
    star_angle: float
    binning: int
    noise_adu: float

    @property
    def masks(self) -> dict[bool, NDArray[np.bool_]]:
        """Return both masks, by whether they hold faint stars too."""
        return {True: self.masked_faint, False: self.masked}

    def without_structure(self) -> "SearchImage":
        """Return the same without the structure of the sky in `values`."""
        return replace(self, values=self.values - self.structure, structure=np.zeros_like(self.structure))


def make_search_image(
    residual: NDArray[np.float32],
    invalid: NDArray[np.bool_],
    saturated: NDArray[np.bool_],
    image: NDArray[np.float32],
    binned: int,
    stars: Stars,
    noise_adu: float,
) -> SearchImage:
    """Make the search image of a frame.

    `residual` is the background-subtracted frame without hot pixels (float32 ADU), `image` the same averaged over
    `binned` x `binned` pixels: where that is more than 1, the stars may be taken away in `image` itself. `noise_adu` is
    the noise of one pixel of the frame. What is left of `stars` is masked.
    """
    binning = max(1, math.ceil(max(residual.shape) / _FINE_SIDE))
    source, step = (image, binning // binned) if binning % binned == 0 else (residual, binning)
    height, width = (side - side % step for side in source.shape)
    size = (width // step, height // step)
    values, noise = flatten(_binned(source, size, step), noise_adu / binning)
    pieces, trails, winding = find_pieces(values)
    # Stars that can be taken away need no mask, but for where their cores are too bright for it to be done well.
    cleared = source if source is image and binned > 1 else source.copy()
    model = subtract_stars(cleared, binning // step, stars, trails, noise_adu * step / binning)
    if model is not None:
        values, noise = flatten(_binned(cleared, size, step), noise_adu / binning)
    unknown = cv2.dilate(_shrunk(invalid, binning, size).view(np.uint8), np.ones((7, 7), np.uint8)) > 0
    unknown |= _bleeding(_shrunk(saturated, binning, size)) & ~(trails & _leaning_pieces(pieces, trails.shape))
    masked, cores = mask_compact(values, trails, binning)
    masked |= mask_faint(stars, trails, binning) if model is None else mask_cores(model, values.shape, step, noise)
    masked |= unknown | cv2.dilate(winding.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    # A bright trail almost along a column is not one of its defects.
    masked = masked | defective_columns(values, masked, trails) | defective_columns(values.T, masked.T, trails.T).T
    bright = bright_stars(stars, cores, noise_adu, masked, binning)
    angles = spike_angles(values, bright[:, :2])
    if angles is not None:
        masked |= mask_spikes(values, masked, bright, angles) & ~_long_pieces(pieces, values.shape)
    structure = sky_structure(values, masked | trails)
    fwhm = stars.fwhm_px / binning if math.isfinite(stars.fwhm_px) else 0.0
    drawn_long = stars.eccentricity > _DRAWN_LONG and stars.elongation_order > 0.5
    angle = math.radians(stars.position_angle_deg) if drawn_long else math.nan
    return SearchImage(
        values=values,
        structure=structure,
        masked=masked,
        masked_faint=masked | faint_sources(values - structure, masked),
        pieces=pieces,
        trails=trails,
        winding_share=float(winding.mean()),
        bright_stars=bright,
        spike_angles=angles,
        angles_of_each=angles_of_each(values, bright[:, :2]),
        star_fwhm=fwhm,
        star_angle=angle,
        binning=binning,
        noise_adu=noise,
    )


def _binned(image: NDArray[np.float32], size: tuple[int, int], step: int) -> NDArray[np.float32]:
    """Return an image averaged over `step` x `step` pixels, `size` its width and height."""
    part = image[: size[1] * step, : size[0] * step]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _long_pieces(pieces: tuple[Piece, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of pieces too long for spikes: trails that pass by bright stars."""
    shortest = _LONG_PIECE * min(shape)
    long = [piece for piece in pieces if math.hypot(piece.x2 - piece.x1, piece.y2 - piece.y1) > shortest]
    return _drawn(long, shape, _LONG_PIECE_PX)


def _leaning_pieces(pieces: tuple[Piece, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of pieces that lean too much for bleeding: saturated trails."""
    return _drawn([piece for piece in pieces if leans(piece)], shape, _LEANING_PX)


def _drawn(pieces: Sequence[Piece], shape: tuple[int, ...], width: int) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=np.uint8)
    for piece in pieces:
        ends = (round(piece.x1), round(piece.y1)), (round(piece.x2), round(piece.y2))
        cv2.line(mask, *ends, color=(1,), thickness=width)
    return mask > 0


def _shrunk(mask: NDArray[np.bool_], binning: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of the search image, `size` its width and height, hold any of `mask`."""
    if not any(mask.strides) or not mask.any():
        return np.zeros(size[::-1], dtype=bool)
    return np.asarray(_any_in_cells(mask, binning, size[1], size[0]))


@njit(cache=True)
def _any_in_cells(mask: NDArray[np.bool_], binning: int, rows: int, columns: int) -> NDArray[np.bool_]:
    found = np.zeros((rows, columns), dtype=np.bool_)
    for row in range(rows):
        together = mask[row * binning].copy()
        for further in range(row * binning + 1, (row + 1) * binning):
            for place in range(len(together)):
                together[place] |= mask[further, place]
        for place in range(columns * binning):
            if together[place]:
                found[row, place // binning] = True
    return found


def _bleeding(saturated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of columns and rows along which saturated stars bleed, their glow included."""
    full = saturated.view(np.uint8)
    bled = np.zeros_like(full)
    if full.any():
        for kernel in (np.ones((_BLEEDING_PX, 1), np.uint8), np.ones((1, _BLEEDING_PX), np.uint8)):
            bled |= cv2.morphologyEx(full, cv2.MORPH_OPEN, kernel)
        bled = cv2.dilate(bled, np.ones((2 * _BLEEDING_GLOW_PX + 1,) * 2, np.uint8))
    return np.asarray(bled > 0)
