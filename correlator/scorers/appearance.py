"""What an object looks like: its class and every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from correlator.features import Features, features_of_many
from correlator.object import OpticalObject
from correlator.scorers.classes import ObjectClass, class_of
from correlator.scorers.score import Score
from correlator.scorers.scores import scores_of_many


@dataclass(frozen=True, slots=True)
class Appearance:
    """What our scorers say of an object as it stands.

    Attributes
    ----------
    scores
        In the order of ``SCORERS``, each with its version and its reason.
    """

    object_class: ObjectClass
    scores: tuple[Score, ...]


def appearances_of(
    objects: Sequence[OpticalObject], features: Sequence[Features] | None = None
) -> list[Appearance]:
    """The appearance of each object, the same whatever the others are.

    Parameters
    ----------
    features
        Their features, where they are at hand already.
    """
    known = features_of_many(objects) if features is None else features
    scores = scores_of_many(objects, known)
    return [
        Appearance(class_of(s, f), tuple(s.values())) for s, f in zip(scores, known, strict=True)
    ]
