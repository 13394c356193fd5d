"""Tables of what models say of real alerts and of published light curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from correlator.object import OpticalObject
from correlator.policy import DAY_S
from training import published
from training.blackbody import Floats
from training.evaluation import Examined, Said, said_of
from training.real import RealAlert, real_alerts
from training.samples import looked_at
from training.tables import (
    HELD_OUT_SEED,
    POINTS,
    SHARES,
    Rows,
    Thresholds,
    efficiency,
    share_of,
)
from training.visits import SURVEYS

N_LOOKS = 1500
"""How often each survey looks at AT2017gfo."""


def real_tables(
    models: Path, real_data: Path, thresholds: Thresholds, held_out: bool
) -> dict[str, Rows]:
    """The tables of real alerts and of published light curves by title."""
    alerts = [x for x in real_alerts(real_data) if x.is_held_out == held_out]
    said = said_of([x.object for x in alerts], models)
    tables = {
        "Real alerts above the thresholds": _real_counts(alerts, said, thresholds),
        "Highest real alerts": _highest(alerts, said, said.model, 10),
        "Highest real alerts by the rule": _highest(alerts, said, said.rule, 5),
        "Most anomalous real objects": _highest(alerts, said, said.anomaly, 20),
        "Anomaly of real alerts": _anomaly_by_label(alerts, said, thresholds),
    }
    if held_out:
        tables["Single objects"] = _single_objects(models, real_data)
        tables["AT2017gfo looked at by surveys"] = _at2017gfo(models, real_data, thresholds)
    return tables


def _at2017gfo(models: Path, real_data: Path, thresholds: Thresholds) -> Rows:
    source = published.at2017gfo(real_data / published.AT2017GFO)
    said = Examined.of(looked_at(HELD_OUT_SEED, source, N_LOOKS), models)
    return efficiency(said, thresholds, with_curves=False)


def _real_counts(alerts: Sequence[RealAlert], said: Said, thresholds: Thresholds) -> Rows:
    head = ["survey", "points", "alerts", "objects", "of which the rule speaks"]
    head += [f"{who} at {100 * s:g} %" for s in SHARES for who in ("model", "rule")]
    rows = [[*head, "Fink's score above 0.5"]]
    survey = np.array([x.object.survey for x in alerts])
    keys = np.array([x.object.object_key for x in alerts])
    fink = np.array([x.fink_kilonova for x in alerts], dtype=np.float64)
    for each in SURVEYS:
        for points in ("1", "2+"):
            here = (survey == each.name) & POINTS[points](said.n_points)
            counts = [
                int((scores[here] > cut[s]).sum())
                for s in SHARES
                for scores, cut in ((said.model, thresholds.model), (said.rule, thresholds.rule))
            ]
            known = fink[here & ~np.isnan(fink)]
            of_fink = f"{int((known > 0.5).sum())} of {len(known)}"
            spoken = int((~np.isnan(said.rule[here])).sum())
            numbers = int(here.sum()), len(set(keys[here])), spoken, *counts
            rows.append([each.name, points, *map(str, numbers), of_fink])
    return rows


def _highest(alerts: Sequence[RealAlert], said: Said, scores: Floats, n: int) -> Rows:
    """The objects with the highest scores, each by its highest alert."""
    rows = [["object", "label", "points", "model", "rule", "anomaly"]]
    known = np.where(np.isnan(scores), -np.inf, scores)
    seen: set[str] = set()
    for at in np.argsort(-known, kind="stable"):
        alert = alerts[int(at)]
        if alert.object.object_key in seen or len(seen) == n:
            continue
        seen.add(alert.object.object_key)
        rows.append([alert.object.object_id, alert.label, *_numbers(said, int(at))])
    return rows


def _numbers(said: Said, at: int) -> list[str]:
    rule = "" if np.isnan(said.rule[at]) else f"{said.rule[at]:+.2f}"
    return [
        str(said.n_points[at]), f"{said.model[at]:.3f}", rule, f"{said.anomaly[at]:.3f}"
    ]  # fmt: skip


def _anomaly_by_label(alerts: Sequence[RealAlert], said: Said, thresholds: Thresholds) -> Rows:
    rows = [["survey", "alerts", "median", "above the threshold"]]
    for survey in SURVEYS:
        here = np.array([x.object.survey == survey.name for x in alerts]) & (said.n_points >= 2)
        scores = said.anomaly[here]
        above = share_of(scores > thresholds.anomaly)
        rows.append([survey.name, str(len(scores)), f"{np.median(scores):.3f}", above])
    return rows


def _single_objects(models: Path, real_data: Path) -> Rows:
    rows = [["object", "as of", "points", "model", "rule", "anomaly"]]
    named = list(_states(real_data))
    said = said_of([obj for _, _, obj in named], models)
    for at, (name, when, _) in enumerate(named):
        rows.append([name, when, *_numbers(said, at)])
    return rows


def _states(real_data: Path) -> Iterator[tuple[str, str, OpticalObject]]:
    for survey, bands in (("ztf", "gr"), ("lsst", "ugrizy")):
        whole = published.of_table(real_data / published.AT2017GFO, survey, bands)
        first = whole.detections[0].time_unix_s
        for days in (0.5, 1.5, 2.5, 3.5, 5.5, 8.5):
            now = published.until(whole, first + days * DAY_S)
            yield f"AT2017gfo in {bands}", f"first + {days:g} d", now
    for file in sorted((real_data / published.CANDIDATES).glob("*.dat")):
        if (candidate := published.of_candidate(file)) is not None:
            yield candidate.object_id, "all of it", candidate
    for obj in published.of_packets(real_data / published.ZTF21AAGWBJR):
        yield "ZTF21aagwbjr", f"alert {obj.version}", obj
