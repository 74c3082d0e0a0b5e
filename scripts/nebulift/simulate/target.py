"""What a night is pointed at, besides the stars that lie there by chance."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Objects fixed on the sky within the first frame; each night draws their places. The default has none.

    Surface brightness is told over that of `Sky.sky_e_per_s_per_px`, the dark sky.
    """

    galaxies: int = 0
    """Inclined at random; the first is the largest."""
    edge_on_galaxies: int = 0
    """Thin, with a lane of dust; five to nine times as long as wide."""
    galaxy_radius_px: float = 40.0
    """Half-light radius of the largest, along its long axis."""
    galaxy_brightness: float = 0.5
    """Surface brightness at that radius."""
    nebula: float = 0.0
    """Surface brightness of the brighter parts of a nebula that fills the frame."""
    filaments: int = 0
    """Bundles of thin curved ridges across the frame, as in the Veil nebula."""
    filament_brightness: float = 0.8
    """Surface brightness on a ridge."""
    filament_width_px: float = 3.0
    """FWHM of a typical ridge, without seeing."""
    cluster_stars: int = 0
    cluster_radius_px: float = 100.0
    """Within which half of the cluster's stars lie."""
    globular: bool = False
    """Whether the cluster is dense in the middle and has no bright stars of its own."""
    aligned_stars: int = 0
    """Stars in a straight row, of about the same brightness."""
    bright_stars: int = 0
    """Stars of magnitude 4 to 7.5, a few per frame at most on a real sky."""
