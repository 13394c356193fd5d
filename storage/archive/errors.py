"""What can be wrong with an archive."""

from __future__ import annotations

from correlator.errors import ConfigurationError


class ArchiveError(ConfigurationError):
    """An archive, or a file of one, cannot be used.

    Parameters
    ----------
    what
        The folder or the file.
    rule
        The rule that it breaks, in words.
    value
        The offending value.
    """

    def __init__(self, what: object, rule: str, value: object = None) -> None:
        self.rule = rule
        self.value = value
        said = "" if value is None else f", got {str(value)[:300]}"
        super().__init__(f"{what}: {rule}{said}")
