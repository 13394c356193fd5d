"""Our notices, read: by whoever listens, of any release that says the same major version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from correlator.errors import MalformedPacketError
from streams.coincidence_block import CoincidenceBlock
from streams.gcn_notice import SCHEMA_VERSION

_VERSION = re.compile(r"/v(\d+)\.\d+\.\d+/coincidence\.schema\.json$")
_MAJOR = int(SCHEMA_VERSION.partition(".")[0])


@dataclass(frozen=True, slots=True)
class CoincidenceNotice:
    """A notice of ours as its readers need it: GCN's core fields, and our block.

    Attributes
    ----------
    schema_url
        The schema that it names.
    id
        Of all revisions of the coincidence; with the record number it names the notice.
    ra, dec
        Of the object, ICRS [deg]; None of what is gone and not stored any more.
    """

    schema_url: Annotated[str, Field(validation_alias="$schema")]
    alert_datetime: str
    alert_tense: str
    alert_type: str
    mission: str
    record_number: int
    event_name: tuple[str, ...]
    id: tuple[str, ...]
    additional_info: str
    coincidence: CoincidenceBlock
    ra: float | None = None
    dec: float | None = None


_READER = TypeAdapter(CoincidenceNotice)


def read_notice(data: bytes, name: str = "notice") -> CoincidenceNotice:
    """The notice of a record; what a later minor version added is passed over.

    Raises
    ------
    MalformedPacketError
        The bytes are no notice of ours, or one of another major version.
    """
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedPacketError(name, "a notice is JSON", data) from error
    url = said.get("$schema") if isinstance(said, dict) else None
    version = _VERSION.search(url) if isinstance(url, str) else None
    if version is None or int(version[1]) != _MAJOR:
        raise MalformedPacketError(name, f"$schema is our schema of version {_MAJOR}", url)
    try:
        return _READER.validate_python(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise MalformedPacketError(name, f"a notice is expected; {where}", first["msg"]) from error
