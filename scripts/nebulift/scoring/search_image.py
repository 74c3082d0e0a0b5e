"""The images in which trails are searched: flat, binned, in units of their own noise, stars masked."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nebulift.scoring.pieces import Piece, find_pieces
from nebulift.scoring.robust import MAD_TO_SIGMA
from nebulift.scoring.spikes import mask_spikes
from nebulift.scoring.star_mask import bright_stars, mask_compact, mask_faint
from nebulift.scoring.stars import Stars

_FINE_SIDE = 1200  # longest side of the image in which trails are measured: a faint trail is some pixels wide
# All in pixels of that image and in units of its noise.
TILE_PX = 32  # the sky is smooth over it, a trail is not
_BAND_SIGMA = 0.15
_DRAWN_LONG = 0.85  # eccentricity
_NOISE_RANGE = (0.5, 2.0)  # of the usual noise
# A defect lifts or lowers more than this share of a column, which a trail crosses too soon to do.
_COLUMN_SHARE, _COLUMN_SIGMA, _COLUMN_NOISES = 0.25, 0.35, 7.0
_SHORTEST_COLUMN = 200
_BLEEDING_PX, _BLEEDING_GLOW_PX = 21, 6
_LONG_PIECE, _LONG_PIECE_PX = 0.6, 9  # of the shorter side; width of what belongs to it


@dataclass(frozen=True, slots=True)
class SearchImage:
    """`values` (rows, columns) float32 in units of their noise, `masked` what says nothing of trails.

    `pieces` are bright parts of trails; `bright_stars` (n, 3) x, y and radius (0: small) of stars with a glow and
    spikes, brightest first; `star_fwhm` is the width of stars here (0: unknown), `star_angle` the
    direction in radians along which the mount has drawn them long (NaN: they are not), `binning` how many pixels of the
    frame one pixel is wide, `noise_adu` the noise of one pixel in ADU.
    """

    values: NDArray[np.float32]
    masked: NDArray[np.bool_]
    pieces: tuple[Piece, ...]
    bright_stars: NDArray[np.float64]
    star_fwhm: float
    star_angle: float
    binning: int
    noise_adu: float


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
    `binned` x `binned` pixels, `noise_adu` the noise of one pixel of the frame. `stars` are masked,
    also the faint ones.
    """
    binning = max(1, math.ceil(max(residual.shape) / _FINE_SIDE))
    source, step = (image, binning // binned) if binning % binned == 0 else (residual, binning)
    height, width = (side - side % step for side in source.shape)
    size = (width // step, height // step)
    values = np.asarray(cv2.resize(source[:height, :width], size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    unknown = cv2.dilate((_shrunk(invalid, binning, size) > 0).view(np.uint8), np.ones((7, 7), np.uint8)) > 0
    unknown |= _bleeding(_shrunk(saturated, binning, size) > 0)
    values, noise = _flatten(values, noise_adu / binning)
    unknown |= _defective_columns(values) | _defective_columns(values.T).T
    pieces, trails = find_pieces(values)
    masked, cores = mask_compact(values, trails, binning)
    masked |= mask_faint(stars, trails, binning) | unknown
    bright = np.concatenate([cores, bright_stars(stars, noise_adu, masked, binning)])
    masked |= mask_spikes(values, masked, bright[:, :2]) & ~_long_pieces(pieces, values.shape)
    fwhm = stars.fwhm_px / binning if math.isfinite(stars.fwhm_px) else 0.0
    drawn_long = stars.eccentricity > _DRAWN_LONG and stars.elongation_order > 0.5
    angle = math.radians(stars.position_angle_deg) if drawn_long else math.nan
    return SearchImage(values, masked, pieces, bright, fwhm, angle, binning, noise)


def _long_pieces(pieces: tuple[Piece, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of pieces too long for spikes: trails that pass by bright stars."""
    mask = np.zeros(shape, dtype=np.uint8)
    for piece in pieces:
        if math.hypot(piece.x2 - piece.x1, piece.y2 - piece.y1) > _LONG_PIECE * min(shape):
            ends = (round(piece.x1), round(piece.y1)), (round(piece.x2), round(piece.y2))
            cv2.line(mask, *ends, color=(1,), thickness=_LONG_PIECE_PX)
    return mask > 0


def _shrunk(mask: NDArray[np.bool_], binning: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the share of each pixel of the search image, `size` its width and height, that is in `mask`."""
    if not mask.any():
        return np.zeros(size[::-1], dtype=np.float32)
    height, width = size[1] * binning, size[0] * binning
    # 255 and not 1: the mean is rounded to whole numbers.
    share = cv2.resize(mask[:height, :width].view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return np.asarray(share, dtype=np.float32) / np.float32(255)


def _bleeding(saturated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of columns and rows along which saturated stars bleed, their glow included."""
    full = saturated.view(np.uint8)
    bled = np.zeros_like(full)
    if full.any():
        for kernel in (np.ones((_BLEEDING_PX, 1), np.uint8), np.ones((1, _BLEEDING_PX), np.uint8)):
            bled |= cv2.morphologyEx(full, cv2.MORPH_OPEN, kernel)
        bled = cv2.dilate(bled, np.ones((2 * _BLEEDING_GLOW_PX + 1,) * 2, np.uint8))
    return np.asarray(bled > 0)


def _flatten(image: NDArray[np.float32], smallest_noise: float) -> tuple[NDArray[np.float32], float]:
    """Return the image without banding in units of its own local noise, and the usual noise."""
    # Cameras add to whole rows and columns; what is the same in all of one is not the sky's.
    # Less than a trail that runs almost along a row would shift it by is let be.
    scatter = np.float32(MAD_TO_SIGMA * np.median(np.abs(image[::3, ::3])))
    for axis in (1, 0):
        offset = np.median(image, axis=axis, keepdims=True)
        image = image - np.where(np.abs(offset) > _BAND_SIGMA * scatter, offset, np.float32(0))
    level, noise = _local_level_and_noise(image)
    usual = max(float(np.median(noise)), smallest_noise, 1e-12)
    # Where whole numbers hide the noise, there is no less of it than in the rest of the frame; inside a bright star
    # there is not more.
    noise = np.clip(noise, np.float32(_NOISE_RANGE[0] * usual), np.float32(_NOISE_RANGE[1] * usual))
    return np.asarray((image - level) / noise, dtype=np.float32), usual


def _defective_columns(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the mask of columns that are brighter or darker than the others over most of a half of them."""
    height = image.shape[0]
    # A broad trail may lie on most of a short column.
    length = height // 2 if height >= 2 * _SHORTEST_COLUMN else height
    masked = np.zeros(image.shape, dtype=bool)
    for start in {0, (height - length) // 2, height - length}:
        part = slice(start, start + length)
        low, high = np.quantile(image[part][::2], (_COLUMN_SHARE, 1 - _COLUMN_SHARE), axis=0)
        usual = float(np.median(high - low)) / 2
        least = max(_COLUMN_SIGMA, _COLUMN_NOISES / math.sqrt(max(length // 2, 1)))
        defective = (low + usual > least) | (high - usual < -least)
        masked[part] |= defective | np.roll(defective, 1) | np.roll(defective, -1)
    return masked


def _local_level_and_noise(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return maps of the local median and of the local noise, smooth between tiles."""
    height, width = image.shape
    padded = np.pad(image, ((0, -height % TILE_PX), (0, -width % TILE_PX)), mode="symmetric")
    rows, columns = padded.shape[0] // TILE_PX, padded.shape[1] // TILE_PX
    tiles = padded.reshape(rows, TILE_PX, columns, TILE_PX).swapaxes(1, 2).reshape(rows, columns, -1)
    sample = np.ascontiguousarray(tiles[:, :, ::3])
    level = np.median(sample, axis=2)
    noise = MAD_TO_SIGMA * np.median(np.abs(sample - level[:, :, None]), axis=2)
    size = (padded.shape[1], padded.shape[0])
    maps = [cv2.resize(grid.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) for grid in (level, noise)]
    return maps[0][:height, :width], maps[1][:height, :width]
