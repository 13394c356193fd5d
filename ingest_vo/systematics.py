"""What a published radius means: its containment, and the systematic error it leaves out.

Fermi GBM, the flight positions (FLT): measured, not assumed
------------------------------------------------------------
Question: do the radii of GBM_Flt_Pos already hold the systematic error? Over all 26 triggers
with both FLT and FIN in the real packets (41 FLT notices), the log-likelihood of the FLT-to-FIN
separations, FIN's own statistical and RoboBA error taken in quadrature throughout:

====================================================  =======  ======  =======
model of the flight radius                            last FLT  first   all FLT
====================================================  =======  ======  =======
r68 as published, nothing added                        -118.5   -78.7   -175.0
7.52 deg in quadrature, no tail                         -56.1   -41.9    -95.0
7.52 deg (0.897) + 55.6 deg (0.103), both added          +5.7    -1.2     -3.7
nothing for the core (0.897), 55.6 deg (0.103)           +8.9    +1.4     +0.7
====================================================  =======  ======  =======

17 of the 26 last flight positions (65 %) lie within their published radius of FIN, 20 (77 %) when
FIN's own error is granted: what an r68 that holds the *core* of the systematics must give. The
smallest of 92 flight radii is 3.8 deg, that of GND and FIN 1.0 deg; the e-mail form of the same
notices prints "statistical plus systematic", and GBM's JSON says ``systematic_included: true``.
But 4 of the 26 (35, 37, 65 and 65 deg off, with radii of 4 to 12 deg) are in the non-Gaussian
tail of Connaughton et al. (2015), which no radius holds. Decision: the core is never added a
second time, the tail always is: a mixture whose core component is 0 deg wide.

Sources: Connaughton et al. 2015 (ApJS 216, 32), Goldstein et al. 2020 (ApJ 895, 40; RoboBA).
"""

from __future__ import annotations

from dataclasses import dataclass

from correlator.errors import MalformedNoticeError
from skymaps.errors import SkyMapError
from skymaps.shapes import Circle, SystematicComponent


@dataclass(frozen=True, slots=True)
class RadiusMeaning:
    """What one mission's radius of one stage means.

    Attributes
    ----------
    level
        Probability inside the published radius.
    includes_systematics
        Whether the radius holds the systematic error; False also where nobody says.
    systematics
        What to add to it.
    source
        Document that says so.
    """

    level: float
    includes_systematics: bool
    source: str
    systematics: tuple[SystematicComponent, ...] = ()

    def circle(
        self, name: str, ra_deg: float | None, dec_deg: float | None, radius_deg: float | None
    ) -> Circle | None:
        """Localization of a published circle; None where position or radius is unknown.

        Raises
        ------
        MalformedNoticeError
            A radius that no circle can have.
        """
        if ra_deg is None or dec_deg is None or radius_deg is None:
            return None
        try:
            return Circle(
                ra_deg=ra_deg,
                dec_deg=dec_deg,
                radius_deg=radius_deg,
                level=self.level,
                includes_systematics=self.includes_systematics,
                systematics=self.systematics,
                source=self.source,
            )
        except SkyMapError as error:
            raise MalformedNoticeError(name, error.rule, error.value) from None


def holds_systematics(circle: Circle) -> bool:
    """Whether the published radius holds the (core of the) systematic error.

    A mixture whose weightiest component is 0 deg wide adds only a tail to a radius that
    holds the core: see the flight positions of GBM above.
    """
    if not circle.systematics:
        return circle.includes_systematics
    return max(circle.systematics, key=lambda part: part.weight).r68_deg == 0.0


def _mixture(
    core_deg: float, core_weight: float, tail_deg: float
) -> tuple[SystematicComponent, ...]:
    return (
        SystematicComponent(weight=core_weight, r68_deg=core_deg),
        SystematicComponent(weight=1.0 - core_weight, r68_deg=tail_deg),
    )


GBM_LEVEL = 0.68
"""GBM radii are 1-sigma; its JSON notices give ``containment_probability: 0.68``."""

GBM_FLIGHT = RadiusMeaning(
    GBM_LEVEL, False, "Connaughton 2015, tail only: the flight radius holds the core",
    _mixture(0.0, 0.897, 55.6),
)  # fmt: skip

GBM_GROUND = RadiusMeaning(
    GBM_LEVEL, False, "Connaughton 2015, ground-automated", _mixture(3.72, 0.804, 13.7)
)
"""Also taken for the sub-threshold search, whose radii come from the same ground code."""

GBM_FINAL_HUMAN = RadiusMeaning(
    GBM_LEVEL, False, "Connaughton 2015, human in the loop", _mixture(3.71, 0.900, 14.3)
)
GBM_FINAL_ROBOTIC_LONG = RadiusMeaning(
    GBM_LEVEL, False, "Goldstein 2020, RoboBA, long", _mixture(1.86, 0.579, 4.14)
)
GBM_FINAL_ROBOTIC_SHORT = RadiusMeaning(
    GBM_LEVEL, False, "Goldstein 2020, RoboBA, short", _mixture(2.55, 0.390, 4.43)
)
GBM_FINAL_ROBOTIC = RadiusMeaning(
    GBM_LEVEL, False, "Goldstein 2020, RoboBA, all bursts (GCN 25726)", _mixture(1.8, 0.52, 4.1)
)

LAT = RadiusMeaning(0.9, False, "GCN Fermi mission page: statistical, 90 %")

SWIFT = RadiusMeaning(0.9, True, "Swift circulars: 90 %, systematics included (BAT, XRT, UVOT)")

SVOM_ECLAIRS = RadiusMeaning(0.9, True, "GCN 40934, 41243: R90 with 2 arcmin of systematics")
SVOM_MXT = RadiusMeaning(0.9, False, "FSC documentation: R90; systematics not said")

INTEGRAL = RadiusMeaning(0.9, False, "GCN INTEGRAL notices: 90 %; systematics not said")

EINSTEIN_PROBE = RadiusMeaning(
    0.9, True, "default containment; radii of 13 real notices lie in 0.0507 to 0.0518 deg, so each "
    "holds a constant 3 arcmin",
)  # fmt: skip

ICECUBE_FIRST = RadiusMeaning(0.9, False, "IceCube: 90 %, revision 0 statistical only")
ICECUBE_REVISED = RadiusMeaning(0.9, True, "IceCube: 90 %, systematics from revision 1 on")

ANTARES = RadiusMeaning(0.5, False, "TAToO: median angular error")

UNSTATED = RadiusMeaning(0.9, False, "default containment of the GCN core schema")


def gbm_final(human: bool, duration_class: str | None) -> RadiusMeaning:
    """Meaning of a final GBM radius; duration class ``long``, ``short`` or unknown."""
    if human:
        return GBM_FINAL_HUMAN
    by_class = {"long": GBM_FINAL_ROBOTIC_LONG, "short": GBM_FINAL_ROBOTIC_SHORT}
    return by_class.get((duration_class or "").lower(), GBM_FINAL_ROBOTIC)
