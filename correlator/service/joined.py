"""Rows of a batch cross-match: from files, filtered, into a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from correlator.audience import OPERATOR, Reader
from correlator.batch import JoinedPair, JoinOptions, OnsetRule, join, onset_unix_s
from correlator.errors import ConfigurationError, MalformedPacketError
from correlator.notice import Notice
from correlator.service.alert_row import alert_row
from correlator.service.archive import Archive, files_under, read_alerts, read_notice_file
from correlator.service.join_fields import compile_where
from correlator.service.progress import tracked
from correlator.service.source_audiences import NO_AUDIENCES, SourceAudiences
from ingest_vo.reader import to_notice

Row = dict[str, Any]

COLUMNS = pa.schema(
    [
        ("object_id", pa.string()),
        ("alert_id", pa.string()),
        ("mission", pa.string()),
        ("event_id", pa.string()),
        ("notice_id", pa.string()),
        ("notice_type", pa.string()),
        ("delta_t_s", pa.float64()),
        ("separation_deg", pa.float64()),
        ("credible_level", pa.float64()),
        ("probdensity_per_sr", pa.float64()),
    ]
)
"""The contract's columns of ``correlator join``."""

_FORMATS = (".csv", ".parquet", ".ecsv")
_NOT_YOURS = "a packet that may not be for you (--audience) cannot be read"
_OF_THE_ALERT = (
    "survey", "ra_deg", "dec_deg", "band", "mag_ab", "is_positive", "n_history",
    "n_limits", "real_bogus", "solar_system_name", "solar_system_sep_arcsec", "star_score",
    "star_sep_arcsec", "gaia_sep_arcsec", "exposure_s",
)  # fmt: skip


def joined_rows(
    alerts: Iterable[Path],
    notices: Iterable[Path],
    options: JoinOptions,
    where: str | None,
    audiences: SourceAudiences = NO_AUDIENCES,
    reader: Reader = OPERATOR,
) -> tuple[list[Row], list[str]]:
    """Rows of the cross-match, sorted by notice and alert, and what could not be read.

    What is not for the reader is as if it were not there.

    Parameters
    ----------
    audiences
        Who may read what is in the files.

    Raises
    ------
    ConfigurationError
        The filter is none, or names no column.
    """
    keep = compile_where(where) if where else None
    archive = Archive(audiences=audiences)
    found = tracked(read_alerts(alerts, archive), "Reading alerts")
    read = [alert for alert in found if reader.may_read(alert.audience)]
    matched = [n for n in _notices(notices, archive) if reader.may_read(n.audience)]
    refusals = [
        refusal.reason if reader.may_read(refusal.audience) else _NOT_YOURS
        for refusal in archive.refusals
    ]
    rows = [
        _row(pair)
        for pair in join(read, matched, options)
        if keep is None or keep(_row(pair) | _conditions(pair))
    ]
    rows.sort(key=lambda r: (r["mission"], r["event_id"], r["notice_id"], r["alert_id"]))
    return rows, refusals


def check_table_file(out: Path) -> None:
    """Refuse a file that could not be written, before the work and not after it.

    Raises
    ------
    ConfigurationError
        Another ending than .csv, .parquet or .ecsv, or no such folder.
    """
    if out.suffix not in _FORMATS:
        raise ConfigurationError(f"--out {out}: {', '.join(_FORMATS)} expected")
    if not out.parent.is_dir():
        raise ConfigurationError(f"--out {out}: there is no folder {out.parent}")


def write_table(rows: list[Row], out: Path) -> None:
    """Write rows as CSV, Parquet or ECSV, by the file's ending."""
    table = pa.Table.from_pylist(rows, schema=COLUMNS)
    match out.suffix:
        case ".csv":
            pa.csv.write_csv(table, out)
        case ".parquet":
            pa.parquet.write_table(table, out)
        case _:
            _ecsv(table, out)


def _notices(paths: Iterable[Path], archive: Archive) -> list[Notice]:
    notices = []
    for path in tracked(files_under(paths, (".xml", ".json")), "Reading notices"):
        packet = read_notice_file(path)
        try:
            notice = to_notice(packet, path.name)
        except MalformedPacketError as error:
            archive.refuse(path.name, str(error), error.rule, packet)
        else:
            notices.append(replace(notice, audience=archive.audiences.of_notice(notice)))
    return notices


def _row(pair: JoinedPair) -> Row:
    return {
        "object_id": pair.alert.object_id,
        "alert_id": pair.alert.alert_id,
        "mission": pair.notice.mission,
        "event_id": pair.notice.event_id,
        "notice_id": pair.notice.notice_id,
        "notice_type": pair.notice.notice_type,
        "delta_t_s": pair.delta_t_s,
        "separation_deg": pair.separation_deg,
        "credible_level": pair.credible_level,
        "probdensity_per_sr": pair.probdensity_per_sr,
    }


def _conditions(pair: JoinedPair) -> Row:
    """Further columns that a filter may name."""
    alert, notice = alert_row(pair.alert), pair.notice
    rejections: Any = alert["rejections"]

    def since_t0(rule: OnsetRule) -> float | None:
        onset = onset_unix_s(pair.alert, rule)
        return None if onset is None else onset - pair.event_unix_s

    return {name: alert[name] for name in _OF_THE_ALERT} | {
        "rejections": ", ".join(map(str, rejections)),
        "time": pair.alert.time_unix_s,
        "event_time": pair.event_unix_s,
        "is_test": notice.is_test,
        "is_burst": notice.is_burst,
        "far_hz": notice.far_hz,
        "significance": notice.significance,
        "history_start_delta_s": since_t0(OnsetRule.HISTORY_START),
        "first_record_delta_s": since_t0(OnsetRule.FIRST_RECORD),
        "alert_delta_s": since_t0(OnsetRule.ALERT),
    }


def _ecsv(table: pa.Table, out: Path) -> None:
    from astropy import units as u
    from astropy.table import MaskedColumn, Table

    units = {
        "delta_t_s": u.s,
        "separation_deg": u.deg,
        "probdensity_per_sr": 1 / u.sr,
    }
    columns = []
    for name, kind in zip(COLUMNS.names, COLUMNS.types, strict=True):
        values = table[name].to_pylist()
        filler: Any = 0.0 if pa.types.is_floating(kind) else ""
        columns.append(
            MaskedColumn(
                [filler if v is None else v for v in values],
                name=name,
                mask=[v is None for v in values],
                unit=units.get(name),
                dtype="f8" if pa.types.is_floating(kind) else str,
            )
        )
    Table(columns).write(out, format="ascii.ecsv", overwrite=True)
