"""Our class of each real ZTF alert beside Fink's, and the tables of ``docs/science/classes.md``."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from correlator.alert import Alert
from correlator.features import Features, features_of_many
from correlator.object import object_of
from correlator.scorers import ObjectClass, Score, class_of, scores_of_many
from ingest_optical.decoder import decode
from ingest_optical.packets import read_packets

MADE_LABELS = "fink_science_hostless"
"""Begin of the name of a file whose matches go through the list of all labels, so that one object
is a supernova in an alert and a fast radio burst in the next; its ``tnsclass`` is real."""

FOLDERS = ("nights/2024-01-15/alerts", "optical/fink/ztf")

GROUPS = ("asteroid", "star", "nucleus", "galaxy", "transient", "other", "unknown", "failed")

PAIRED = {
    "rf_kn_vs_nonkn": "kilonova",
    "rf_snia_vs_nonia": "early-supernova",
    "snn_snia_vs_nonia": "early-supernova",
    "snn_sn_vs_all": "early-supernova",
    "mulens": "microlensing",
}
"""Fink's scores, and ours of the same name or nearest to it."""

_TRANSIENTS = (
    *("Supernova", "SN", "Transient", "Kilonova", "Afterglow", "TDE", "Nova", "ILRT", "LRN"),
    *("LBV", "Light-Echo", "FRB"),
)
_NUCLEI = ("QSO", "AGN", "Seyfert", "BLLac", "Blazar", "LINER")
_GALAXIES = ("Galaxy", "EmG", "GinPair")
_STARS = (
    *("*", "RRLyr", "EclBin", "Mira", "Star", "SG", "XB", "XrayBin", "WhiteDwarf", "Cep"),
    *("HotSubdwarf", "WolfRayet", "Planet", "YSO"),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One alert as both see it; ``theirs`` are Fink's scores by the name of their column."""

    group: str
    kind: ObjectClass
    scores: Mapping[str, Score]
    features: Features
    theirs: Mapping[str, float]


def fink_group(match: str, roid: int) -> str:
    """What Fink says in a word: its Solar System flag, else its match in SIMBAD or TNS."""
    words = (
        ("failed", ("Fail",)),
        ("unknown", ("Unknown",)),
        ("transient", _TRANSIENTS),
        ("nucleus", _NUCLEI),
        ("galaxy", _GALAXIES),
        ("star", _STARS),
    )
    if roid == 3:
        return "asteroid"
    return next((group for group, parts in words if any(p in match for p in parts)), "other")


def compared(real_data: Path) -> list[Compared]:
    """Every real alert that has Fink's columns, each once.

    The 48 that Fink's tests made of real ones begin after their own exposure; they are left out.
    """
    fink: dict[str, str] = {}
    theirs: dict[str, dict[str, float]] = defaultdict(dict)
    alerts: dict[str, Alert] = {}
    for file in fink_files(real_data):
        match = "tnsclass" if file.name.startswith(MADE_LABELS) else "cdsxmatch"
        table = pq.read_table(file, columns=["candid", match, "roid"]).to_pydict()
        rows = zip(table["candid"], table[match], table["roid"], strict=True)
        fink |= {str(candid): fink_group(said, roid) for candid, said, roid in rows}
        for candid, scores in scores_of_finks(file):
            theirs[candid] |= scores
        for packet in read_packets(file):
            alert = decode(packet)
            alerts[alert.alert_id] = alert
    real = [a for a in alerts.values() if (a.survey_first_unix_s or 0.0) <= a.time_unix_s]
    objects = [object_of(alert) for alert in real]
    features = features_of_many(objects)
    scores = scores_of_many(objects, features)
    return [
        Compared(fink[a.alert_id], class_of(s, f), s, f, theirs[a.alert_id])
        for a, s, f in zip(real, scores, features, strict=True)
    ]


def scores_of_finks(file: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Fink's scores of each alert of a file, those that the file has."""
    names = [name for name in PAIRED if name in pq.read_schema(file).names]
    for row in pq.read_table(file, columns=["candid", *names]).to_pylist():
        said = {name: row[name] for name in names if row[name] is not None}
        yield str(row["candid"]), said


def fink_files(real_data: Path) -> Iterator[Path]:
    """Files of real ZTF alerts that have Fink's columns."""
    for folder in FOLDERS:
        for file in sorted((real_data / folder).glob("*.parquet")):
            if {"cdsxmatch", "roid"} <= set(pq.read_schema(file).names):
                yield file


def confusion(pairs: list[Compared]) -> list[str]:
    """Rows of the table: Fink's groups down, our classes across."""
    counts = Counter((p.group, p.kind) for p in pairs)
    rows = [["Fink says", *ObjectClass, "all"], ["---"] * (len(ObjectClass) + 2)]
    for group in GROUPS:
        numbers = [counts[group, kind] for kind in ObjectClass]
        rows.append([group, *map(str, numbers), str(sum(numbers))])
    return ["| " + " | ".join(row) + " |" for row in rows]


def reasons(pairs: list[Compared]) -> list[str]:
    """Rows of the table of disagreements: what we did not see in what Fink knows."""
    star = [p for p in pairs if p.group == "star" and p.kind != ObjectClass.STAR]
    score = [(p.features.star_sep_arcsec, p.features.star_score) for p in star]
    near = [s for sep, s in score if sep is not None and s is not None and sep <= 2.0]
    lines = {
        "stars of SIMBAD whose PS1 score is 0.5, which means that PS1 cannot tell": near.count(0.5),
        "stars of SIMBAD with any other PS1 score below 0.76": sum(s != 0.5 for s in near),
        "stars of SIMBAD without a PS1 source within 2 arcsec": len(star) - len(near),
        "nuclei that look like stars": _n(pairs, "nucleus", ObjectClass.STAR),
        "nuclei in their first month": _n(pairs, "nucleus", ObjectClass.TRANSIENT),
        "galaxies that look like stars": _n(pairs, "galaxy", ObjectClass.STAR),
        "transients on what looks like a star": _n(pairs, "transient", ObjectClass.STAR),
        "transients seen for more than a month or below the template": _n(
            pairs, "transient", ObjectClass.ACTIVE
        ),
        "objects that SIMBAD does not know and that look like stars": _n(
            pairs, "unknown", ObjectClass.STAR
        ),
        "objects without an answer of SIMBAD that look like stars": _n(
            pairs, "failed", ObjectClass.STAR
        ),
    }
    return ["| what | alerts |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in lines.items())]


def score_rows(pairs: list[Compared]) -> list[str]:
    """Rows of the table of scores: which alerts Fink scores above one half, and what we say."""
    head = ["Fink's score", "scored", "above 0.5", "what SIMBAD or TNS has there", "ours, of these"]
    rows = [head, ["---"] * len(head)]
    for theirs, ours in PAIRED.items():
        scored = [p for p in pairs if p.theirs.get(theirs)]
        high = [p for p in scored if p.theirs[theirs] > 0.5]
        groups = Counter(p.group for p in high)
        values = [p.scores[ours].value for p in high]
        n_unknown, n_ours = values.count(None), sum(v is not None and v > 0.0 for v in values)
        rows.append(
            [
                f"`{theirs}`",
                str(len(scored)),
                str(len(high)),
                ", ".join(f"{groups[group]} {group}" for group in GROUPS if groups[group]),
                f"`{ours}` above 0: {n_ours}; unknown: {n_unknown}",
            ]
        )
    return ["| " + " | ".join(row) + " |" for row in rows]


def _n(pairs: list[Compared], group: str, kind: ObjectClass) -> int:
    return sum(p.group == group and p.kind == kind for p in pairs)
