"""Regions of the sky as IVOA coverage maps (MOC 2.0): FITS, JSON and ASCII, out and in.

A region is written as the fewest cells that make it up, so that there is one way to write it. In
FITS those are UNIQ indices (ORDERING NUNIQ), which readers of MOC 1 and 2 know; ORDERING RANGE of
MOC 2 is read too. Source: https://ivoa.net/documents/MOC/20220727/.
"""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymaps.bintable import Table, open_table
from skymaps.errors import SkyMapError
from skymaps.healpix import (
    END_29,
    MAX_ORDER,
    cell_area_sr,
    joined_ranges,
    ranges_of_cells,
    ranges_of_uniq,
    uniq_of_ranges,
)
from skymaps.localization import LEVEL_SLACK, Localization
from skymaps.overlap import as_map
from skymaps.skymap import SkyMap

Indices = NDArray[np.int64]

FORMS = ("fits", "json", "ascii")

MAX_MOC_BYTES, MAX_TEXT_BYTES = 64 * 2**20, 4 * 2**20
MAX_MOC_CELLS = 2_000_000
"""Bounds of what is read: a region of a map of 200,000 cells has some thousands. A text takes up to
100 times its length in memory."""

_CELL_COLUMNS = frozenset({"UNIQ", "NPIX", "RANGE"})
_KEY = re.compile(r"\d{1,2}", re.ASCII)
_ORDER = re.compile(r"\s*(\d{1,2})\s*/", re.ASCII)
_RUN = re.compile(r"[\s,]*(\d{1,19})(?:-(\d{1,19}))?(?![\d/])", re.ASCII)


class Cells(NamedTuple):
    """Cells of the nested grid: an order and an index each, shape ``(n,)``."""

    order: Indices
    ipix: Indices


def moc_of(localization: Localization, level: float, form: str = "fits") -> bytes:
    """The region of a credible level of a localization as a MOC; a circle by its cells.

    Parameters
    ----------
    localization
        A circle or a map.
    level
        In [0, 1].
    form
        One of :data:`FORMS`.

    Raises
    ------
    SkyMapError
        A level outside [0, 1], an unknown form.
    """
    return moc_of_ranges(as_map(localization).ranges(level), form)


def moc_of_ranges(ranges: Indices, form: str = "fits") -> bytes:
    """Sorted, disjoint order-29 ranges of shape ``(n, 2)`` as a MOC.

    Raises
    ------
    SkyMapError
        An unknown form.
    """
    if form not in FORMS:
        raise SkyMapError(f"a MOC is written as one of {FORMS}", form)
    cells = cells_of(ranges)
    if form == "fits":
        return _fits(cells)
    orders = {int(o): cells.ipix[cells.order == o] for o in np.unique(cells.order)}
    if form == "json":
        return json.dumps({str(o): ipix.tolist() for o, ipix in orders.items()}).encode()
    return " ".join(f"{o}/{_runs(ipix)}" for o, ipix in orders.items()).encode()


def region_of_moc(content: bytes, level: float = 1.0) -> SkyMap:
    """Map of a MOC of any form: uniform inside, and what is beyond the level uniform outside.

    Nothing is known of where outside; so a region of more than ``level`` is a large part of the
    sky unless that is 1. The region of ``level`` is the MOC, but for cells that hold less than
    :data:`skymaps.localization.LEVEL_SLACK` together.

    Parameters
    ----------
    content
        FITS (gzip or not), JSON or ASCII.
    level
        Probability inside, in (0, 1].

    Raises
    ------
    SkyMapError
        Bytes that are no MOC of the sky, an empty one, one that covers more of the sky than its
        level, a level outside (0, 1].
    """
    if not 0.0 < level <= 1.0:
        raise SkyMapError("the level of a MOC lies in (0, 1]", level)
    inside = ranges_of_moc(content)
    if not len(inside):
        raise SkyMapError("a MOC that localizes has at least one cell")
    share = float((inside[:, 1] - inside[:, 0]).sum()) / END_29
    if level < 1.0 and not share < level:
        raise SkyMapError("a region of a level covers less of the sky than that", share)
    # Its region of that level must hold nothing outside, whatever was rounded on the way.
    held = min(level + LEVEL_SLACK, 1.0)
    parts = [(inside, held)]
    if held < 1.0:
        outside = np.concatenate([[0], inside.ravel(), [END_29]]).reshape(-1, 2)
        parts.append((outside[outside[:, 0] < outside[:, 1]], 1.0 - held))
    lo, hi, density = zip(*(_even(ranges, share) for ranges, share in parts), strict=True)
    return SkyMap(np.concatenate(lo), np.concatenate(hi), np.concatenate(density))


