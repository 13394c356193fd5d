"""Where known Solar System bodies are: their orbits, and their places on the sky from a site.

Convention: astrometric places, in ICRF axes. The body is where it was when the light left it
(light time applied); neither aberration nor the deflection of light is applied, because a survey
measures places among the stars of Gaia, which suffer both alike. TDB and TT are one here; they
differ by less than 2 ms.
"""
