"""What can be wrong with a sky map."""

import reprlib

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 120


class SkyMapError(ValueError):
    """A sky map or a shape breaks a rule.

    Parameters
    ----------
    rule
        The rule in words: ``"the FITS file declares at most 64 MB of rows"``.
    value
        The offending value, if it helps.
    """

    def __init__(self, rule: str, value: object = None) -> None:
        self.rule = rule
        self.value = value
        super().__init__(rule if value is None else f"{rule}, got {_BRIEF.repr(value):.120}")
