"""A score: one number about an object, by a named and versioned rule, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from correlator.features import Features
from correlator.features.curves import Curves, Magnitudes, curves_of, magnitudes_of
from correlator.object import OpticalObject

Value = tuple[float | None, str]
"""A value, None where it is unknown, and why."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer says of an object; the value is None where it cannot tell."""

    name: str
    version: str
    value: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects with their features and their light curves in columns."""

    objects: Sequence[OpticalObject]
    features: Sequence[Features]
    curves: Curves
    magnitudes: Magnitudes


def batch_of(objects: Sequence[OpticalObject], features: Sequence[Features]) -> Batch:
    """Objects as scorers see them."""
    if len(objects) != len(features):
        raise ValueError(f"{len(objects)} objects and {len(features)} features")
    curves = curves_of(objects, [None] * len(objects))
    return Batch(objects, features, curves, magnitudes_of(curves))


@dataclass(frozen=True, slots=True)
class Scorer:
    """A rule that scores objects, each the same whatever the others are.

    Attributes
    ----------
    name, version
        A rule that would say anything else of any object has another version.
    meaning
        What the value is, with its range or unit.
    source
        Where the rule and its thresholds come from.
    rule
        The values of a batch, in its order.
    """

    name: str
    version: str
    meaning: str
    source: str
    rule: Callable[[Batch], list[Value]]

    def scores(self, batch: Batch) -> list[Score]:
        """The score of each object of a batch."""
        return [Score(self.name, self.version, value, why) for value, why in self.rule(batch)]


def one_by_one(rule: Callable[[OpticalObject, Features], Value]) -> Callable[[Batch], list[Value]]:
    """The rule of a batch from that of one object."""

    def of_batch(batch: Batch) -> list[Value]:
        return [rule(o, f) for o, f in zip(batch.objects, batch.features, strict=True)]

    return of_batch


def all_of(conditions: Sequence[tuple[bool | None, str]]) -> Value:
    """1 where every condition holds, 0 with the first that fails, None with the first unknown.

    A condition that fails decides, whatever else is unknown.
    """
    failed = next((text for holds, text in conditions if holds is False), None)
    if failed is not None:
        return 0.0, f"not: {failed}"
    unknown = next((text for holds, text in conditions if holds is None), None)
    if unknown is not None:
        return None, f"unknown: {unknown}"
    return 1.0, "; ".join(text for _, text in conditions)


def at_least(value: float | None, least: float) -> bool | None:
    """Whether a feature is so large; None where it is unknown."""
    return None if value is None else value >= least


def at_most(value: float | None, most: float) -> bool | None:
    """Whether a feature is so small; None where it is unknown."""
    return None if value is None else value <= most
