"""Orbits on disk: the published files of known Solar System bodies, read and checked."""
