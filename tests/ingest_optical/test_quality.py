import dataclasses

import pytest

from correlator.alert import Alert, Detection, Quality, Surroundings, flux_of_mag
from ingest_optical.quality import (
    DEFAULT_CUTS,
    PRESETS,
    QualityCuts,
    prior_filter,
    rejections,
)

GOOD = Quality(
    real_bogus=0.99,
    real_bogus_forest=0.9,
    n_bad_pixels=0,
    fwhm_px=2.0,
    elongation=1.1,
    mag_difference=0.1,
)


def alert(quality=GOOD, near=None, mag_ab=18.0, sign=1.0, snr=20.0):
    flux_njy = sign * flux_of_mag(mag_ab)
    error_njy = None if snr is None else abs(flux_njy) / snr
    detection = Detection("1", 0.0, "r", flux_njy, error_njy)
    surroundings = near or Surroundings()
    return Alert(
        "ztf", "4.02", "1", "o", 0.0, 0.0, 0, 30.0, detection, (), (), None, quality, surroundings
    )


def of(**values):
    return alert(dataclasses.replace(GOOD, **values))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_good_lonely_detection_passes_every_gate(preset):
    assert rejections(alert(), PRESETS[preset]) == ()
    assert PRESETS[preset].name == preset
    assert PRESETS[preset].source


@pytest.mark.parametrize(
    ("preset", "told", "reasons"),
    [
        ("fink", of(real_bogus_forest=0.55), ()),
        ("fink", of(real_bogus_forest=0.5499), ("low_real_bogus_forest",)),
        ("fink", of(real_bogus_forest=None), ("low_real_bogus_forest",)),
        ("fink", of(n_bad_pixels=1), ("bad_pixels",)),
        ("fink", of(n_bad_pixels=None), ("bad_pixels",)),
        ("fink", alert(sign=-1.0), ()),
        ("antares", of(mag_difference=-1.0, fwhm_px=5.0, elongation=1.2), ()),
        ("antares", of(mag_difference=-1.01), ("aperture_unlike_psf",)),
        ("antares", of(mag_difference=1.01), ("aperture_unlike_psf",)),
        ("antares", of(fwhm_px=5.01), ("wide",)),
        ("antares", of(elongation=1.21), ("elongated",)),
        ("ztfrest", of(real_bogus=0.9), ("low_real_bogus",)),
        ("ztfrest", of(real_bogus=0.901), ()),
        ("ztfrest", alert(mag_ab=11.9), ("too_bright",)),
        ("ztfrest", alert(sign=-1.0), ("negative_difference",)),
        ("nuztf", of(real_bogus=0.3), ()),
        ("nuztf", of(real_bogus=0.29), ("low_real_bogus",)),
        ("babamul", of(real_bogus=0.19), ("low_real_bogus",)),
        ("rubin-good", alert(snr=6.0), ()),
        ("rubin-good", alert(snr=5.9), ("low_snr",)),
        ("rubin-good", alert(snr=None), ("low_snr",)),
        ("rubin-good", alert(sign=-1.0), ("negative_difference",)),
        (
            "rubin-good",
            of(flags=("apFlux_flag", "isDipole")),
            ("flag_apFlux_flag", "flag_isDipole"),
        ),
        ("rubin-good", of(flags=("isNegative", "glint_trail")), ()),
        ("antares-lsst", of(flags=("apFlux_flag",)), ()),
        (
            "antares-lsst",
            of(real_bogus=0.59, flags=("isDipole",)),
            ("low_real_bogus", "flag_isDipole"),
        ),
        ("none", of(real_bogus=None, n_bad_pixels=30), ()),
    ],
)
def test_each_gate_cuts_where_its_source_says(preset, told, reasons):
    assert rejections(told, PRESETS[preset]) == reasons


@pytest.mark.parametrize(
    ("near", "reasons"),
    [
        (Surroundings(), ()),
        (Surroundings(solar_system_sep_arcsec=5.01), ()),
        (Surroundings(solar_system_sep_arcsec=5.0), ("solar_system_object",)),
        # The name alone is no distance: ZTF names the nearest object within 30 arcsec.
        (Surroundings(solar_system_name="Ceres"), ()),
        (Surroundings(star_sep_arcsec=2.0, star_score=0.5), ("star",)),
        (Surroundings(star_sep_arcsec=2.01, star_score=1.0), ()),
        (Surroundings(star_sep_arcsec=0.1, star_score=0.499), ()),
        (Surroundings(star_sep_arcsec=0.1, star_score=None), ()),
        (Surroundings(star_sep_arcsec=None, star_score=1.0), ()),
        (Surroundings(gaia_sep_arcsec=5.0), ("gaia_source",)),
        (Surroundings(gaia_sep_arcsec=5.01), ()),
        (
            Surroundings(None, 1.0, 0.9, 1.0, 1.0),
            ("solar_system_object", "star", "gaia_source"),
        ),
    ],
)
def test_the_prior_filter_of_fink_mm_drops_what_stands_at_a_known_source(near, reasons):
    assert prior_filter(alert(near=near)) == reasons


def test_ztfrest_keeps_a_source_whose_star_score_cannot_tell():
    near = Surroundings(star_sep_arcsec=1.0, star_score=0.5)
    assert rejections(alert(near=near), PRESETS["ztfrest"]) == ()
    assert prior_filter(alert(near=near)) == ("star",)


def test_what_lsst_links_to_an_asteroid_is_rejected_without_a_distance():
    near = Surroundings(solar_system_name="21164719561062738")
    assert rejections(alert(near=near), DEFAULT_CUTS["lsst"]) == ("solar_system_object",)


def test_each_survey_has_a_default_gate_with_a_source():
    assert DEFAULT_CUTS["ztf"].name == "fink"
    assert DEFAULT_CUTS["lsst"].name == "antares-lsst"


def test_a_gate_of_ones_own_needs_only_its_thresholds():
    own = QualityCuts("mine", "this test", min_real_bogus=0.995)
    assert rejections(alert(), own) == ("low_real_bogus",)