def _even(ranges: Indices, probability: float) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Cells of ranges over which a probability lies evenly, and its density [1/sr] in each."""
    cells = cells_of(ranges)
    area = float(cell_area_sr(cells.order).sum())
    return *ranges_of_cells(*cells), np.full(len(cells.order), probability / area)


def ranges_of_moc(content: bytes) -> Indices:
    """Sorted, disjoint order-29 ranges of a MOC of any form, shape ``(n, 2)``.

    Raises
    ------
    SkyMapError
        Bytes that are no MOC of the sky.
    """
    if len(content) > MAX_MOC_BYTES:
        raise SkyMapError(f"a MOC has at most {MAX_MOC_BYTES} bytes", len(content))
    if content.startswith((b"SIMPLE", b"\x1f\x8b")):
        return _united(_ranges_of_fits(content))
    if len(content) > MAX_TEXT_BYTES:
        raise SkyMapError(f"a MOC in text has at most {MAX_TEXT_BYTES} bytes", len(content))
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise SkyMapError("a MOC is FITS, JSON or ASCII", content[:16]) from error
    return _united(_ranges_of_json(text) if text.startswith("{") else _ranges_of_ascii(text))


def cells_of(ranges: Indices) -> Cells:
    """The fewest cells that make up sorted, disjoint ranges of shape ``(n, 2)``, by order."""
    orders, cells, left = [], [], ranges
    for order in range(MAX_ORDER + 1):
        shift = 2 * (MAX_ORDER - order)
        first = -(-left[:, 0] >> shift)
        last = np.maximum(left[:, 1] >> shift, first)
        found = _counted(first, last)
        orders.append(np.full(len(found), order))
        cells.append(found)
        whole = last > first
        rest = left[~whole]
        before = np.stack([left[whole, 0], first[whole] << shift], axis=1)
        after = np.stack([last[whole] << shift, left[whole, 1]], axis=1)
        left = np.concatenate([rest, before, after])
        left = left[left[:, 0] < left[:, 1]]
    by_order = Cells(np.concatenate(orders), np.concatenate(cells))
    rows = np.lexsort((by_order.ipix, by_order.order))
    return Cells(by_order.order[rows], by_order.ipix[rows])


def _counted(first: Indices, last: Indices) -> Indices:
    """All whole numbers of half-open ranges."""
    n = last - first
    return np.asarray(np.repeat(first - (np.cumsum(n) - n), n) + np.arange(n.sum()))


def _runs(ipix: Indices) -> str:
    start = np.flatnonzero(np.diff(ipix, prepend=-2) != 1)
    end = np.append(start[1:], len(ipix)) - 1
    pairs = zip(ipix[start].tolist(), ipix[end].tolist(), strict=True)
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)


def _fits(cells: Cells) -> bytes:
    from astropy.io import fits  # a fifth of a second, for those who write a file

    uniq = uniq_of_ranges(*ranges_of_cells(*cells))
    table = fits.BinTableHDU.from_columns([fits.Column("UNIQ", "1K", array=np.sort(uniq))])
    order = int(cells.order.max()) if len(cells.order) else 0
    table.header.update(
        {"MOCVERS": "2.0", "MOCDIM": "SPACE", "ORDERING": "NUNIQ", "COORDSYS": "C",
         "MOCORDER": order, "MOCORD_S": order}
    )  # fmt: skip
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


def _ranges_of_fits(content: bytes) -> Indices:
    table = open_table(content, _CELL_COLUMNS, MAX_MOC_BYTES)
    said = {name: table.header.text(name).upper() for name in ("MOCDIM", "COORDSYS", "ORDERING")}
    if said["MOCDIM"] not in ("", "SPACE"):
        raise SkyMapError("MOCDIM of a MOC of the sky is SPACE", said["MOCDIM"])
    if said["COORDSYS"] not in ("", "C"):
        raise SkyMapError("COORDSYS of a MOC is C (equatorial)", said["COORDSYS"])
    is_range = said["ORDERING"] == "RANGE"
    if said["ORDERING"] not in ("", "NUNIQ", "RANGE"):
        raise SkyMapError("ORDERING of a MOC is NUNIQ or RANGE", said["ORDERING"])
    values = _column(table)
    if is_range:
        if len(values) % 2:
            raise SkyMapError("a MOC of ranges has pairs of numbers", len(values))
        return values.reshape(-1, 2)
    try:
        return np.stack(ranges_of_uniq(values), axis=1)
    except ValueError as error:
        raise SkyMapError(f"a MOC: {error}") from error


def _column(table: Table) -> Indices:
    name = next(name for name in table.columns if name in _CELL_COLUMNS)
    column = table.columns[name]
    if column.code not in "IJK":
        raise SkyMapError("the cells of a MOC are whole numbers", column.code)
    if table.n_rows * column.repeat > MAX_MOC_CELLS:
        raise SkyMapError(f"a MOC has at most {MAX_MOC_CELLS} cells", table.n_rows)
    chunks = [chunk[0].astype(np.int64).ravel() for chunk in table.chunks([name])]
    return np.concatenate(chunks) if chunks else np.empty(0, dtype=np.int64)


def _ranges_of_json(text: str) -> Indices:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SkyMapError("a MOC in JSON is an object", text[:40]) from error
    found = [np.empty((0, 2), dtype=np.int64)]
    for order, ipix in said.items():
        if not _KEY.fullmatch(order) or not isinstance(ipix, list):
            raise SkyMapError("a MOC in JSON has a list of cells for each order", order)
        if not all(type(each) is int and 0 <= each < END_29 for each in ipix):
            raise SkyMapError("the cells of a MOC are whole numbers of the sky", order)
        one = np.array(ipix, dtype=np.int64)
        found.append(_runs_at(int(order), one, one))
    return np.concatenate(found)


def _ranges_of_ascii(text: str) -> Indices:
    ends: dict[int, list[int]] = defaultdict(list)
    at = 0
    while at < len(text):
        start = _ORDER.match(text, at)
        if not start:
            raise SkyMapError("a MOC in ASCII is order/cells", text[at : at + 40])
        at, of_order = start.end(), ends[int(start[1])]
        while run := _RUN.match(text, at):
            # Larger ones than the sky has do not fit.
            of_order += [min(int(end), END_29) for end in (run[1], run[2] or run[1])]
            at = run.end()
    found = [np.empty((0, 2), dtype=np.int64)]
    for order, pairs in ends.items():
        runs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        found.append(_runs_at(order, runs[:, 0], runs[:, 1]))
    return np.concatenate(found)


def _runs_at(order: int, first: Indices, last: Indices) -> Indices:
    """Ranges of runs of cells of an order, both ends included."""
    if not 0 <= order <= MAX_ORDER:
        raise SkyMapError(f"an order lies in [0, {MAX_ORDER}]", order)
    outside = (first > last) | (last >= 12 * 4**order)
    if outside.any():
        raise SkyMapError(f"a cell of order {order} lies in [0, {12 * 4**order})", last[outside][0])
    shift = 2 * (MAX_ORDER - order)
    return np.stack([first << shift, (last + 1) << shift], axis=1)


def _united(ranges: Indices) -> Indices:
    if not len(ranges):
        return ranges
    if ((ranges[:, 0] < 0) | (ranges[:, 0] >= ranges[:, 1]) | (ranges[:, 1] > END_29)).any():
        raise SkyMapError(f"the ranges of a MOC lie in [0, {END_29})", ranges.max())
    lo, hi = ranges[np.argsort(ranges[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(hi)
    # A range that begins before the end of those before it is one with them.
    starts = np.append(True, lo[1:] > reach[:-1])
    ends = np.append(starts[1:], True)
    return joined_ranges(lo[starts], reach[ends])
