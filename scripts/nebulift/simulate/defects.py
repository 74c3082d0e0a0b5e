"""Lasting defects of a camera: dust, dead spots, hot columns, a glowing amplifier; its name fixes them."""

import math
import zlib

import numpy as np
import numpy.typing as npt

from nebulift.simulate.equipment import Camera, Telescope

Image = npt.NDArray[np.float32]

GLOW_REACH = 0.05
"""Distance within which an amplifier's glow falls to 1/e, as a share of the longer side."""


def camera_generator(camera: Camera, stream: str) -> np.random.Generator:
    """Give the random stream of one kind of defect: it depends on the camera's name and size alone."""
    seed = [zlib.crc32(camera.name.encode()), camera.height_px, camera.width_px, zlib.crc32(stream.encode())]
    return np.random.default_rng(seed)


def add_hot_columns(dark: Image, camera: Camera) -> None:
    """Add to the dark current (h, w), in electrons per second, in place."""
    rng = camera_generator(camera, "hot columns")
    for column in rng.choice(camera.width_px, camera.hot_columns, replace=False):
        first = 0 if rng.random() < 0.4 else int(rng.integers(0, camera.height_px))
        dark[first:, column] += 10 ** rng.uniform(math.log10(0.5), math.log10(20.0))


def add_amplifier_glow(dark: Image, camera: Camera) -> None:
    """Add to the dark current (h, w), in electrons per second, in place."""
    height, width = dark.shape
    corner_y, corner_x = camera_generator(camera, "amplifier").integers(0, 2, 2) * np.array([height - 1, width - 1])
    y, x = np.arange(height, dtype=np.float32) - corner_y, np.arange(width, dtype=np.float32) - corner_x
    distance = np.hypot(y[:, None], x[None, :])
    dark += np.float32(camera.amplifier_glow_e_per_s) * np.exp(-distance / np.float32(GLOW_REACH * max(height, width)))


def dust_shadows(camera: Camera, telescope: Telescope) -> Image:
    """Give the light that dust lets through to each pixel (h, w), 0 to 1."""
    rng = camera_generator(camera, "dust")
    through = np.ones((camera.height_px, camera.width_px), dtype=np.float32)
    for _ in range(camera.dust_shadows):
        radius, depth = rng.uniform(8.0, 45.0), rng.uniform(0.03, 0.15)
        part, distance = _around(through, rng, radius + 3.0)
        ring = np.clip((radius - distance) / 3.0 + 0.5, 0, 1)
        ring -= np.clip((radius * telescope.obstruction - distance) / 3.0 + 0.5, 0, 1) * (telescope.obstruction > 0)
        part *= 1.0 - np.float32(depth) * ring
    return through


def dead_areas(camera: Camera) -> Image:
    """Give the response of each pixel (h, w) over that of a sound one, 0 to 1."""
    rng = camera_generator(camera, "dead areas")
    alive = np.ones((camera.height_px, camera.width_px), dtype=np.float32)
    for _ in range(camera.dead_areas):
        radius, left = rng.uniform(2.0, 12.0), rng.uniform(0.1, 0.7)
        part, distance = _around(alive, rng, radius + 1.0)
        part[distance < radius] *= np.float32(left)
    return alive


def _around(image: Image, rng: np.random.Generator, reach_px: float) -> tuple[Image, Image]:
    """Draw a place; give the view of the image around it and each of its pixels' distance, both (k, l)."""
    height, width = image.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    rows = slice(max(0, math.floor(y - reach_px)), min(height, math.ceil(y + reach_px)))
    columns = slice(max(0, math.floor(x - reach_px)), min(width, math.ceil(x + reach_px)))
    from_y, from_x = np.arange(rows.start, rows.stop) - y, np.arange(columns.start, columns.stop) - x
    return image[rows, columns], np.hypot(from_y[:, None], from_x[None, :]).astype(np.float32)
