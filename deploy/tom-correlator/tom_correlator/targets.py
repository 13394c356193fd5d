"""A row in the TOM: made once, refreshed ever after, and taken out of the lists when it is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import Enum

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from tom_targets.models import Target, TargetList, TargetName

from tom_correlator.rows import ACTIVE, EXTRAS, Row, extras_of

logger = logging.getLogger(__name__)

J2000 = 2000.0

POSITION_FROM = "position_from"
"""Extra of the targets that the plug-in made: it follows their position until the extra is gone."""

US = "correlator"


class Origin(Enum):
    """Who says a row."""

    LIST = "list"
    """A target list: of an object's coincidences in a science case it has the best one."""
    NOTICE = "notice"
    """A topic: one coincidence, which may be one of several of its object."""


def find_target(name: str) -> Target | None:
    """The target of a name or alias; None when the TOM has none."""
    named = Target.objects.filter(name=name).first()
    return named or Target.objects.filter(aliases__name=name).first()


def new_target(row: Row) -> Target:
    """A target of a row, not saved yet."""
    return Target(name=row["name"], type=Target.SIDEREAL, ra=row["ra"], dec=row["dec"], epoch=J2000)


def new_extras(row: Row) -> Row:
    """The extras with which a target of a row begins."""
    return _known(extras_of(row)) | {POSITION_FROM: US}


def save_row(row: Row, origin: Origin, groups: Iterable[str] = ()) -> Target | None:
    """Make or refresh the target of a row.

    What the TOM does not have and what is no longer active is not made.

    Parameters
    ----------
    groups
        Names of the groups that may see and change a target that is new.

    Returns
    -------
    Target or None
        None when nothing is to be had of it.
    """
    target = find_target(row["name"])
    if target is None and is_creatable(row):
        try:
            target = new_target(row)
            target.save(extras=new_extras(row))
            settle(target, row, groups)
        except IntegrityError:  # another process was quicker
            target = find_target(row["name"])
    if target is not None:
        refresh(target, row, origin)
        add_aliases(target, row["aliases"])
    return target


def is_creatable(row: Row) -> bool:
    """Whether a TOM that does not know the object should get it."""
    return row["status"] == ACTIVE and row["ra"] is not None and row["dec"] is not None


def settle(target: Target, row: Row, groups: Iterable[str]) -> None:
    """Put a new target into its lists, and let groups see it."""
    give_access(target, groups)
    keep_lists(target, row)


@transaction.atomic
def refresh(target: Target, row: Row, origin: Origin) -> None:
    """Bring a target to what a row says: position, extras and lists; what is equal is not saved."""
    held = dict(target.targetextra_set.values_list("key", "value"))
    if not _is_outdated(held, row):
        keep_lists(target, row)
        if _is_said_by(held, row, origin):
            _write(target, held, row)
            if origin is Origin.LIST and held.get("case") == row["case"]:
                _leave_other_event(target, held, row)


def give_access(target: Target, groups: Iterable[str]) -> None:
    """Let groups see and change a target; a group that does not exist is told in the log."""
    for name in groups:
        group = Group.objects.filter(name=name).first()
        if group is None:
            logger.error("%s: there is no group %r to see it", target.name, name)
        else:
            target.give_user_access(group)


def keep_lists(target: Target, row: Row) -> None:
    """Have a target in the lists of its science case and of its event while it is active."""
    for name in list_names(row):
        found = TargetList.objects.filter(name=name).first()
        if row["status"] == ACTIVE:
            (found or TargetList.objects.create(name=name)).targets.add(target)
        elif found is not None:
            found.targets.remove(target)


def _leave_other_event(target: Target, held: dict[str, str], row: Row) -> None:
    """Take a target that its list has for another event by now out of the list of the old one."""
    if held.get("event_key") not in {None, row["event_key"]}:
        for found in TargetList.objects.filter(name=_list_name(held["event_key"])):
            found.targets.remove(target)


def list_names(row: Row) -> list[str]:
    """The lists of a row: ``correlator kilonova``, ``correlator lvk:S250101a``."""
    return [_list_name(row[key]) for key in ("case", "event_key") if row.get(key)]


def _list_name(key: str) -> str:
    return f"{US} {key}"[:200]


def add_aliases(target: Target, names: Iterable[str]) -> None:
    """Give a target other names; one that stands for another target already is left there."""
    for name in set(names) - set(target.names):
        if find_target(name) is None:
            TargetName.objects.create(target=target, name=name)
        else:
            logger.warning("%s: %s is a name of another target already", target.name, name)


def _is_outdated(held: dict[str, str], row: Row) -> bool:
    """Whether a revision comes after a later one of the same coincidence."""
    same = all(held.get(key) == str(row[key]) for key in ("case", "coincidence_id"))
    known, said = held.get("revision"), row["revision"]
    return same and said is not None and _number(known) > said


def _is_said_by(held: dict[str, str], row: Row, origin: Origin) -> bool:
    """Whether the extras of a target are to be of a row: of the same, or of a better one.

    An object can be in lists of several cases and fit several events, and a TOM has one target of
    it. Its extras are of one coincidence: the active one of the highest priority.
    """
    if held.get("case") == row["case"] and (
        origin is Origin.LIST or held.get("coincidence_id") == row["coincidence_id"]
    ):
        return True
    if row["status"] != ACTIVE:
        return False
    return held.get("status") != ACTIVE or _number(held.get("priority")) < _number(row["priority"])


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("-inf")


def _write(target: Target, held: dict[str, str], row: Row) -> None:
    said = extras_of(row)
    if said["revision"] is None and held.get("coincidence_id") == row["coincidence_id"]:
        said["revision"] = held.get("revision")  # lists do not say it
    known = _known(said)
    changed = {key: value for key, value in known.items() if held.get(key) != str(value)}
    gone = (set(EXTRAS) - set(known)) & set(held)
    target.targetextra_set.filter(key__in=gone).delete()
    is_moved = held.get(POSITION_FROM) == US and _move(target, row)
    if is_moved or gone or changed.keys() - {"updated_at"}:
        target.save(extras=changed)


def _move(target: Target, row: Row) -> bool:
    place = row["ra"], row["dec"]
    if None in place or place == (target.ra, target.dec):
        return False
    target.ra, target.dec = place
    return True


def _known(extras: Row) -> Row:
    """What is known of extras: a TOM would store None as a word."""
    return {key: value for key, value in extras.items() if value is not None}
