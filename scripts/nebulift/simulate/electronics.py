"""What reading out does to charge: wells that spill along columns, offsets of whole rows and columns."""

import numpy as np
import numpy.typing as npt

from nebulift.simulate.defects import camera_generator
from nebulift.simulate.equipment import Camera

FloatArray = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]


def bloom(electrons: Image, full_well_e: float) -> None:
    """Let charge above the full well spill along its column, half each way, in `electrons` (h, w) in place.

    What reaches the first or the last row drains away.
    """
    for column in np.flatnonzero((electrons > full_well_e).any(axis=0)):
        charge = electrons[:, column].astype(np.float64)
        full = np.concatenate(([False], charge > full_well_e, [False]))
        starts, stops = np.flatnonzero(full[1:] & ~full[:-1]), np.flatnonzero(full[:-1] & ~full[1:])
        for start, stop in zip(starts, stops, strict=True):
            excess = float(np.maximum(charge[start:stop] - full_well_e, 0.0).sum())
            charge[start:stop] = np.minimum(charge[start:stop], full_well_e)
            _fill(charge[stop:], excess / 2, full_well_e)
            _fill(charge[:start][::-1], excess / 2, full_well_e)
        electrons[:, column] = charge


def _fill(charge: FloatArray, excess_e: float, full_well_e: float) -> None:
    """Fill wells (n,) one after the other in place until the excess is used up; those too full stay so."""
    room = np.maximum(full_well_e - charge, 0.0)
    before = np.cumsum(room) - room
    charge += np.clip(excess_e - before, 0.0, room)


def add_offsets(electrons: Image, camera: Camera, rng: np.random.Generator) -> None:
    """Add the banding of one frame, the lasting pattern and the edge rows to `electrons` (h, w) in place."""
    height, width = electrons.shape
    lasting = camera_generator(camera, "pattern")
    rows: FloatArray = np.asarray(lasting.standard_normal(height) * camera.row_pattern_e)
    columns: FloatArray = np.asarray(lasting.standard_normal(width) * camera.column_pattern_e)
    if camera.row_banding_e:
        rows += camera.row_banding_e * _bands(height, camera.banding_width_px, rng)
    if camera.column_banding_e:
        columns += camera.column_banding_e * _bands(width, camera.banding_width_px, rng)
    if camera.edge_rows and camera.edge_row_e:
        inwards = np.maximum(1.0 - np.minimum(np.arange(height), np.arange(height)[::-1]) / camera.edge_rows, 0.0)
        rows += camera.edge_row_e * inwards * rng.normal(1.0, 0.1)
    if rows.any():
        electrons += rows[:, None].astype(np.float32)
    if columns.any():
        electrons += columns[None, :].astype(np.float32)


def _bands(length: int, width_px: float, rng: np.random.Generator) -> FloatArray:
    """Draw offsets (length,), 1 rms, alike over about `width_px`."""
    offsets = rng.standard_normal(length)
    if width_px <= 1:
        return offsets
    reach = int(3 * width_px) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (width_px / 2)) ** 2)
    padded = np.concatenate((rng.standard_normal(reach), offsets, rng.standard_normal(reach)))
    return np.convolve(padded, kernel / np.sqrt((kernel**2).sum()), mode="valid")
