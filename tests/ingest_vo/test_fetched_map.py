"""Fetched maps in their envelopes: what they say, what is refused, and where they stand."""

import base64
import gzip
import itertools
import json

import numpy as np
import pytest

from correlator.errors import MalformedNoticeError
from correlator.event import event_of
from ingest_vo.fetched_map import (
    MAX_MAP_BYTES,
    MAX_NOTICE_BYTES,
    SCHEMA,
    envelope_of,
)
from ingest_vo.reader import MAX_PACKET_BYTES, to_notice
from skymaps.cells import MapCells
from skymaps.errors import SkyMapError
from skymaps.fits import ARCHIVE_LIMITS, read_sky_map
from skymaps.map_file import fits_of_cells
from tests.ingest_vo.notice_factory import gbm, gcn, multi_order_map

URL = "http://heasarc.gsfc.nasa.gov/x/glg_healpix_all_bn260511459.fit"
GROUND_URL = "http://gcn.gsfc.nasa.gov/notices_f/gbm_gnd_loc_map_800190036.fits"


def final(**other):
    return gbm("Fin_Pos", 115, params={"LocationMap_URL": URL}, **other)


def ground(**other):
    return gbm("Gnd_Pos", 112, params={"LocationMap_URL": GROUND_URL}, **other)


def an_envelope(**changes):
    fields = json.loads(envelope_of(final(), URL, multi_order_map()))
    return json.dumps({k: v for k, v in (fields | changes).items() if v is not None}).encode()


def b64(data):
    return base64.b64encode(data).decode()


def test_an_envelope_alone_is_the_notice_with_its_map():
    known, found = to_notice(final(), "fin"), to_notice(an_envelope(), "map")
    assert found.localization == read_sky_map(multi_order_map())
    assert found.notice_id == known.notice_id + "+map"
    assert (found.event_key, found.notice_type) == (known.event_key, "GBM_Fin_Pos")
    assert (found.localization_rank, found.sequence) == (known.localization_rank, known.sequence)
    assert (found.source, found.skymap_url) == ("map", URL)


def test_the_same_map_of_the_same_notice_is_the_same_packet():
    assert envelope_of(final(), URL, multi_order_map()) == envelope_of(
        final(), URL, multi_order_map()
    )
    assert (
        to_notice(an_envelope(), "a").content_sha256 == to_notice(an_envelope(), "b").content_sha256
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_in_any_order_the_final_circle_beats_the_ground_map_and_its_own_map_both(order):
    ground_map = envelope_of(ground(), GROUND_URL, multi_order_map())
    packets = [ground(), ground_map, final(), an_envelope()]
    notices = [to_notice(packets[n], str(n)) for n in order]
    event = event_of([*notices, *notices])
    assert event.version == 4
    assert event.localization_notice_id == to_notice(an_envelope(), "x").notice_id
    without = event_of([n for n in notices if n.content_sha256 != _sha(an_envelope())])
    assert without.localization == to_notice(final(), "x").localization
    early = event_of([to_notice(p, "x") for p in packets[:2]])
    assert early.localization == read_sky_map(multi_order_map())


def _sha(packet):
    return to_notice(packet, "x").content_sha256


def test_a_json_notice_with_a_url_has_a_map_too():
    url = "https://roc.icecube.wisc.edu/x.fits.gz"
    said = gcn("icecube/gold_bronze_track_alerts", alert_type="update", healpix_url=url,
               ra=10.0, dec=20.0, ra_dec_error=1.0)  # fmt: skip
    found = to_notice(envelope_of(said, url, gzip.compress(multi_order_map())), "x")
    assert found.localization == read_sky_map(multi_order_map())


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"$schema": "urn:multimessenger-correlator:fetched-map:2"}, r"\$schema .* must be"),
        ({"$schema": None}, r"\$schema must be present"),
        ({"notice": None}, "notice must be present"),
        ({"notice": "%%%"}, "notice must be base64"),
        ({"notice": b64(b"hello")}, "must be VOEvent XML or a JSON object"),
        ({"notice": b64(final()[:200])}, "well-formed"),
        ({"notice": b64(b"x" * (MAX_NOTICE_BYTES + 1))}, "notice must have at most"),
        ({"fetched_map": ""}, "fetched_map must be present"),
        ({"fetched_map": b64(b"<html>")}, "sha256 must be that of the map"),
        ({"fetched_map": b64(b"<html>"), "form": "multi-order"}, "fetched_map: "),
        ({"fetched_map": b64(b"x" * (MAX_MAP_BYTES + 1))}, "fetched_map must have at most"),
        ({"url": URL + "x"}, "url must be the one that the notice names"),
        ({"url": None}, "url must be present"),
        ({"sha256": "0" * 64}, "sha256 must be that of the map"),
        ({"form": None}, "form must be present"),
    ],
)
def test_what_is_no_envelope_is_refused_by_name(changes, rule):
    with pytest.raises(MalformedNoticeError, match=rule) as refused:
        to_notice(an_envelope(**changes), "the packet")
    assert refused.value.packet == "the packet"


