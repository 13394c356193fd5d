"""Pairs with what our scorers say of their objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from correlator.object import OpticalObject
from correlator.pair import PairEvidence
from correlator.policy import Policy
from correlator.rules import is_let_through
from correlator.scorers.appearance import appearances_of


def scored(
    pairs: Sequence[tuple[PairEvidence, OpticalObject]], policy: Policy
) -> list[PairEvidence]:
    """Each pair, scored where a science case lets it through.

    A score is a function of the object alone, so that an object is scored once, however many
    events it is compared with; and scores cost most when they come one by one.

    Parameters
    ----------
    pairs
        Each with the very object that it was made of; of one object, one instance.
    """
    chosen = {id(obj): obj for pair, obj in pairs if is_let_through(pair, policy)}
    if not chosen:
        return [pair for pair, _ in pairs]
    looks = dict(zip(chosen, appearances_of(list(chosen.values())), strict=True))
    return [
        replace(pair, appearance=looks[id(obj)]) if is_let_through(pair, policy) else pair
        for pair, obj in pairs
    ]
