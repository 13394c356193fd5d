"""The forms in which alerts come: a survey's own packets, and those of brokers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from correlator.errors import MalformedAlertError
from ingest_optical import babamul, babamul_lsst, lasair, lsst, ztf
from ingest_optical.avro import WriterSchema
from ingest_optical.avro_pattern import Wanted
from ingest_optical.first_look import FirstLook

UNSTATED_VERSION = "unstated"
"""Schema version of an LSST record in JSON, which does not carry it."""

_LSST_NAME = re.compile(r"lsst\.v(\d+)_(\d+)\.alert")
_LSST_VERSION = re.compile(r"(?:lsst\.)?v?(\d+)[._](\d+)")

_SPARK_NAME = "topLevelRecord"
"""Name that Spark gives a record, and so Fink's containers have."""


class Form(NamedTuple):
    """How packets of a survey, or of a broker of its alerts, are read.

    Attributes
    ----------
    survey
        Whose alerts they are.
    prefix, whole
        Fields that a first look and the whole alert need.
    wanted
        The fields that are looked at, for a pattern; None: all, by fastavro.
    past
        Fields that a first look leaves out of a record that is decoded already.
    look
        Makes a record, with the packet's name and the schema's version, a first look.
    """

    survey: str
    prefix: tuple[str, ...]
    whole: tuple[str, ...]
    wanted: Wanted | None
    past: frozenset[str]
    look: Callable[[Mapping[str, object], str, str | None], FirstLook]


def _look_at_rubin(record: Mapping[str, object], packet: str, version: str | None) -> FirstLook:
    return lsst.to_first_look(record, packet, version or UNSTATED_VERSION)


def _look_at_babamul(record: Mapping[str, object], packet: str, _: str | None) -> FirstLook:
    return babamul.to_first_look(record, packet)


def _look_at_babamul_lsst(record: Mapping[str, object], packet: str, _: str | None) -> FirstLook:
    return babamul_lsst.to_first_look(record, packet)


def _look_at_lasair_lite(record: Mapping[str, object], packet: str, _: str | None) -> FirstLook:
    return lasair.to_lite_look(record, packet)


ZTF = Form(
    survey=ztf.SURVEY,
    prefix=ztf.PREFIX_FIELDS,
    whole=ztf.WHOLE_FIELDS,
    wanted=ztf.WANTED,
    past=frozenset({"prv_candidates", "fp_hists"}),
    look=ztf.to_first_look,
)
RUBIN = Form(
    survey=lsst.SURVEY,
    prefix=lsst.PREFIX_FIELDS,
    whole=lsst.WHOLE_FIELDS,
    wanted=lsst.WANTED,
    past=frozenset({"prvDiaSources", "prvDiaForcedSources", "diaObject", "ssSource"}),
    look=_look_at_rubin,
)
BABAMUL = Form(
    survey=ztf.SURVEY,
    prefix=babamul.PREFIX_FIELDS,
    whole=babamul.WHOLE_FIELDS,
    wanted=None,
    past=frozenset({"prv_candidates", "prv_nondetections", "fp_hists"}),
    look=_look_at_babamul,
)
BABAMUL_LSST = Form(
    survey=lsst.SURVEY,
    prefix=babamul_lsst.PREFIX_FIELDS,
    whole=babamul_lsst.WHOLE_FIELDS,
    wanted=None,
    past=babamul_lsst.PAST_FIELDS,
    look=_look_at_babamul_lsst,
)
LASAIR_LITE = RUBIN._replace(wanted=None, look=_look_at_lasair_lite)
OF_SURVEY = {form.survey: form for form in (ZTF, RUBIN)}
"""The surveys' own forms."""


def form_of_schema(schema: WriterSchema, packet: str) -> tuple[Form, str | None]:
    """The form and the version of what a schema writes.

    Raises
    ------
    MalformedAlertError
        It is no alert of ZTF or LSST that we know.
    """
    # Simulations and brokers use the same field names with other units.
    if schema.name == "ztf.alert":
        return ZTF, schema.version
    if named := _LSST_NAME.fullmatch(schema.name):
        return RUBIN, f"{named[1]}.{named[2]}"
    if schema.name == babamul.NAME:
        return BABAMUL, None
    if schema.name == babamul_lsst.NAME:
        return BABAMUL_LSST, None
    if schema.name.startswith(_SPARK_NAME):
        if {"objectId", "candidate"} <= set(schema.fields):
            return ZTF, schema.version
        if "diaSource" in schema.fields:
            return RUBIN, schema.version
    raise MalformedAlertError(packet, "the schema must be an alert of ZTF or LSST", schema.name)


def form_of_record(
    record: dict[str, object], packet: str
) -> tuple[Form, str | None, dict[str, object]]:
    """The form and the version of a JSON object, and the record that it is.

    Raises
    ------
    MalformedAlertError
        It is no alert.
    """
    if lasair.is_lasair(record):
        said = lasair.to_record(record, packet)
        return LASAIR_LITE if lasair.is_lite(said) else RUBIN, lasair.VERSION, said
    if "diaSource" in record:
        return RUBIN, _version_of_record(record), record
    if "candidate" in record or "i:candid" in record:
        return ZTF, None, record
    rule = "a JSON alert must have candidate, diaSource or diaSourcesList"
    raise MalformedAlertError(packet, rule, list(record)[:8])


def _version_of_record(record: dict[str, object]) -> str | None:
    said = record.get("lsst_schema_version")
    matched = _LSST_VERSION.match(said) if isinstance(said, str) else None
    return f"{matched[1]}.{matched[2]}" if matched else None
