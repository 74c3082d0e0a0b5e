"""The set-ups on which a grading may be tuned."""

from nebulift.simulate import set_ups as kit
from nebulift.simulate.equipment import Camera, Sky
from nebulift.simulate.set_ups import SetUp, sky_glow
from nebulift.simulate.target import Target

DEVELOPMENT = tuple(
    SetUp(name, "development", nuisances, camera, telescope, sky, exposure_s)
    for name, nuisances, camera, telescope, sky, exposure_s in (
        (
            "newtonian galaxies",
            ("galaxies", "spikes", "flip", "dust"),
            Camera(name="D1 mono CMOS", gain_e_per_adu=0.77, read_noise_e=1.6, hot_pixel_fraction=1e-3, dust_shadows=3),
            kit.NEWTONIAN,
            Sky(
                star_density=450.0,
                sky_e_per_s_per_px=sky_glow(kit.NEWTONIAN, 20.6),
                seeing_arcsec=3.2,
                transit_hours=0.7,
                target=Target(galaxies=6, edge_on_galaxies=2, galaxy_radius_px=55.0),
            ),
            120.0,
        ),
        (
            "twelve-bit small ccd",
            ("twelve bits", "hot columns", "edge rows", "banding"),
            Camera(
                name="D2 12-bit CCD",
                bits=12,
                gain_e_per_adu=2.4,
                read_noise_e=13.0,
                bias_adu=210.0,
                dark_e_per_s=0.4,
                hot_pixel_fraction=3e-3,
                hot_columns=2,
                bad_columns=2,
                row_banding_e=2.0,
                row_pattern_e=2.5,
                edge_rows=6,
                edge_row_e=35.0,
            ),
            kit.MAKSUTOV,
            Sky(
                star_density=300.0,
                sky_e_per_s_per_px=sky_glow(kit.MAKSUTOV, 19.4),
                gradient=0.15,
                seeing_arcsec=13.0,
            ),
            60.0,
        ),
        (
            "one-shot colour nebula",
            ("bayer", "nebula", "refractor", "moon"),
            Camera(
                name="D3 OSC CMOS", bayer_pattern="RGGB", gain_e_per_adu=0.25, read_noise_e=1.5, full_well_e=16_000.0
            ),
            kit.REFRACTOR,
            Sky(
                star_density=1200.0,
                sky_e_per_s_per_px=sky_glow(kit.REFRACTOR, 20.2),
                seeing_arcsec=4.8,
                moon=2.5,
                target=Target(nebula=0.8),
            ),
            90.0,
        ),
        (
            "wide-field lens",
            ("undersampled", "rich", "gradient"),
            Camera(
                name="D4 mono CMOS", gain_e_per_adu=0.5, read_noise_e=2.5, full_well_e=32_000.0, hot_pixel_fraction=2e-3
            ),
            kit.LENS,
            Sky(
                star_density=700.0,
                sky_e_per_s_per_px=sky_glow(kit.LENS, 19.6),
                gradient=0.3,
                gradient_angle=100.0,
                seeing_arcsec=7.5,
            ),
            30.0,
        ),
        (
            "long focal length",
            ("oversampled", "sparse", "rotation"),
            Camera(name="D5 mono CCD", gain_e_per_adu=1.2, read_noise_e=7.5, full_well_e=60_000.0, dust_shadows=5),
            kit.SCHMIDT_CASSEGRAIN,
            Sky(star_density=280.0, sky_e_per_s_per_px=sky_glow(kit.SCHMIDT_CASSEGRAIN, 20.8), seeing_arcsec=2.5),
            120.0,
        ),
        (
            "hydrogen filaments",
            ("narrowband", "filaments", "spikes", "flip"),
            Camera(name="D6 mono CMOS", gain_e_per_adu=0.4, read_noise_e=1.5, full_well_e=25_000.0, dark_e_per_s=0.004),
            kit.HYDROGEN_NEWTONIAN,
            Sky(
                star_density=900.0,
                sky_e_per_s_per_px=0.02,
                seeing_arcsec=3.4,
                transit_hours=1.0,
                target=Target(filaments=6, filament_brightness=12.0, nebula=2.0),
            ),
            300.0,
        ),
        (
            "blooming ccd",
            ("bleeding", "hot columns", "spikes"),
            Camera(
                name="D7 full-frame CCD",
                gain_e_per_adu=0.75,
                read_noise_e=9.0,
                full_well_e=42_000.0,
                bias_adu=980.0,
                blooms=True,
                hot_columns=4,
                bad_columns=3,
                cosmic_rays_per_mpix_per_s=0.1,
                dead_areas=3,
            ),
            kit.NEWTONIAN,
            Sky(
                star_density=600.0,
                sky_e_per_s_per_px=sky_glow(kit.NEWTONIAN, 20.3),
                seeing_arcsec=3.6,
                target=Target(bright_stars=2),
            ),
            90.0,
        ),
        (
            "banding camera",
            ("banding", "moon", "gradient", "refractor"),
            Camera(
                name="D8 DSLR",
                bits=14,
                bayer_pattern="GBRG",
                gain_e_per_adu=1.4,
                read_noise_e=5.0,
                full_well_e=22_000.0,
                bias_adu=512.0,
                dark_e_per_s=0.15,
                hot_pixel_fraction=2e-3,
                row_banding_e=2.2,
                column_pattern_e=1.0,
                column_banding_e=0.8,
            ),
            kit.REFRACTOR,
            Sky(
                star_density=500.0,
                sky_e_per_s_per_px=sky_glow(kit.REFRACTOR, 20.0),
                moon=4.0,
                gradient=0.35,
                gradient_angle=200.0,
                seeing_arcsec=6.0,
            ),
            60.0,
        ),
        (
            "glowing amplifier",
            ("amplifier glow", "galaxies", "refractor"),
            Camera(
                name="D9 mono CMOS",
                gain_e_per_adu=0.9,
                read_noise_e=2.2,
                amplifier_glow_e_per_s=12.0,
                hot_pixel_fraction=4e-3,
            ),
            kit.LARGE_REFRACTOR,
            Sky(
                star_density=350.0,
                sky_e_per_s_per_px=sky_glow(kit.LARGE_REFRACTOR, 20.9),
                seeing_arcsec=3.0,
                target=Target(galaxies=2, edge_on_galaxies=1, galaxy_radius_px=90.0, galaxy_brightness=1.0),
            ),
            180.0,
        ),
        (
            "milky way",
            ("rich", "spikes"),
            Camera(name="D10 mono CMOS", gain_e_per_adu=0.8, read_noise_e=3.0),
            kit.LARGE_NEWTONIAN,
            Sky(star_density=3500.0, sky_e_per_s_per_px=sky_glow(kit.LARGE_NEWTONIAN, 20.4), seeing_arcsec=4.0),
            60.0,
        ),
        (
            "open cluster",
            ("cluster", "star row", "spikes", "flip"),
            Camera(name="D11 mono CMOS", gain_e_per_adu=1.0, read_noise_e=3.5, dust_shadows=2, column_pattern_e=0.6),
            kit.NEWTONIAN,
            Sky(
                star_density=900.0,
                sky_e_per_s_per_px=sky_glow(kit.NEWTONIAN, 20.0),
                seeing_arcsec=3.8,
                transit_hours=0.4,
                target=Target(cluster_stars=500, cluster_radius_px=180.0, aligned_stars=12, bright_stars=1),
            ),
            60.0,
        ),
        (
            "galactic pole",
            ("sparse", "dust", "undersampled"),
            Camera(name="D12 mono CMOS", gain_e_per_adu=0.35, read_noise_e=1.8, full_well_e=20_000.0, dust_shadows=4),
            kit.LARGE_REFRACTOR,
            Sky(star_density=90.0, sky_e_per_s_per_px=sky_glow(kit.LARGE_REFRACTOR, 21.0), seeing_arcsec=2.3),
            60.0,
        ),
    )
)
