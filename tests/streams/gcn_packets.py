"""The topics of GCN on which the real packets came, or would have come."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from ingest_vo.reader import MAX_PACKET_BYTES

UNLISTED = "unlisted.packets"
"""For what never had a topic at GCN: sky maps alone, other brokers' packets, bits of the schema."""

_CLASSIC = (
    ("Fermi#GBM_A(lert|LERT)", "FERMI_GBM_ALERT"),
    ("Fermi#GBM_Flt_Pos", "FERMI_GBM_FLT_POS"),
    ("Fermi#GBM_Gnd_Pos", "FERMI_GBM_GND_POS"),
    ("Fermi#GBM_Fin_Pos", "FERMI_GBM_FIN_POS"),
    ("Fermi#GBM_SubThresh", "FERMI_GBM_SUBTHRESH"),
    ("Fermi#GBM_Test_Pos", "FERMI_GBM_POS_TEST"),
    ("Fermi#LAT_Monitor", "FERMI_LAT_MONITOR"),
    ("Fermi#LAT_Offline_Pos", "FERMI_LAT_OFFLINE"),
    ("Fermi#LAT_Initial_Pos", "FERMI_LAT_POS_INI"),
    ("Fermi#LAT_Updated_Pos", "FERMI_LAT_POS_UPD"),
    ("Fermi#LAT_Final_Pos", "FERMI_LAT_POS_DIAG"),
    ("SWIFT#BAT_QuickLook_Pos", "SWIFT_BAT_QL_POS"),
    ("SWIFT#BAT_GRB_Pos", "SWIFT_BAT_GRB_POS_ACK"),
    ("SWIFT#BAT_GRB_Test_Pos", "SWIFT_BAT_GRB_POS_TEST"),
    ("SWIFT#BAT_Lightcurve", "SWIFT_BAT_GRB_LC"),
    ("SWIFT#BAT_Trans_Pos", "SWIFT_BAT_TRANS"),
    ("SWIFT#BAT_Known_Pos", "SWIFT_BAT_KNOWN_SRC"),
    ("SWIFT#FOM_Obs", "SWIFT_FOM_OBS"),
    ("SWIFT#XRT_Pos", "SWIFT_XRT_POSITION"),
    ("SWIFT#UVOT_Pos", "SWIFT_UVOT_POS"),
    ("SWIFT#Point_Dir", "SWIFT_POINTDIR"),
    ("SWIFT#Actual_Point_Dir", "SWIFT_ACTUAL_POINTDIR"),
    ("INTEGRAL#Wakeup_Pos", "INTEGRAL_WAKEUP"),
    ("INTEGRAL#Refined_Pos", "INTEGRAL_REFINED"),
    ("INTEGRAL#Weak_Pos", "INTEGRAL_WEAK"),
    ("AMON#ICECUBE_GOLD", "ICECUBE_ASTROTRACK_GOLD"),
    ("AMON#ICECUBE_BRONZE", "ICECUBE_ASTROTRACK_BRONZE"),
    ("AMON#ICECUBE_Cascade", "ICECUBE_CASCADE"),
    ("AMON#ICECUBE_HESE", "AMON_ICECUBE_HESE"),
    ("AGILE#", "AGILE_MCAL_ALERT"),
    ("KONUS#", "KONUS_LC"),
    ("MAXI#Known_source", "MAXI_KNOWN"),
    ("SNEWS#", "SNEWS"),
    ("(LVC|gcn_sender)#.*-Preliminary", "LVC_PRELIMINARY"),
    ("(LVC|gcn_sender)#.*-Initial", "LVC_INITIAL"),
    ("(LVC|gcn_sender)#.*-Update", "LVC_UPDATE"),
    ("(LVC|gcn_sender)#.*-Retraction", "LVC_RETRACTION"),
)
"""Type of ``gcn.classic.voevent.TYPE`` by what an IVORN says after its authority."""

_OTHERS = (
    (r"gw/(igwn_gwalert/|MS220722v/.*\.xml)", "igwn.gwalert"),
    (r"svom/.*(eclairs|slewing)", "gcn.notices.svom.voevent.eclairs"),
    (r"svom/.*grm", "gcn.notices.svom.voevent.grm"),
    (r"svom/.*mxt", "gcn.notices.svom.voevent.mxt"),
    (r"km3net/", "gcn.notices.km3net.voevent"),
    (r".*einstein_probe/wxt/", "gcn.notices.einstein_probe.wxt.alert"),
    (r"gcn_schema_examples/swift/bat/", "gcn.notices.swift.bat.guano"),
    (r"gcn_schema_examples/icecube/lvk", "gcn.notices.icecube.lvk_nu_track_search"),
    (r"gcn_schema_examples/icecube/single", "gcn.notices.icecube.gold_bronze_track_alerts"),
    (r"gcn_schema_examples/km3net/", "gcn.notices.km3net.alert"),
    (r"gcn_schema_examples/fermi/gbm/", "gcn.notices.fermi.gbm.trigger"),
    (r"gcn_schema_examples/fermi/lat/", "gcn.notices.fermi.lat.flare"),
    (r"gcn_schema_examples/maxi/gsc\.known", "gcn.notices.maxi.gsc.known"),
    (r"gcn_schema_examples/maxi/gsc\.unknown", "gcn.notices.maxi.gsc.unknown"),
    (r"gcn_schema_examples/superk/", "gcn.notices.superk.sn_alert"),
    (r"gcn_schema_examples/chime/", "gcn.notices.chime.frb"),
    (r"gcn_schema_examples/dsa110/", "gcn.notices.dsa110.frb"),
    (r"gcn_schema_examples/boom/", "gcn.notices.boom.alert"),
)
"""Topic by the path of a packet."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet and the topic that it is sent on; None is a record without a value."""

    topic: str
    packet: bytes | None


def real_packets(real_data):
    """Every file of the folder of notices, on its topic."""
    folder = real_data / "notices"
    with (folder / "MANIFEST.csv").open() as lines:
        return [
            Sent(topic_of(row["path"], row["id_or_ivorn"]), (folder / row["path"]).read_bytes())
            for row in csv.DictReader(lines)
        ]


def broken_packets():
    """What no notice can be: too large, empty, and nothing at all."""
    topic = "gcn.classic.voevent.FERMI_GBM_ALERT"
    return [Sent(topic, bytes(MAX_PACKET_BYTES + 1)), Sent(topic, b""), Sent(topic, None)]


def topic_of(path: str, ivorn: str) -> str:
    """The topic of a packet of the folder of notices."""
    if path.endswith(".bin"):
        return f"gcn.classic.binary.{path.rpartition('/')[2].removesuffix('.bin')}"
    if path.endswith(".xml"):
        for pattern, name in _CLASSIC:
            if re.match(f"ivo://[^/]+/{pattern}", ivorn):
                return f"gcn.classic.voevent.{name}"
    return next((topic for pattern, topic in _OTHERS if re.match(pattern, path)), UNLISTED)
