"""Everything that we raise on purpose."""

import reprlib


class CorrelatorError(Exception):
    """Root of the errors that the correlator raises on purpose."""


class MalformedPacketError(CorrelatorError):
    """A packet cannot be understood; its bytes go to the dead letter.

    Parameters
    ----------
    packet
        File, topic and offset, or id: how a person finds the packet.
    rule
        The rule that it breaks, in words: ``"dec must lie in [-90, 90] deg"``.
    value
        The offending value, shortened to 120 characters.
    """

    def __init__(self, packet: str, rule: str, value: object = None) -> None:
        self.packet = packet
        self.rule = rule
        self.value = _shortened(value)
        said = "" if value is None else f", got {self.value}"
        super().__init__(f"{packet}: {rule}{said}")


class MalformedAlertError(MalformedPacketError):
    """An optical packet cannot be understood."""


class MalformedNoticeError(MalformedPacketError):
    """A VOEvent, GCN or IGWN packet cannot be understood."""


class FilterError(CorrelatorError):
    """A filter cannot be understood, or asks for more than a filter may.

    Parameters
    ----------
    place
        Where in the filter: ``"character 17"`` of a text, ``"$.and[1].value"`` of JSON.
    rule
        The rule that it breaks, in words.
    value
        The offending value, shortened to 120 characters.
    """

    def __init__(self, place: str, rule: str, value: object = None) -> None:
        self.place = place
        self.rule = rule
        self.value = _shortened(value)
        said = "" if value is None else f", got {self.value}"
        super().__init__(f"filter, {place}: {rule}{said}")


class RefusedError(CorrelatorError):
    """What a reader asks to be remembered, or to be done, cannot be.

    Parameters
    ----------
    record
        What was asked for, in words: ``"token 'grandma'"``.
    rule
        The rule that it breaks, in words.
    value
        The offending value, shortened to 120 characters.
    """

    def __init__(self, record: str, rule: str, value: object = None) -> None:
        self.record = record
        self.rule = rule
        self.value = _shortened(value)
        said = "" if value is None else f", got {self.value}"
        super().__init__(f"{record}: {rule}{said}")


class ConfigurationError(CorrelatorError):
    """A setting or an option cannot be used; the message says which and why."""


_LIMIT = 120
"""Longest value in a message [characters]."""

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _LIMIT
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = 16


def _shortened(value: object) -> str:
    # Slice before repr: the value may be a string of 100 MB.
    if isinstance(value, str | bytes) and len(value) > _LIMIT:
        return f"{value[:_LIMIT]!r}... ({len(value)} long)"
    # Not repr(): JSON nests deeper than Python's stack, and a list may have a million items.
    said = _BRIEF.repr(value)
    return said if len(said) <= _LIMIT else said[:_LIMIT] + "..."
