"""Features, scores and class of alerts as JSON values, each alert's object by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from correlator.alert import Alert
from correlator.features import Features, features_of_many
from correlator.object import object_of
from correlator.scorers import Score, class_of, scores_of_many


def score_rows(alerts: Sequence[Alert]) -> list[dict[str, object]]:
    """A row an alert: ``class``, ``features`` and ``scores`` by name.

    An unknown feature is left out: most of a hundred are. An unknown score is null, with the
    reason.
    """
    objects = [object_of(alert) for alert in alerts]
    features = features_of_many(objects)
    scores = scores_of_many(objects, features)
    return [_row(f, s) for f, s in zip(features, scores, strict=True)]


def _row(features: Features, scores: dict[str, Score]) -> dict[str, object]:
    return {
        "class": str(class_of(scores, features)),
        "features": {name: x for name, x in asdict(features).items() if x is not None},
        "scores": {
            name: {"version": s.version, "value": s.value, "reason": s.reason}
            for name, s in scores.items()
        },
    }
