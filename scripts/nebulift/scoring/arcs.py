"""Stars that a moving mount has drawn out so far that none of them looks like a star: arcs, or lines side by side."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LARGE_PIXELS = 8  # an object of fewer has no direction
_LONG = 3.0  # times longer than wide
_ALONG_DEG = 15.0  # off the way around the centre
_ROUNDS = 5
_FEWEST = 4  # from so many on they tell the centre of their turn, fewer have to bend visibly
_BENT_WIDTHS, _BENT_LENGTHS = 2.0, 0.02  # sagitta over the line's own width and over its length


def arc_fraction(image: NDArray[np.float32], objects: NDArray[np.void]) -> float:
    """Return which share of SEP's `objects` on an `image` (background-subtracted) are arcs about one common centre.

    The smaller one of the shares by number and by light, 0 to 1: one bright trail among stars has the light but not the
    number, and short pieces of a glow the number but not the light. A turn about a far centre draws parallel lines.
    Satellites fly straight, and pieces of nebulae and galaxies lie in all directions. NaN without an object.
    """
    large = objects["npix"] >= _LARGE_PIXELS
    if not large.any():
        return float("nan")
    found = objects[large]
    long = found["a"] > _LONG * np.maximum(found["b"], 0.3)
    arcs = np.flatnonzero(long)
    if len(arcs) >= _FEWEST:
        arcs = arcs[_go_around(found[arcs])]
    if len(arcs) < _FEWEST:
        arcs = arcs[[_is_bent(image, found[arc]) for arc in arcs]] if len(arcs) else arcs
    light = np.maximum(found["flux"].astype(np.float64), 0.0)
    return float(min(len(arcs) / len(found), light[arcs].sum() / max(light.sum(), 1e-9)))


def _go_around(objects: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which objects (n,) lie along circles about the centre that fits most of them.

    The line through an object across its direction t leads to the centre c: t (p - c) = 0. In homogeneous coordinates
    the centre may be as far away as it likes; weights leave out step by step what goes another way.
    """
    x, y = objects["x"].astype(np.float64), objects["y"].astype(np.float64)
    middle, scale = np.array([x.mean(), y.mean()]), max(float(np.hypot(x.std(), y.std())), 1.0)
    x, y = (x - middle[0]) / scale, (y - middle[1]) / scale
    cosine, sine = np.cos(objects["theta"].astype(np.float64)), np.sin(objects["theta"].astype(np.float64))
    rows = np.stack([cosine, sine, -(cosine * x + sine * y)], axis=1)
    weight = np.ones(len(x))
    off = np.zeros(len(x))
    for _ in range(_ROUNDS):
        # The smallest singular vector is the centre (cx, cy, w), at infinity for w = 0.
        centre = np.linalg.svd(rows * weight[:, None])[2][-1]
        to_x, to_y = centre[0] - centre[2] * x, centre[1] - centre[2] * y
        off = np.abs(cosine * to_x + sine * to_y) / np.maximum(np.hypot(to_x, to_y), 1e-9)
        # Towards a far centre all are equally far; near it a small error turns the direction by much.
        weight = 1 / (np.maximum(np.hypot(to_x, to_y), 0.05) * (1 + (off / np.sin(np.radians(_ALONG_DEG))) ** 2))
    return np.asarray(off < np.sin(np.radians(_ALONG_DEG)))


def _is_bent(image: NDArray[np.float32], found: np.void) -> bool:
    """Tell whether an object is curved: by the parabola through its light along its length."""
    top, bottom, left, right = (int(found[side]) for side in ("ymin", "ymax", "xmin", "xmax"))
    part = image[top : bottom + 1, left : right + 1]
    rows, columns = np.nonzero(part > found["thresh"])
    light = part[rows, columns].astype(np.float64)
    dx, dy = columns + left - float(found["x"]), rows + top - float(found["y"])
    cosine, sine = np.cos(float(found["theta"])), np.sin(float(found["theta"]))
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    length = float(np.ptp(along)) if len(along) else 0.0
    if length < 2 * _LARGE_PIXELS:
        return False
    used = np.ones(len(along), dtype=bool)
    for _ in range(2):
        terms = np.polynomial.polynomial.polyfit(along[used], across[used], 2, w=np.sqrt(light[used]))
        rest = across - np.polynomial.polynomial.polyval(along, terms)
        width = float(np.sqrt(np.average(rest[used] ** 2, weights=light[used])))
        used = np.abs(rest) < 3 * width
    sagitta = abs(float(terms[2])) * (length / 2) ** 2
    return sagitta > max(_BENT_WIDTHS * width, _BENT_LENGTHS * length)
