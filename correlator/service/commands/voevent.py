"""``correlator voevent``: a published coincidence as VOEvent 2.0."""

from __future__ import annotations

import click

from correlator.errors import ConfigurationError
from correlator.event import EventState
from correlator.service.commands.options import store_option, store_url_of
from correlator.service.settings import Settings
from correlator.service.voevent import voevent_of
from correlator.wire import EventRecord
from storage.store import Store
from streams.joint import is_joint


@click.command("voevent")
@click.argument("coincidence_id")
@click.option("--case", help="Science case, if there are several.")
@click.option("--revision", type=click.IntRange(min=1), help="Default: the latest.")
@store_option
def voevent(
    coincidence_id: str, case: str | None, revision: int | None, store_url: str | None
) -> None:
    """Print a coincidence as a VOEvent 2.0.

    Example: correlator voevent 5f0c2f... > coincidence.xml
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        history = store.coincidences.history(coincidence_id, case)
        found = [r for r in history if revision in (None, r.revision)]
        if not found:
            raise ConfigurationError(f"no coincidence {coincidence_id} of that case and revision")
        if len({r.case for r in found}) > 1:
            cases = ", ".join(sorted({r.case for r in found}))
            raise ConfigurationError(f"{coincidence_id} is in several cases, choose one: {cases}")
        events = _events_of(store, found[-1].event_key)
    notice_ids = [notice_id for event in events for notice_id in event.notice_ids]
    is_test = any(event.state is EventState.TEST for event in events)
    author = Settings().author()
    click.echo(voevent_of(found[-1], author, notice_ids, is_test=is_test).decode(), nl=False)


def _events_of(store: Store, event_key: str) -> list[EventRecord]:
    """The event, or the members of the joint event."""
    keys: tuple[str, ...] = (event_key,)
    if is_joint(event_key):
        joint = store.joint_events.get(event_key)
        keys = () if joint is None else joint.body.event_keys
    found = store.events.get_many(keys)
    return [found[key] for key in keys if key in found]
