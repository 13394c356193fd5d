"""What is tried for and when, what is given up, and what a restart remembers."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from ingest_vo.fetched_map import envelope_of
from ingest_vo.reader import to_notice
from skymaps.fits import read_sky_map
from streams.desk import NoticeDesk
from streams.map_cache import MapCache
from streams.map_desk import MOST_NO_MAPS, MapDesk, next_try_unix_s
from streams.map_url import MapNotThereError, MapRefusedError
from streams.settings import MapSettings
from streams.topics import DEAD_LETTER, NOTICES_RAW
from tests.ingest_vo.notice_factory import gbm, gcn, multi_order_map

URL = "http://heasarc.gsfc.nasa.gov/x/glg_healpix_all_bn260511459.fit"
GROUND = "http://gcn.gsfc.nasa.gov/notices_f/gbm_gnd_loc_map_800190036.fits"
NOT_THERE = MapNotThereError(URL, "a sky map is there", 404)
DENIED = MapRefusedError(URL, "the server of a sky map gives it to everybody", 403)


def final(url=URL, **other):
    return gbm("Fin_Pos", 115, params={"LocationMap_URL": url}, **other)


def ground(sequence, date="2026-05-11T11:01:00"):
    packet = gbm("Gnd_Pos", 112, params={"LocationMap_URL": GROUND, "Sequence_Num": sequence},
                 date=date)  # fmt: skip
    return packet.replace(b"_1-036", b"_%d-036" % sequence)


class World:
    """A desk with a clock, a web of URLs, and a topic; what it does is noted."""

    def __init__(self, store, folder, **settings):
        self.now = 1_000.0
        self.web = {}
        self.asked = []
        self.sent = []
        self.store = store
        self.settings = replace(MapSettings(cache=folder), **settings)
        self.desk = None
        self.notices = NoticeDesk(store)
        self.under_way = self.most_under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url):
        self.asked.append((self.now, url))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        answers = self.web.get(url, [NOT_THERE])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, bytes):
            return answer
        raise answer

    async def send(self, records):
        self.sent += list(records)

    @asynccontextmanager
    async def running(self, include_tests=False, owns=True):
        self.desk = MapDesk(
            self.store, self.settings, self.fetch, self.send, lambda: self.now, include_tests
        )
        self.notices.heard = self.desk.heard
        task = asyncio.create_task(self.desk.run())
        await asyncio.sleep(0)
        self.desk.own(owns)
        try:
            await self.quiet()
            yield self
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def admit(self, packet):
        await asyncio.to_thread(self.notices.admit, packet, "a notice", self.now)
        await self.quiet()

    async def at(self, now):
        """Let it be that time, and the desk do what is due."""
        self.now = now
        self.desk._changed.set()
        await self.quiet()

    async def quiet(self):
        for _ in range(1000):
            await asyncio.sleep(0.002)
            busy = self.desk._tries or self.desk._changed.is_set() or self.desk._asks
            if not busy or not self.gate.is_set():
                return
        raise AssertionError("the desk is not done")

    @property
    def maps(self):
        return [r for r in self.sent if r.topic == NOTICES_RAW.name]

    @property
    def letters(self):
        return [r for r in self.sent if r.topic == DEAD_LETTER.name]


@pytest.fixture
def world(store, tmp_path):
    return World(store, tmp_path / "maps")


def test_pauses_double_from_the_receipt_up_to_half_an_hour():
    settings, now, times = MapSettings(), 100.0, []
    while now < 100.0 + settings.given_up_after_s:
        now = next_try_unix_s(100.0, now, settings)
        times.append(now - 100.0)
    assert times[:8] == [15, 45, 105, 225, 465, 945, 1905, 3705]
    assert {b - a for a, b in pairwise(times[7:])} == {1800.0}
    # After a pause of any length it goes on in the same grid.
    assert next_try_unix_s(100.0, 100.0 + 50_000.0, settings) - 100.0 in times
    assert next_try_unix_s(100.0, 20.0, settings) == 115.0


async def test_a_map_that_comes_late_goes_to_the_topic_as_an_envelope(world):
    world.web[URL] = [NOT_THERE, NOT_THERE, multi_order_map()]
    async with world.running():
        await world.admit(final())
        assert world.desk.n_wanted == 1
        for now in (1014.0, 1015.0, 1044.0, 1045.0, 1105.0, 1300.0):
            await world.at(now)
        assert world.desk.n_wanted == 0
    assert [now for now, _ in world.asked] == [1015.0, 1045.0, 1105.0]
    (found,) = world.maps
    assert found.value == envelope_of(final(), URL, multi_order_map())
    assert found.key == to_notice(final(), "x").notice_id + "+map"
    assert world.letters == []


async def test_a_notice_that_is_told_twice_is_tried_for_once(world):
    world.web[URL] = [multi_order_map()]
    async with world.running():
        await world.admit(final())
        await world.admit(final())
        await world.at(1020.0)
        await world.admit(world.maps[0].value)
        await world.admit(final())
        await world.at(5000.0)
    assert len(world.maps) == len(world.asked) == 1


async def test_what_the_map_is_of_is_retracted_meanwhile(world):
    url = "https://roc.icecube.wisc.edu/x.fits.gz"
    said = {"ra": 10.0, "dec": 20.0, "ra_dec_error": 1.0}
    async with world.running():
        await world.admit(
            gcn("icecube/gold_bronze_track_alerts", alert_type="initial", healpix_url=url, **said)
        )
        assert world.desk.n_wanted == 1
        await world.admit(gcn("icecube/gold_bronze_track_alerts", alert_type="retraction", **said))
        await world.at(2000.0)
        assert world.desk.n_wanted == 0
    assert world.asked == []
    assert world.sent == []


async def test_after_a_day_it_is_given_up(world):
    async with world.running():
        await world.admit(final())
        for n in range(1, 90):
            await world.at(1000.0 + n * 1000.0)
        assert world.desk.n_wanted == 0
        last = world.asked[-1][0]
    assert 1000.0 + 86_400.0 - 3600.0 < last <= 1000.0 + 86_400.0 + 1000.0
    assert world.sent == []


async def test_what_is_denied_goes_to_the_dead_letter_with_its_notice(world):
    world.web[URL] = [DENIED]
    async with world.running():
        await world.admit(final())
        await world.at(1020.0)
        await world.at(9000.0)
    assert len(world.asked) == 1
    (letter,) = world.letters
    assert letter.value == final()
    said = {name: text.decode() for name, text in letter.headers}
    assert said["rule"] == DENIED.rule
    assert said["reason"] == str(DENIED)
    assert (said["source"], said["key"]) == ("notices.raw", to_notice(final(), "x").notice_id)


async def test_what_is_no_map_is_tried_a_few_times_as_it_may_be_being_written(world):
    whole = multi_order_map()
    world.web[URL] = [whole[:3000], b"", whole]
    async with world.running():
        await world.admit(final())
        for n in range(10):
            await world.at(1020.0 + 100.0 * n)
    assert len(world.maps) == 1
    assert world.letters == []


async def test_what_is_no_map_again_and_again_goes_to_the_dead_letter(world):
    world.web[URL] = [b"<html>it works</html>"]
    async with world.running():
        await world.admit(final())
        for n in range(20):
            await world.at(1020.0 + 100.0 * n)
    assert len(world.asked) == MOST_NO_MAPS
    (letter,) = world.letters
    assert dict(letter.headers)["rule"].startswith(b"what is fetched is a sky map: ")


async def test_a_test_is_fetched_for_only_where_tests_are_wanted(world):
    packet = gbm("Test_Pos", 119, params={"LocationMap_URL": URL}, role="test")
    assert to_notice(packet, "x").is_test
    async with world.running():
        await world.admit(packet)
        await world.at(2000.0)
    assert world.asked == []
    async with world.running(include_tests=True):
        assert len(world.asked) == 1


async def test_a_start_asks_the_store_for_what_was_left(world):
    async with world.running(owns=False):
        await world.admit(final())
        await world.at(2000.0)
        assert world.asked == []
    world.web[URL] = [multi_order_map()]
    world.now = 3000.0
    async with world.running():
        assert len(world.maps) == 1
    async with world.running():
        pass
    await asyncio.to_thread(world.notices.admit, world.maps[0].value, "map", 3000.0)
    asked = len(world.asked)
    async with world.running():
        await world.at(9000.0)
    assert len(world.asked) == asked


async def test_a_start_does_not_ask_for_what_was_given_up(world):
    async with world.running(owns=False):
        await world.admit(final())
    world.now += 86_401.0
    async with world.running():
        await world.at(world.now + 5000.0)
    assert world.asked == []


async def test_who_no_longer_handles_the_notices_fetches_nothing(world):
    async with world.running():
        await world.admit(final())
        world.desk.own(False)
        await world.at(5000.0)
    assert world.asked == []


async def test_a_crash_between_fetch_and_topic_does_not_fetch_again(world):
    world.web[URL] = [multi_order_map()]
    sends = asyncio.Event()

    async def never(_records):
        sends.set()
        await asyncio.Event().wait()

    sound, world.send = world.send, never
    async with world.running():
        await world.admit(final())
        world.now = 1020.0
        world.desk._changed.set()
        await sends.wait()
    assert len(world.asked) == 1
    assert world.sent == []
    world.send = sound
    async with world.running():
        await world.at(1030.0)
    assert len(world.asked) == 1
    (found,) = world.maps
    assert found.value == envelope_of(final(), URL, multi_order_map())
    wanted = to_notice(final(), "x")
    mark = f"{wanted.notice_id}\0{wanted.content_sha256}"
    assert MapCache(world.settings.cache).begun(mark) is None


async def test_a_folder_that_takes_nothing_costs_no_map(store, tmp_path):
    (tmp_path / "maps").write_bytes(b"a file, no folder")
    world = World(store, tmp_path / "maps")
    world.web[URL] = [multi_order_map()]
    async with world.running():
        await world.admit(final())
        await world.at(1020.0)
    assert len(world.maps) == 1


async def test_one_host_is_asked_one_thing_at_a_time_and_two_hosts_at_most(world):
    world.gate.clear()
    hosts = ["heasarc.gsfc.nasa.gov", "gcn.gsfc.nasa.gov", "gcn.nasa.gov"]
    urls = [f"https://{host}/{n}.fit" for n in range(2) for host in hosts]
    for url in urls:
        world.web[url] = [multi_order_map()]
    async with world.running():
        for n, url in enumerate(urls):
            await world.admit(final(url).replace(b"800190036", b"80019003%d" % n))
        await world.at(1020.0)
        await asyncio.sleep(0.05)
        first = [url for _, url in world.asked]
        assert len(first) == world.under_way == 2
        assert len({url.split("/")[2] for url in first}) == 2
        world.gate.set()
        await world.at(1021.0)
    assert world.most_under_way == 2
    assert sorted(url for _, url in world.asked) == sorted(urls)
    assert len(world.maps) == 6


async def test_a_file_that_is_written_over_goes_to_the_notice_that_stands(world):
    world.web[GROUND] = [multi_order_map()]
    async with world.running():
        await world.admit(ground(1))
        await world.admit(ground(2, "2026-05-11T11:02:00"))
        await world.at(1020.0)
    (found,) = world.maps
    assert to_notice(found.value, "x").sequence == 2.0


async def test_the_file_of_the_notice_before_is_not_taken_for_the_new_one(world, other_map):
    world.web[GROUND] = [multi_order_map(), multi_order_map(), other_map]
    async with world.running():
        await world.admit(ground(1))
        await world.at(1020.0)
        await world.admit(world.maps[0].value)
        world.now = 1030.0
        await world.admit(ground(2, "2026-05-11T11:02:00"))
        await world.at(1050.0)
        assert len(world.maps) == 1
        await world.at(1100.0)
    first, second = (to_notice(r.value, "x") for r in world.maps)
    assert first.localization == read_sky_map(multi_order_map())
    assert (second.sequence, second.localization) == (2.0, read_sky_map(other_map))


@pytest.fixture
def other_map():
    """A map that lies elsewhere."""
    import numpy as np

    from skymaps.cells import MapCells
    from skymaps.map_file import fits_of_cells

    return fits_of_cells(MapCells.of(np.arange(4, 8), np.full(4, 3.0 / (4.0 * np.pi))))


async def test_an_error_that_nobody_thought_of_ends_nothing(world):
    world.web[URL] = [RuntimeError("a bug"), multi_order_map()]
    async with world.running():
        await world.admit(final())
        await world.at(1020.0)
        assert world.desk.n_wanted == 1
        await world.at(1020.0 + 1800.0)
    assert len(world.maps) == 1


async def test_a_map_is_for_whoever_may_read_the_notice_that_named_it(world):
    world.web[URL] = [multi_order_map()]
    async with world.running():
        admit = world.notices.admit
        await asyncio.to_thread(admit, final(), "a notice", world.now, ("ep",))
        await world.quiet()
        await world.at(1015.0)
    (found,) = world.maps
    assert dict(found.headers) == {"audience": b"ep"}
