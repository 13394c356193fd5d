"""The one VOTable that a cone search answers with: results, or what went wrong.

As Simple Cone Search 1.03 wants it: one RESOURCE with one TABLE, ``ID_MAIN``, ``POS_EQ_RA_MAIN``
and ``POS_EQ_DEC_MAIN`` once each, which the draft of 1.1 keeps. The status of DALI 1.1 stands
beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar
from xml.sax.saxutils import escape, quoteattr

T = TypeVar("T")

MEDIA_TYPE = "application/x-votable+xml"


class Verbosity(StrEnum):
    """How many columns there are, as ``VERB`` says it."""

    LEAST = "1"
    USUAL = "2"
    ALL = "3"


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One FIELD, and what of a noun goes into it.

    Attributes
    ----------
    datatype
        ``double``, ``int``, or ``char`` for text of any length.
    of
        The value; None is a null.
    verbosity
        From which on it is there.
    ref
        ``icrs`` of a coordinate, ``utc`` of a Modified Julian date.
    """

    name: str
    datatype: str
    ucd: str
    of: Callable[[T], Any]
    description: str
    unit: str | None = None
    verbosity: Verbosity = Verbosity.LEAST
    ref: str | None = None

    def field(self) -> str:
        """The FIELD of a VOTable."""
        said = {
            "name": self.name,
            "datatype": self.datatype,
            "arraysize": "*" if self.datatype == "char" else None,
            "ucd": self.ucd,
            "unit": self.unit,
            "ref": self.ref,
        }
        known = " ".join(f"{k}={quoteattr(v)}" for k, v in said.items() if v is not None)
        return f"<FIELD {known}><DESCRIPTION>{escape(self.description)}</DESCRIPTION></FIELD>"


def results_of(
    columns: Sequence[Column[T]],
    rows: Iterable[T],
    verbosity: Verbosity,
    about: str,
    *,
    overflows: bool = False,
) -> bytes:
    """A table of results; one that was cut says so after its rows."""
    chosen = [c for c in columns if c.verbosity <= verbosity]
    fields = "\n".join(c.field() for c in chosen)
    body = "\n".join(
        f"<TR>{''.join(f'<TD>{_cell(c.of(row))}</TD>' for c in chosen)}</TR>" for row in rows
    )
    after = '\n<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if overflows else ""
    return _document(
        '<RESOURCE type="results">\n'
        f"<DESCRIPTION>{escape(about)}</DESCRIPTION>\n"
        '<INFO name="QUERY_STATUS" value="OK"/>\n'
        '<COOSYS ID="icrs" system="ICRS"/>\n'
        '<TIMESYS ID="utc" timeorigin="2400000.5" timescale="UTC" refposition="TOPOCENTER"/>\n'
        f"<TABLE>\n{fields}\n<DATA><TABLEDATA>\n{body}\n</TABLEDATA></DATA>\n</TABLE>{after}\n"
        "</RESOURCE>"
    )


def error_of(message: str) -> bytes:
    """What went wrong, said as 1.03 wants it and as DALI does."""
    said = _plain(message)
    return _document(
        f'<INFO ID="Error" name="Error" value={quoteattr(said)}/>\n'
        '<RESOURCE type="results">\n'
        f'<INFO name="QUERY_STATUS" value="ERROR">{escape(said)}</INFO>\n'
        "</RESOURCE>"
    )


def _document(content: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
        f"{content}\n</VOTABLE>\n"
    ).encode()


def _cell(value: Any) -> str:
    """A value as it stands between the tags; an unknown one is empty."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return escape(_plain(value)) if isinstance(value, str) else repr(value)


_NOT_OF_XML = re.compile("[^\t\n\r\x20-\x7f]")


def _plain(said: str) -> str:
    """Text that XML takes, and ``char``: of seven bits. A packet may say anything."""
    return _NOT_OF_XML.sub("?", said.encode("ascii", "backslashreplace").decode())
