"""The real sky maps, read by others: files, and what notices hold in base64."""

import gzip
import io
import json
import warnings

import numpy as np
from astropy.io import fits


def map_files(folder):
    return sorted(path for path in folder.glob("notices/**/*.fit*") if path.is_file())


def plain(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def columns_of(data):
    """Header and columns by astropy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers of others
        with fits.open(io.BytesIO(data)) as parts:
            table = parts[1]
            named = {c.name: np.asarray(table.data[c.name]).ravel() for c in table.columns}
            return dict(table.header), named


def embedded(folder):
    """What every notice holds that begins like a FITS file, gzip or not, in base64; by its file."""

    def within(node, name):
        if isinstance(node, dict | list):
            for part in node.values() if isinstance(node, dict) else node:
                yield from within(part, name)
        elif isinstance(node, str) and node.startswith(("U0lNUExF", "H4sI")):
            yield name, node

    for path in sorted(folder.glob("notices/**/*.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if "U0lNUExF" in text or "H4sI" in text:
            yield from within(json.loads(text), path.name)
