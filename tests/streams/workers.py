"""Several workers on an in-process log, each step of them chosen by the test.

What Kafka and Faust do between the steps is restated here as plainly as it can be: partitions,
committed offsets, an assignment that may change between any two records, workers that die in the
middle of a write, and workers that go on for a while with what they own no longer.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from types import SimpleNamespace

from sqlalchemy.exc import OperationalError

from correlator.audience import PUBLIC_READER
from correlator.event import event_of
from correlator.filters import read_filter
from correlator.policy import DAY_S, Policy
from correlator.service.results import results_of
from correlator.wire import record_of_event, to_json
from storage.share import Share
from streams import records
from streams.app import agents_of, routes_of
from streams.log import Log
from streams.notice_reader import read_notice
from streams.records import Record, handle_batch
from streams.settings import StreamSettings
from streams.topics import EVENTS, OPTICAL_ALERTS, PAIRS, all_topics, partition_of
from tests.ingest_vo.notice_factory import T0_UNIX_S

NOW = T0_UNIX_S + DAY_S
POLICY = Policy()
NOUNS = ("notices", "localizations", "events", "alerts", "pairs", "coincidences", "targets")
NOUNS += ("lookbacks", "owners", "joint_events", "subscriptions")
WRITES = (
    "replace",
    "touch",
    "put",
    "put_many",
    "put_batch",
    "publish",
    "replace_list",
    "refresh",
    "mark",
    "take",
)
GROUP = "workers"
MOST_ROUNDS = 200


class Crash(BaseException):
    """The process dies here; nothing may catch it."""


class Plan:
    """Which writes fail, counted over all nouns and workers, and how."""

    def __init__(self, crashes=(), outages=(), before=True):
        self.crashes, self.outages, self.before = set(crashes), set(outages), before
        self.n = 0

    def next_error(self):
        n, self.n = self.n, self.n + 1
        if n in self.crashes:
            return Crash()
        if n not in self.outages:
            return None
        return OperationalError("INSERT", {}, Exception("away"))


class Failing:
    """A noun's store whose writes fail as planned, before or after they are done."""

    def __init__(self, real, plan):
        self._real, self._plan = real, plan

    def __getattr__(self, name):
        real = getattr(self._real, name)
        if name not in WRITES:
            return real

        def write(*args, **kwargs):
            error = self._plan.next_error()
            if error is not None and self._plan.before:
                raise error
            result = real(*args, **kwargs)
            if error is not None:
                raise error
            return result

        return write


class Worker:
    """The agents of one process, without Faust."""

    def __init__(self, name, cluster):
        self.name, self._cluster = name, cluster
        plan, store = cluster.plan, cluster.store
        failing = SimpleNamespace(
            **{noun: Failing(getattr(store, noun), plan) for noun in NOUNS},
            dead_letters=store.dead_letters,
        )
        self.agents = agents_of(
            cluster.settings_of(name),
            failing,
            POLICY,
            cluster.produce_all,
            lambda: cluster.now_unix_s,
            cluster.make_topics,
        )
        self.handlers = {t.name: handle for t, handle in routes_of(self.agents).items()}
        self.owned = {}
        self.followed = cluster.log.end((EVENTS.name, 0))

    async def own(self, slots):
        """A new assignment: go on where the group has committed."""
        self.agents.disown()
        self.owned = {slot: self._cluster.committed(slot) for slot in slots}
        alerts, pairs = (
            frozenset(p for topic, p in slots if topic == wanted.name)
            for wanted in (OPTICAL_ALERTS, PAIRS)
        )
        n = self._cluster.settings.alert_partitions
        await self.agents.own(Share(alerts, n), pairs)

    async def work(self, slot, limit, *, commit=True):
        """Handle some records of a partition; a late commit of a lost partition is refused."""
        if slot not in self.owned:
            return 0
        found = self._cluster.log.read(slot, self.owned[slot], limit)
        batch = [Record(r.value, r.key, *slot, r.offset, r.headers) for r in found]
        if batch:
            await handle_batch(batch, self.handlers[slot[0]], self.agents.bury)
            self.owned[slot] = batch[-1].offset + 1
            if commit and self._cluster.owner_of(slot) is self:
                self._cluster.log.commit(GROUP, {slot: self.owned[slot]})
        return len(batch)

    async def follow(self, limit):
        """Hear of some events, and look back for them."""
        found = self._cluster.log.read((EVENTS.name, 0), self.followed, limit)
        for record in found:
            await self.agents.notice_event(record.key)
            self.followed = record.offset + 1
        await self.agents.look_back_waiting()
        return len(found)

    async def rank(self):
        await records.persisting(self.agents.rank_changed)


