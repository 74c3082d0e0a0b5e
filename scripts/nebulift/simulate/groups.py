"""Stars that belong together: clusters, rows, and the brightest."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nebulift.simulate.equipment import Camera
from nebulift.simulate.target import Target

FloatArray = npt.NDArray[np.float64]

CLUSTER_SLOPE = 0.2
"""d log10 N / d magnitude in an open cluster: flatter than the field's, so that its bright stars stand out."""


class Group(NamedTuple):
    """Places in px and magnitudes of stars, each (n,)."""

    x_px: FloatArray
    y_px: FloatArray
    magnitude: FloatArray


def star_groups(target: Target, camera: Camera, faintest: float, rng: np.random.Generator) -> Group:
    """Draw all stars of the target; `faintest` is the magnitude of a star that can just be found."""
    groups = [
        _cluster(target, camera, faintest, rng),
        _row(target, camera, faintest, rng),
        Group(*_places(camera, target.bright_stars, rng), rng.uniform(4.0, 7.5, target.bright_stars)),
    ]
    return Group(*(np.concatenate(parts) for parts in zip(*groups, strict=True)))


def _cluster(target: Target, camera: Camera, faintest: float, rng: np.random.Generator) -> Group:
    """Stars around a place near the middle: Plummer's profile, seen from far (Plummer 1911)."""
    count = target.cluster_stars
    x, y = camera.width_px * rng.uniform(0.35, 0.65), camera.height_px * rng.uniform(0.35, 0.65)
    inner = np.minimum(rng.random(count), 0.97)
    # Half of the light of a projected Plummer sphere lies within its scale radius.
    distance = target.cluster_radius_px * np.sqrt(inner / (1.0 - inner))
    angle = rng.uniform(0, 2 * np.pi, count)
    if target.globular:
        magnitude = faintest - rng.triangular(-0.5, 0.0, 5.0, count)
    else:
        magnitude = np.maximum(faintest + np.log10(1.0 - rng.random(count)) / CLUSTER_SLOPE, faintest - 10.0)
    return Group(x + distance * np.cos(angle), y + distance * np.sin(angle), magnitude)


def _row(target: Target, camera: Camera, faintest: float, rng: np.random.Generator) -> Group:
    """Stars in a straight row through the middle part, unevenly spaced and within a pixel of the line."""
    count = target.aligned_stars
    centre = np.array([camera.width_px, camera.height_px]) * rng.uniform(0.4, 0.6, 2)
    angle, length = rng.uniform(0, np.pi), 0.75 * min(camera.width_px, camera.height_px)
    along = (np.linspace(-0.5, 0.5, count) + rng.normal(0, 0.15 / max(count, 1), count)) * length
    beside = rng.normal(0.0, 0.7, count)
    return Group(
        centre[0] + along * np.cos(angle) - beside * np.sin(angle),
        centre[1] + along * np.sin(angle) + beside * np.cos(angle),
        faintest - rng.uniform(5.0, 8.0) + rng.normal(0.0, 0.5, count),
    )


def _places(camera: Camera, count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    return rng.uniform(0, camera.width_px, count), rng.uniform(0, camera.height_px, count)
