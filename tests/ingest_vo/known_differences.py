"""Where another source reads a packet otherwise than we do, and why ours holds.

Each kind is as narrow as it can be said: what it does not explain is an error of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import notice_peers
from tests.ingest_vo.readings import Reading, unix_s

MANIFEST, NIGHT, TREE, MODEL, MAP, JSON = (
    "the list", "the night's table", "voevent-parse", "gcn-notice-parser", "ligo.skymap",
    "JSON as it stands",
)  # fmt: skip
"""The sources."""

PLACE = ("ra", "dec", "radius")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one packet that two read in two ways."""

    packet: bytes
    source: str
    field: str
    mine: Reading
    other: Reading

    @property
    def said(self) -> tuple[object, object]:
        """Our value and the other one."""
        return self.mine[self.field], self.other[self.field]

    @property
    def place(self) -> tuple[object, ...]:
        """The other position and radius."""
        return tuple(self.other.get(name) for name in PLACE)

    @property
    def is_of_place(self) -> bool:
        """Whether it has a position, and we have none."""
        return self.field in PLACE and all(self.mine[name] is None for name in PLACE)

    def svom_time(self, group: str, param: str) -> float | None:
        """A time of an SVOM packet, by voevent-parse."""
        said = notice_peers.voevent_parse(self.packet).groups.get(group, {}).get(param)
        return None if said is None else unix_s(said["value"])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of difference."""

    name: str
    why: str
    holds: Callable[[Difference], bool]


def _shared_id(d: Difference) -> bool:
    mine, other = map(str, d.said)
    return d.field == "event" and other in ("0", "99999") and mine.startswith(f"{other}:")


def _integral_sequence(d: Difference) -> bool:
    if d.field != "event" or d.mine["mission"] != "INTEGRAL":
        return False
    mine, other = (int(str(value)) for value in d.said)
    return other > mine and (other - mine) % 65_536 == 0


def _observation(d: Difference) -> bool:
    kinds = ("xrt_pos", "uvot_pos", "mxt-", "point_dir", "actual_point_dir")
    return d.field == "t0" and d.mine["t0"] is None and d.mine["type"].startswith(kinds)


def _is_svom_t0(d: Difference) -> bool:
    is_tree = d.packet.lstrip().startswith(b"<")
    return is_tree and (d.field, d.mine["mission"]) == ("t0", "SVOM") and d.mine["t0"] is not None


def _alert_sequence(d: Difference) -> bool:
    return _is_svom_t0(d) and d.mine["t0"] == d.svom_time("Svom_Identifiers", "Alert_Seq_T0")


def _grm_window(d: Difference) -> bool:
    return (
        _is_svom_t0(d)
        and d.mine["instrument"] == "GRM"
        and d.svom_time("Svom_Identifiers", "Alert_Seq_T0") is None
        and d.mine["t0"] == d.svom_time("Detection_Info", "Time_Window_End")
    )


KINDS = (
    Kind(
        "(0, 0) with the radius 0 or 360 as a position",
        "GCN's and SNEWS's way to say that there is none (GBM_Alert, Konus)",
        lambda d: d.is_of_place and d.place in ((0.0, 0.0, 0.0), (0.0, 0.0, 360.0)),
    ),
    Kind(
        "a position with the radius 0",
        "no error circle: FOM_Obs, light curves and pointings repeat a position, AGILE and "
        "LAT_Monitor give none",
        lambda d: d.is_of_place and d.place[:2] != (0.0, 0.0) and d.place[2] == 0.0,
    ),
    Kind(
        "SVOM GRM's radius of -1",
        "unknown, not a number of degrees; such positions were 22 to 140 deg off",
        lambda d: d.is_of_place and d.mine["instrument"] == "GRM" and d.place[2] == -1.0,
    ),
    Kind(
        "ISOTime of an XRT, UVOT or MXT position, or of a pointing, as T0",
        "it is the time of that observation, minutes after T0",
        _observation,
    ),
    Kind(
        "ISOTime of an SVOM packet that has Alert_Seq_T0",
        "Alert_Seq_T0 is the T0 of the burst, ISOTime the start of what this notice saw",
        _alert_sequence,
    ),
    Kind(
        "ISOTime of a GRM trigger without Alert_Seq_T0",
        "the end of its time window is T0: equal in all packets that have both",
        _grm_window,
    ),
    Kind(
        "TrigID 99999 or 0 as an event",
        "tests and AGILE share it over days and missions: it gets the packet's own id besides",
        _shared_id,
    ),
    Kind(
        "INTEGRAL's TrigID with its 65536",
        "the trigger's number is in the lower 16 bits: Wakeup and Refined are one burst",
        _integral_sequence,
    ),
    Kind(
        "no TrigID in GBM_SubThresh",
        "its id is Trans_Num",
        lambda d: d.field == "event" and d.other["event"] is None
        and d.mine["type"] == "gbm_subthresh",
    ),
    Kind(
        "TrigID 2147483647 of an old HESE packet",
        "an id that did not fit into 32 bits",
        lambda d: d.field == "event" and d.other["event"] == "2147483647",
    ),
    Kind(
        "role=observation of an INTEGRAL test",
        "Test_Notice=true says what it is",
        lambda d: d.field == "test" and d.mine["mission"] == "INTEGRAL" and d.mine["test"] is True
        and b'name="Test_Notice"' in d.packet,
    ),
    Kind(
        "KM3NeT's FAR in yr^-1",
        "8e-8 with a threshold of one a month (3.9e-7 Hz) is in Hz, whatever its label",
        lambda d: d.field == "far" and d.mine["mission"] == "KM3NeT" and b"yr^-1" in d.packet,
    ),
    Kind(
        "the PNG of a GBM final position as its map",
        "the HEALPix file stands beside it under the name of the burst",
        lambda d: d.field == "map_url" and str(d.other["map_url"]).endswith(".png"),
    ),
    Kind(
        "GBM's significance of 0",
        "not measured",
        lambda d: d.field == "significance" and d.said == (None, 0.0)
        and d.mine["type"] == "gbm_fin_pos",
    ),
    Kind(
        "no id in Einstein Probe's packets of 2024",
        "the trigger time is the only name",
        lambda d: d.field == "event" and d.other["event"] is None
        and d.mine["mission"] == "Einstein Probe",
    ),
    Kind(
        "no id in an answer to an LVK alert",
        "ref_ID names the superevent",
        lambda d: d.field == "event" and d.other["event"] is None and b'"ref_ID"' in d.packet,
    ),
    Kind(
        "no trigger_time in a LAT flare",
        "observation_start to observation_stop is when it was seen",
        lambda d: d.field == "t0" and d.other["t0"] is None and b'"observation_start"' in d.packet,
    ),
    Kind(
        "no alert_tense in BurstCube's test",
        "its schema is burstcube/test",
        lambda d: d.field == "test" and b"burstcube/test" in d.packet,
    ),
)  # fmt: skip


def kind_of(difference: Difference) -> Kind | None:
    """The first kind that explains a difference; None for an error of ours."""
    return next((kind for kind in KINDS if kind.holds(difference)), None)
