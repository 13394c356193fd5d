"""How the models of ``deploy/models`` are made: light curves, fits, and what they have not seen.

``python -m training`` does all of it; docs/science/models.md says what came out. Not part of the
installed package. Nothing here comes from ``correlator.simulation``, so that its nights are held
out from what the models have learnt.
"""
