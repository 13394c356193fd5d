"""Random maps, and FITS files of them written by astropy: truth for the tests of skymaps."""

import gzip
import io

import healpy
import numpy as np
from astropy.io import fits
from astropy.table import Table

FULL_SKY = 4.0 * np.pi
ORDER = 4
N_PIXELS = 12 * 4**ORDER


def tiling(seed, max_order=5, keep=1.0):
    """Orders and pixels of a random tiling of the sky; ``keep`` is the share that stays."""
    rng = np.random.default_rng(seed)
    order, ipix = np.zeros(12, dtype=np.int64), np.arange(12)
    for level in range(max_order):
        split = (order == level) & (rng.random(len(order)) < 0.5)
        children = (4 * ipix[split][:, None] + np.arange(4)).ravel()
        order = np.concatenate([order[~split], np.full(len(children), level + 1)])
        ipix = np.concatenate([ipix[~split], children])
    stay = rng.random(len(order)) < keep
    stay[rng.integers(len(order))] = True
    rows = rng.permutation(np.flatnonzero(stay))
    return order[rows], ipix[rows]


def random_map(seed, max_order=5, keep=1.0, ties=False):
    """UNIQ, density [1/sr] of sum 1, and orders of a random map."""
    order, ipix = tiling(seed, max_order, keep)
    rng = np.random.default_rng(seed + 1)
    density = rng.integers(0, 4, len(order)) + 1.0 * (rng.random() < 0.5) if ties else None
    if density is None or density.sum() == 0:
        density = rng.lognormal(0.0, 3.0, len(order))
    area = FULL_SKY / 12 / 4.0**order
    return 4 ** (order + 1) + ipix, density / (density * area).sum(), order


def random_distance(seed, n):
    """Distance layers, a few of them unknown in the ways of real maps."""
    rng = np.random.default_rng(seed)
    mu, sigma, norm = rng.normal(100, 80, n), rng.uniform(1, 50, n), rng.uniform(1e-6, 1e-3, n)
    unknown = rng.random(n) < 0.2
    mu[unknown], sigma[unknown], norm[unknown] = np.inf, 1.0, 0.0
    return mu, sigma, norm


def rasterised(uniq, density, order, nside_order):
    """Density at every NESTED pixel of one order, by brute force."""
    flat = np.zeros(12 * 4**nside_order)
    for u, p, o in zip(uniq, density, order, strict=True):
        width = 4 ** (nside_order - o)
        first = (u - 4 ** (o + 1)) * width
        flat[first : first + width] = p
    return flat


def fits_bytes(columns, header=(), compress=False):
    """FITS file with one binary table; columns are (name, format, unit, array)."""
    made = [fits.Column(name, form, unit or None, array=a) for name, form, unit, a in columns]
    table = fits.BinTableHDU.from_columns(made)
    table.header.update({"PIXTYPE": "HEALPIX", "COORDSYS": "C", **dict(header)})
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return gzip.compress(file.getvalue(), 6) if compress else file.getvalue()


def multi_order_bytes(uniq, density, distance=(), compress=False):
    """FITS file of a multi-order map as LIGO writes it."""
    columns = [("UNIQ", "K", "", uniq), ("PROBDENSITY", "D", "sr-1", density)]
    names = ("DISTMU", "DISTSIGMA", "DISTNORM")
    columns += [(n, "D", "Mpc", d) for n, d in zip(names, distance, strict=False)]
    return fits_bytes(columns, {"ORDERING": "NUNIQ", "INDXSCHM": "EXPLICIT"}, compress)


def flat_file(
    values,
    *,
    ring=False,
    explicit=False,
    vector=False,
    single=False,
    column="PROB",
    unit="",
    compress=False,
    **header,
):
    """FITS file of values in NESTED order; explicit files leave out the zeros."""
    pixel = np.arange(N_PIXELS)
    if ring:
        pixel = healpy.nest2ring(2**ORDER, pixel)
        rows = np.argsort(pixel)
        pixel, values = pixel[rows], values[rows]
    columns = []
    if explicit:
        some = values > 0
        pixel, values = pixel[some][::-1], values[some][::-1]
        columns.append(("PIXEL", "J", "", pixel))
    code, width = ("E" if single else "D"), (64 if vector else 1)
    shaped = values.reshape(-1, width) if vector else values
    columns.append((column, f"{width}{code}" if vector else code, unit, shaped))
    said = {
        "ORDERING": "RING" if ring else "NESTED",
        "NSIDE": 2**ORDER,
        "INDXSCHM": "EXPLICIT" if explicit else "IMPLICIT",
        **header,
    }
    return fits_bytes(columns, said, compress)


def unsigned_file(uniq, density):
    table = fits.table_to_hdu(Table({"UNIQ": uniq.astype(np.uint64), "PROBDENSITY": density}))
    table.header["ORDERING"] = "NUNIQ"
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()