@pytest.mark.parametrize("depth", [1, 5])
def test_an_envelope_in_an_envelope_is_refused(depth):
    packet = an_envelope()
    for _ in range(depth):
        packet = an_envelope(notice=b64(packet))
    with pytest.raises(MalformedNoticeError, match="not of another map"):
        to_notice(packet, "nested")


def test_the_largest_envelope_fits_into_a_packet():
    parts = [-(-n // 3) * 4 for n in (MAX_NOTICE_BYTES, MAX_MAP_BYTES)]
    assert sum(parts) + 4096 < MAX_PACKET_BYTES
    assert SCHEMA in an_envelope().decode()


def test_what_is_no_map_makes_no_envelope():
    for content in (b"", b"<html>not yet</html>", multi_order_map()[:3000]):
        with pytest.raises(SkyMapError):
            envelope_of(final(), URL, content)


def cells_of(n):
    uniq = np.arange(4 * 4**8, 4 * 4**8 + n)
    return MapCells.of(uniq, np.linspace(1.0, 2.0, n) * 4**8 * 12 / n / 6.0 / np.pi)


def test_a_map_too_large_for_an_envelope_is_written_smaller_or_refused():
    doubles = fits_of_cells(cells_of(470_000))
    assert len(doubles) > MAX_MAP_BYTES
    packet = envelope_of(final(), URL, doubles)
    assert json.loads(packet)["form"] == "multi-order, single precision"
    found = to_notice(packet, "x").localization
    known = read_sky_map(doubles)
    assert found.area_deg2(0.9) == pytest.approx(known.area_deg2(0.9), rel=1e-3)
    with pytest.raises(SkyMapError, match="500000 cells"):
        envelope_of(final(), URL, fits_of_cells(cells_of(600_000)))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("fermi/GRB180116A/glg_healpix_all_bn180116026.fit", "as fetched"),
        ("fermi/subthresh/gbm_subthresh_546126856.048000_healpix.fits", "as fetched"),
        ("fermi/GRB170817A/GRB170817A_gbuts_healpix.multiorder.fits", "as fetched"),
        ("gw/skymaps/raven_bayestar.multiorder.fits", "as fetched"),
        pytest.param(
            "gw/skymaps/S190814bv_LALInference.v1.fits.gz",
            "multi-order",
            marks=pytest.mark.slow,  # 403 MB inflated
        ),
    ],
)
def test_real_maps_go_through_unchanged(real_data, path, form):
    content = (real_data / "notices" / path).read_bytes()
    packet = envelope_of(final(), URL, content)
    assert json.loads(packet)["form"] == form
    found = to_notice(packet, "x").localization
    known = read_sky_map(content, ARCHIVE_LIMITS)
    assert found.sha256 == known.sha256
