"""Features of an optical object: its light curve and its place in a few dozen numbers.

A feature is None where the packets do not tell, never a sentinel. All are functions of the object
alone: neither the order of its alerts nor the objects beside it change one.
"""

from correlator.features.extraction import features_of, features_of_many
from correlator.features.place import Context, Position
from correlator.features.vocabulary import FEATURES, Features, Meaning, as_matrix

__all__ = [
    "FEATURES",
    "Context",
    "Features",
    "Meaning",
    "Position",
    "as_matrix",
    "features_of",
    "features_of_many",
]