class Cluster:
    """A log, a store and some workers."""

    def __init__(self, store, plan=None, n_workers=1, alert_partitions=4, pair_partitions=2):
        self.store, self.plan = store, plan or Plan()
        self.now_unix_s = NOW
        self.settings = StreamSettings(
            alert_partitions=alert_partitions, pair_partitions=pair_partitions
        )
        self.log = Log(f"test-{uuid.uuid4().hex}", kept_records=1_000_000)
        self._topics = {t.name: t for t in all_topics(POLICY)}
        for topic in self._topics.values():
            self.log.create_topic(topic.name, self.settings.partitions_of(topic))
        self.slots = [
            (topic, p)
            for topic in ("notices.raw", "optical.alerts", "pairs", "revisions", "dead_letter")
            for p in range(self.settings.partitions_of(self._topics[topic]))
        ]
        self.workers = [None] * n_workers
        self._owners = {}
        self._names = 0

    def make_topics(self, topics):
        for topic in topics:
            self.log.create_topic(topic.name, topic.partitions)
            self._topics[topic.name] = topic

    def settings_of(self, name):
        return StreamSettings(
            worker_name=name,
            alert_partitions=self.settings.alert_partitions,
            pair_partitions=self.settings.pair_partitions,
        )

    def produce(self, topic, key, value, headers=(), place=None):
        n = self.settings.partitions_of(self._topics[topic])
        partition = partition_of((place or key).encode(), n)
        self.log.append(topic, value, key.encode(), partition, headers)

    def tell_alert(self, alert):
        self.produce(OPTICAL_ALERTS.name, alert.object_id, to_json(alert))

    def tell_event(self, *notices):
        """Store the event of some notices as the desk does, and tell it; its key."""
        event = event_of(notices)
        if event.localization is not None:
            self.store.localizations.put(event.localization)
        record = record_of_event(event)
        self.store.events.put(record)
        self.produce(EVENTS.name, event.event_key, to_json(record))
        return event.event_key

    async def produce_all(self, outgoing):
        for r in outgoing:
            self.produce(r.topic, r.key, r.value, r.headers, r.place)

    def last_of_keys(self, topic):
        """What a compacted topic says: the last value of each key."""
        found = {}
        for partition in range(self.log.topics()[topic]):
            records = self.log.read((topic, partition), 0, 1_000_000)
            found |= {record.key: record.value for record in records}
        return found

    def committed(self, slot):
        return self.log.committed(GROUP, slot) or 0

    def owner_of(self, slot):
        return self._owners.get(slot)

    async def assign(self, shift=0):
        """Start who is dead, and deal the partitions out anew."""
        for n, worker in enumerate(self.workers):
            if worker is None:
                self._names += 1
                self.workers[n] = Worker(f"worker-{self._names}", self)
        deals = {n: [] for n in range(len(self.workers))}
        for n, slot in enumerate(self.slots):
            deals[(n + shift) % len(self.workers)].append(slot)
        # By the group's rules: every worker knows its new share before anybody goes on.
        self._owners = {slot: self.workers[n] for n, deal in deals.items() for slot in deal}
        for n, deal in deals.items():
            await self.workers[n].own(deal)

    async def finish(self):
        """Go on until nothing is left to do."""
        for _ in range(MOST_ROUNDS):
            busy = False
            for worker in self.workers:
                for slot in list(worker.owned):
                    busy |= bool(await worker.work(slot, 1000))
                busy |= worker.agents.looks_back
                busy |= bool(await worker.follow(1000))
                # Also without a change: what has closed meanwhile expires.
                await worker.rank()
                busy |= bool(worker.agents.pending)
            if not busy:
                return
        pending = {worker.name: worker.agents.pending for worker in self.workers}
        raise AssertionError(f"not done after {MOST_ROUNDS} rounds, pending: {pending}")


