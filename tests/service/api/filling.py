"""Stores with a little of everything, some of it not for everybody."""

from __future__ import annotations

import hashlib

from sqlalchemy import update

from correlator.event import EventState
from correlator.notice import Messenger
from correlator.ranking import EventFacts
from correlator.wire import record_of_event, to_json
from storage.coincidences import Gone
from storage.schema import metadata
from storage.store import Store
from tests.builders import (
    T0_UNIX_S,
    a_circle,
    a_coincidence,
    a_notice,
    a_pair_record,
    a_target,
    an_alert,
    an_event,
    an_object,
)

FACTS = EventFacts(
    "Fermi", Messenger.GAMMA_RAY, 1e-8, 12.0, "snr", True, (("GRB", 0.9), ("SFLARE", None))
)
EVENT = "fermi-gbm:781692805"
OBJECT = "ztf:ZTF25aaaaaaa"
NOTICE = "ivo://tests/gbm#1"
PACKET = b"<voe:VOEvent><Who/></voe:VOEvent>"

SECRET = "sealed"
"""What every text of a record has that only readers of the audience ``ep`` may see."""

AUDIENCE = "ep"


def fill(store: Store) -> None:
    """An event with its notice and localization, an object, their pair, what is published of it."""
    notice = a_notice(NOTICE)
    _put_event(store, notice)
    _put_object(store, an_alert(), an_alert(alert_id="2000000000002", time_unix_s=T0_UNIX_S + 9e4))
    store.pairs.put_many([a_pair_record()])
    found = a_coincidence(event=FACTS, localization_sha256=a_circle().sha256)
    other = a_coincidence(event=FACTS, object_key="ztf:ZTF25bbbbbbb", rank=2, log_lr=3.0)
    store.coincidences.publish(EVENT, [found, other], T0_UNIX_S + 100.0, "gone")
    gone = Gone("its event was retracted")
    store.coincidences.publish(EVENT, [found], T0_UNIX_S + 200.0, gone)
    targets = [
        a_target(event=FACTS),
        a_target(2, object_key="ztf:ZTF25bbbbbbb", priority=3.0, event=FACTS),
    ]
    store.targets.replace_list("grb-afterglow", targets, T0_UNIX_S)
    store.targets.replace_list("grb-afterglow", targets[:1], T0_UNIX_S)


def fill_sealed(store: Store) -> None:
    """The same again, of a proprietary stream: each row is for the audience ``ep`` only."""
    before = _rows_of(store)
    key = f"{SECRET}:1"
    notice = a_notice(
        f"ivo://{SECRET}#1", stream=SECRET, event_id="1", localization=a_circle(33.0, 3.0, 1.5)
    )
    _put_event(store, notice)
    alert = an_alert(object_id=f"ZTF{SECRET}", alert_id=f"{SECRET}9", ra_deg=33.0, dec_deg=3.0)
    _put_object(store, alert)
    place = {"event_key": key, "object_key": f"ztf:ZTF{SECRET}"}
    store.pairs.put_many([a_pair_record(**place)])
    found = a_coincidence(event=FACTS, **place)
    store.coincidences.publish(key, [found], T0_UNIX_S + 150.0, "gone")
    store.targets.replace_list("kilonova", [a_target(case="kilonova", **place)], T0_UNIX_S)
    _seal(store, before)


def localization_of(store: Store, event_key: str = EVENT) -> str:
    """Hash of the localization of an event."""
    event = store.events.get(event_key)
    assert event is not None
    assert event.localization_sha256 is not None
    return event.localization_sha256


def _put_event(store: Store, notice) -> None:
    store.localizations.put(notice.localization)
    store.notices.put(notice, PACKET, "a.xml", T0_UNIX_S + 70.0)
    event = an_event(notice)
    assert event.state is EventState.LIVE
    store.events.put(record_of_event(event))


def _put_object(store: Store, *alerts) -> None:
    received = [(alert, to_json(alert)) for alert in alerts]
    store.alerts.put_batch(received, [an_object(*alerts)])


_SEALED = ("notices", "events", "alerts", "objects", "pairs", "coincidences", "targets")


def _rows_of(store: Store) -> dict[str, set[tuple]]:
    with store.engine.connect() as connection:
        return {
            name: {
                tuple(row)
                for row in connection.execute(metadata.tables[name].primary_key.table.select())
            }
            for name in _SEALED
        }


def _seal(store: Store, before: dict[str, set[tuple]]) -> None:
    """Give every new row an audience, as the propagation of audiences does."""
    with store.engine.begin() as connection:
        for name in _SEALED:
            table = metadata.tables[name]
            keys = [column.name for column in table.primary_key]
            for row in connection.execute(table.select()).all():
                if tuple(row) not in before[name]:
                    mine = [table.c[key] == row._mapping[key] for key in keys]
                    connection.execute(update(table).where(*mine).values(audience=AUDIENCE))


def sha256_of(text: str) -> str:
    """A hash that nothing has."""
    return hashlib.sha256(text.encode()).hexdigest()
