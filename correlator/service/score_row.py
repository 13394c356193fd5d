"""Features, scores and class of alerts as JSON values, each alert's object by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from correlator.alert import Alert
from correlator.features import Features, features_of_many
from correlator.object import object_of
from correlator.scorers import Appearance, appearances_of
from correlator.service.rows import appearance_columns


def score_rows(alerts: Sequence[Alert]) -> list[dict[str, object]]:
    """A row an alert: ``class``, ``features`` and ``scores`` by name.

    An unknown feature is left out: most of a hundred are. An unknown score is null, with the
    reason.
    """
    objects = [object_of(alert) for alert in alerts]
    features = features_of_many(objects)
    looks = appearances_of(objects, features)
    return [_row(f, a) for f, a in zip(features, looks, strict=True)]


def _row(features: Features, appearance: Appearance) -> dict[str, object]:
    known = {name: x for name, x in asdict(features).items() if x is not None}
    said = appearance_columns(appearance)
    return {"class": said["class"], "features": known, "scores": said["scores"]}
