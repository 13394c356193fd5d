"""Nights of alerts as Parquet: every packet that came in, and in full those that passed the gate.

``ROOT/DATA/night=YYYYMMDD`` is a HATS catalogue, where ``DATA`` is one of :data:`DATA_SETS`. What
was written and not made one yet lies in ``ROOT/parts``.
"""

NIGHT, SURVIVORS = "night", "survivors"

DATA_SETS = (NIGHT, SURVIVORS)
"""One row for each packet; one for each alert that passed, with its past, features and scores."""
