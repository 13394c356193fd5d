"""``correlator map``: a sky map or a notice in words, and its region as a MOC."""

import io
import json

import numpy as np
import pytest
from mocpy import MOC

from skymaps.healpix import DEG2_PER_SR, FULL_SKY_SR
from skymaps.skymap import SkyMap
from tests.ingest_vo.notice_factory import gcn
from tests.service.test_commands import correlator
from tests.skymaps.sky_factory import multi_order_bytes, random_map


def distance():
    """Mu, sigma and norm of the cells of the map; a few of them unknown."""
    rng = np.random.default_rng(22)
    n = len(random_map(21)[0])
    mu, sigma, norm = rng.uniform(80.0, 300.0, n), rng.uniform(10.0, 60.0, n), np.full(n, 1e-5)
    mu[::7], sigma[::7], norm[::7] = np.inf, 1.0, 0.0
    return mu, sigma, norm


@pytest.fixture
def map_file(tmp_path):
    uniq, density, _ = random_map(21)
    path = tmp_path / "map.fits.gz"
    path.write_bytes(multi_order_bytes(uniq, density, distance(), compress=True))
    return path


def test_a_map_is_told_in_numbers(map_file):
    uniq, density, order = random_map(21)
    done = correlator("map", "--json", "--level", 0.3, map_file)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    sky_map = SkyMap.from_uniq(uniq, density)
    assert row["file"] == str(map_file)
    assert (row["kind"], row["n_rows"], row["max_order"]) == ("map", len(uniq), order.max())
    assert row["sum_before_normalising"] == pytest.approx(1.0)
    assert row["area_50_deg2"] == pytest.approx(sky_map.area_deg2(0.5))
    assert row["area_90_deg2"] == pytest.approx(sky_map.area_deg2(0.9))
    assert (row["level"], row["moc"]) == (0.3, None)
    assert row["area_level_deg2"] == pytest.approx(sky_map.area_deg2(0.3))


def test_the_distance_is_that_of_the_ansatz(map_file):
    """The mean of r over r^2 N(r; mu, sigma), summed on a grid."""
    row = json.loads(correlator("map", "--json", map_file).stdout)
    _, density, order = random_map(21)
    mu, sigma, norm = (column[:, None] for column in distance())
    r = np.linspace(0.0, 1000.0, 4001)
    each = r**2 * np.exp(-(((r - np.where(norm > 0.0, mu, 0.0)) / sigma) ** 2) / 2.0)
    share = (density / 4.0**order)[:, None] * (norm > 0.0)
    along = (each / each.sum(axis=1, keepdims=True) * share).sum(axis=0) / share.sum()
    mean = (r * along).sum()
    assert row["distance_mpc"] == pytest.approx(mean, rel=1e-3)
    spread = np.sqrt(((r - mean) ** 2 * along).sum())
    assert row["distance_sigma_mpc"] == pytest.approx(spread, rel=1e-3)


@pytest.mark.parametrize("form", ["fits", "json", "ascii"])
def test_the_region_is_written_as_a_moc(map_file, tmp_path, form):
    out = tmp_path / "region"
    done = correlator("map", map_file, "--moc", form, "--out", out)
    assert done.returncode == 0, done.stderr
    content = out.read_bytes()
    moc = (
        MOC.from_fits(io.BytesIO(content))
        if form == "fits"
        else MOC.from_string(content.decode(), form)
    )
    row = json.loads(correlator("map", map_file, "--json").stdout)
    area = moc.sky_fraction * FULL_SKY_SR * DEG2_PER_SR
    assert area == pytest.approx(row["area_90_deg2"])


def test_the_place_of_a_notice_is_told_too(tmp_path):
    file = tmp_path / "notice.json"
    file.write_bytes(gcn(ra=10.0, dec=20.0, ra_dec_error=0.5))
    row = json.loads(correlator("map", file, "--json").stdout)
    assert row["kind"] == "circle"
    assert row["area_90_deg2"] == pytest.approx(np.pi * 0.25, rel=1e-4)
    nothing = ("n_rows", "max_order", "sum_before_normalising", "distance_mpc", "moc")
    assert [row[key] for key in nothing] == [None] * 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gcn(), "holds a place"),
        (b"SIMPLE  = ", "cut short"),
        (b"no packet", "a notice must be"),
    ],
)
def test_what_holds_no_place_is_one_line_and_exit_one(tmp_path, content, words):
    file = tmp_path / "file"
    file.write_bytes(content)
    done = correlator("map", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_form_without_a_file_is_bad_usage(map_file):
    done = correlator("map", map_file, "--moc", "fits")
    assert done.returncode == 2
    assert "go together" in done.stderr
