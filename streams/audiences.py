"""Audiences on their way: the header of a record that says who may read it."""

from __future__ import annotations

from correlator.audience import Audience, audience_of, audience_text
from correlator.errors import MalformedNoticeError
from streams.log import Headers

AUDIENCE_HEADER = "audience"
"""Header of records of ``notices.raw`` and ``dead_letter``; none at all is public."""


def headers_of_audience(audience: Audience) -> Headers:
    """The header of an audience; none for the public."""
    text = audience_text(audience)
    return () if text is None else ((AUDIENCE_HEADER, text.encode()),)


def audience_of_headers(headers: Headers, name: str) -> Audience:
    """Who may read a record, by its headers.

    Raises
    ------
    MalformedNoticeError
        The header holds something else than tags: nobody knows whom the record is for.
    """
    tags = [tag for key, value in headers if key == AUDIENCE_HEADER for tag in _tags(value, name)]
    try:
        return audience_of(tags)
    except ValueError as error:
        raise MalformedNoticeError(name, "the audience is of tags", str(error)) from None


def _tags(value: bytes, name: str) -> list[str]:
    tags = value.decode(errors="replace").split()
    if not tags:
        raise MalformedNoticeError(name, "the audience is of tags", value)
    return tags
