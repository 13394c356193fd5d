"""What can be wrong with an orbit in a file."""

from __future__ import annotations

from correlator.errors import MalformedPacketError


class MalformedOrbitError(MalformedPacketError):
    """A record of a file of orbits is none."""
