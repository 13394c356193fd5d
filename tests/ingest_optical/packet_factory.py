"""Packets made here, with the field names of the surveys and values of our own."""

import io
import json

import fastavro
import orjson

from ingest_optical.lsst_schemas import schema_json
from ingest_optical.packets import RawPacket

ZTF_CANDIDATE = {
    "jd": 2460325.0758102,
    "pid": 2570575813315,
    "fid": 2,
    "diffmaglim": 20.5,
    "candid": 2570575813315015014,
    "isdiffpos": "t",
    "ra": 265.7776592,
    "dec": -1.4986583,
    "magpsf": 18.0,
    "sigmapsf": 0.1,
    "rb": 0.8,
    "drb": 0.99,
    "nbad": 0,
    "fwhm": 2.1,
    "elong": 1.1,
    "magdiff": 0.05,
    "scorr": 9.5,
    "ssdistnr": -999.0,
    "ssnamenr": "null",
    "sgscore1": 0.2,
    "distpsnr1": 7.5,
    "neargaia": 12.0,
    "exptime": 30.0,
    "jdstarthist": 2460320.5,
}

_ZTF_TYPES = {
    "jd": "double",
    "pid": "long",
    "candid": "long",
    "fid": "int",
    "ra": "double",
    "dec": "double",
}


def ztf_record(past=(), **candidate):
    """A ZTF record; ``past`` holds rows that override a detection of the day before."""
    own = {**ZTF_CANDIDATE, **candidate}
    return {
        "schemavsn": "4.02",
        "objectId": "ZTF24aaaaaaa",
        "candid": own["candid"],
        "candidate": own,
        "prv_candidates": [
            {**ZTF_CANDIDATE, "jd": own["jd"] - 1.0, "candid": 1, **row} for row in past
        ],
    }


def ztf_non_detection(jd, **values):
    return {**dict.fromkeys(ZTF_CANDIDATE), "jd": jd, "fid": 1, "diffmaglim": 20.1, **values}


def ztf_schema(version="4.02", name="ztf.alert"):
    """A schema in the order of IPAC's, with our fields only."""
    candidate = {
        "type": "record",
        "name": "ztf.alert.candidate",
        "fields": [
            {"name": field, "type": ["null", _avro_type(field, value)]}
            for field, value in ZTF_CANDIDATE.items()
        ],
    }
    return {
        "type": "record",
        "name": name,
        "version": version,
        "fields": [
            {"name": "schemavsn", "type": ["null", "string"]},
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": candidate},
            {
                "name": "prv_candidates",
                "type": ["null", {"type": "array", "items": "ztf.alert.candidate"}],
            },
            {"name": "cutoutScience", "type": ["null", "bytes"], "default": None},
        ],
    }


def _avro_type(field, value):
    return _ZTF_TYPES.get(field) or {str: "string", int: "int", float: "double"}[type(value)]


def container(records, schema=None, codec="null"):
    file = io.BytesIO()
    # A fixed marker: the same records give the same bytes.
    fastavro.writer(file, schema or ztf_schema(), records, codec=codec, sync_marker=b"s" * 16)
    return file.getvalue()


def ztf_packet(record=None, **kwargs):
    return RawPacket("ztf/1", None, container([record or ztf_record(**kwargs)]))


BABAMUL_ROW = {"jd": 2460321.0, "psfFlux": 9.1e10, "psfFluxErr": 9.1e9, "band": "r"}


def babamul_record(past=({},), limits=({},), **candidate):
    """A record of Babamul's; ``past`` and ``limits`` hold rows that override one."""
    own = {**ZTF_CANDIDATE, "isdiffpos": True, **candidate}
    flux = 10.0 ** (0.4 * (31.4 - own["magpsf"])) * 1e6
    return {
        "candid": own["candid"],
        "objectId": "ZTF24aaaaaaa",
        "candidate": {"psfFlux": flux, **own},
        "prv_candidates": [{**BABAMUL_ROW, **row} for row in past],
        "prv_nondetections": [{**BABAMUL_ROW, **row} for row in limits],
    }


