"""Audiences on their way: the header of a record that says who may read it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from correlator.audience import PUBLIC, Audience, audience_of, audience_text, union
from correlator.errors import ConfigurationError, MalformedNoticeError
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


def audience_of_topic(topic: str, audiences: Mapping[str, Audience]) -> Audience:
    """Who may read a topic, by its name and by the patterns (``^...``) that it fits."""
    if not audiences:
        return PUBLIC
    return union(tags for named, tags in audiences.items() if _names(named, topic))


def check_topics(audiences: Mapping[str, Audience], topics: Collection[str]) -> None:
    """Refuse an audience of something that is not read: a misspelt one would stay public.

    Raises
    ------
    ConfigurationError
        A name that no topic has and no pattern of the topics fits.
    """
    for named in audiences:
        if named not in topics and not any(_names(t, named) or _names(named, t) for t in topics):
            raise ConfigurationError(f"audience of {named}: no such topic is read")


def _names(named: str, topic: str) -> bool:
    return bool(re.match(named, topic)) if named.startswith("^") else named == topic


def _tags(value: bytes, name: str) -> list[str]:
    tags = value.decode(errors="replace").split()
    if not tags:
        raise MalformedNoticeError(name, "the audience is of tags", value)
    return tags