def notices_of(cluster):
    """What a reader of all notices holds in the end: the highest revision of each key, its state.

    One that is told again must say the same, but for what is known of its events by then.
    """
    said, highest = {}, {}
    for record in cluster.log.read(("coincidence.all", 0), 0, 1_000_000):
        notice = read_notice(record.value)
        block = replace(notice.coincidence, events=())
        assert said.setdefault((record.key, notice.record_number), block) == block
        if notice.record_number >= highest.get(record.key, (0,))[0]:
            highest[record.key] = notice.record_number, block.state
    return highest


WANTED = {
    "all": "rank is null or rank is not null",
    "first": "rank = 1",
    "grown": "object_version >= 2 and rank >= 1",
    "none": "rank < 0",
}
"""Subscriptions of which some let pass what they do not any more, by name."""


def subscribe(store, wanted=WANTED):
    for name, said in wanted.items():
        store.subscriptions.put(name, "tests", said, (), 0.0)


def sent_to(cluster, name):
    """What a subscriber was sent: whether each revision passes, by key and revision.

    What is sent again must say the same, but for what is known of its events by then.
    """
    said = {}
    if f"coincidence.user.{name}" not in cluster.log.topics():
        return {}
    for record in cluster.log.read((f"coincidence.user.{name}", 0), 0, 1_000_000):
        notice = read_notice(record.value)
        block = replace(notice.coincidence, events=())
        place = record.key.decode(), notice.record_number
        assert said.setdefault(place, block) == block
        assert dict(record.headers)["passes"] == (b"1" if block.subscription.passes else b"0")
        assert block.subscription.name == name
    return {place: block.subscription.passes for place, block in said.items()}


def would_be_sent(store, said):
    """The same as the store selects it."""
    sent = store.coincidences.sent(read_filter(said), reader=PUBLIC_READER)
    return {
        (f"{s.revision.coincidence_id}/{s.revision.case}", s.revision.revision): s.passes
        for s in sent
    }


def assert_subscribers_have_what_would_be_sent(cluster, wanted=WANTED):
    for name, said in wanted.items():
        assert sent_to(cluster, name) == would_be_sent(cluster.store, said), name


def current_of(store):
    """The same as the store has it, of what is public."""
    current = store.coincidences.current(include_gone=True)
    return {
        f"{r.coincidence_id}/{r.case}".encode(): (r.revision, str(r.state))
        for r in current
        if not r.audience
    }


def assert_told_what_is_public(cluster, store):
    """Everybody knows what is public; of what was public only that it is gone."""
    told, public = notices_of(cluster), current_of(store)
    assert {key: told[key] for key in public} == public
    assert {state for key, (_, state) in told.items() if key not in public} <= {"retracted"}


def state_of(store):
    """What a store says that does not depend on the way it came to know it."""
    results = results_of(store, POLICY, NOW)
    return {
        "notices": sorted(
            (n.notice_id, n.content_sha256) for n in store.notices.find(limit=1_000_000)
        ),
        "events": sorted(to_json(e) for e in store.events.all()),
        "objects": sorted(to_json(o) for o in store.alerts.objects()),
        "pairs": sorted(to_json(p) for p in store.pairs.all_live()),
        "coincidences": sorted(
            (c.coincidence_id, c.case, c.body.rank, to_json(c.body.pair))
            for c in store.coincidences.current()
        ),
        "targets": [
            (t.target_id, t.rank) for case in POLICY.cases for t in store.targets.list(case.name)
        ],
        "results": [repr(results.rankings), repr(results.targets)],
    }