def babamul_packet(*args, **kwargs):
    """A packet in the order of Babamul's fields, with ours only."""
    schema = ztf_schema(name="BabamulZtfAlert")
    fields = {field["name"]: field for field in schema["fields"]}
    candidate = fields["candidate"]["type"]["fields"]
    for field in candidate:
        if field["name"] == "isdiffpos":
            field["type"] = "boolean"
    candidate.append({"name": "psfFlux", "type": ["null", "double"]})
    row = {
        "type": "record",
        "name": "AlertPhotometry",
        "fields": [
            {"name": name, "type": "string" if name == "band" else ["null", "double"]}
            for name in BABAMUL_ROW
        ],
    }
    schema["fields"] = [
        *(fields[name] for name in ("candid", "objectId", "candidate")),
        {"name": "prv_candidates", "type": {"type": "array", "items": row}},
        {"name": "prv_nondetections", "type": {"type": "array", "items": "AlertPhotometry"}},
    ]
    record = babamul_record(*args, **kwargs)
    return RawPacket("babamul/1", None, container([record], schema))


def lasair_object(*sources, **more):
    """An object of Lasair's with these sources."""
    rows = [{**LSST_SOURCE, **source} for source in sources]
    for source in rows:
        source["decl"] = source.pop("dec")
    return {"diaSourcesList": rows, **more}


LSST_SOURCE = {
    "diaSourceId": 170028510604689511,
    "visit": 2026021800242,
    "detector": 9,
    "diaObjectId": 313972183073292447,
    "ssObjectId": 0,
    "midpointMjdTai": 61090.18106558244,
    "ra": 149.1975796779392,
    "dec": 3.1188355748809653,
    "psfFlux": 5000.0,
    "psfFluxErr": 250.0,
    "band": "i",
    "snr": 20.0,
    "reliability": 0.9,
    "isNegative": False,
}


def lsst_record(past=(), forced=(), **source):
    own = {**LSST_SOURCE, **source}
    return {
        "diaSourceId": own["diaSourceId"],
        "diaSource": own,
        "prvDiaSources": [{**own, "diaSourceId": 1, "visit": 1, **row} for row in past],
        "prvDiaForcedSources": [
            {
                "visit": 2,
                "band": "r",
                "midpointMjdTai": own["midpointMjdTai"] - 1.0,
                "psfFlux": 10.0,
                "psfFluxErr": 100.0,
                **row,
            }
            for row in forced
        ],
        "diaObject": None,
        "ssSource": None,
    }


def lsst_json_packet(**kwargs):
    record = {**lsst_record(**kwargs), "lsst_schema_version": "lsst.v10_0"}
    return RawPacket("lsst/1", None, orjson.dumps(record))


def lsst_confluent_packet(schema_id, record):
    """A packet as Rubin frames it, every field that the record lacks filled with nothing."""
    schema = json.loads(schema_json(*divmod(schema_id, 100)))
    named = {}
    _collect(schema, named)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), _filled(schema, record, named))
    return RawPacket(
        f"lsst/{schema_id}", None, b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()
    )


def _collect(node, named):
    if isinstance(node, dict):
        if node.get("type") == "record":
            named[_full_name(node)] = node
            for field in node["fields"]:
                _collect(field["type"], named)
        else:
            for key in ("items", "type"):
                _collect(node.get(key), named)
    elif isinstance(node, list):
        for branch in node:
            _collect(branch, named)


def _full_name(node):
    return f"{node['namespace']}.{node['name']}"


_NOTHING = {"null": None, "boolean": False, "string": "", "bytes": b""}


def _filled(node, value, named):
    if isinstance(node, str) and node in named:
        node = named[node]
    if isinstance(node, list):
        if value is None:
            return None
        return _filled(next(branch for branch in node if branch != "null"), value, named)
    if isinstance(node, dict) and node["type"] == "record":
        return {f["name"]: _filled_field(f, (value or {}), named) for f in node["fields"]}
    if isinstance(node, dict) and node["type"] == "array":
        return [_filled(node["items"], item, named) for item in value or ()]
    if isinstance(node, dict):
        return _filled(node["type"], value, named)
    return _NOTHING.get(node, 0) if value is None else value


def _filled_field(field, record, named):
    value = record.get(field["name"])
    if value is None and isinstance(field["type"], list) and "null" in field["type"]:
        return None
    return _filled(field["type"], value, named)
