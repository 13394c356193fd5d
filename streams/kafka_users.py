"""Users of a Kafka who read notices: their passwords, and what each may read and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from correlator.errors import RefusedError
from streams.admin import BrokerError
from streams.topics import PUBLIC_TOPICS, USER_PREFIX, user_topic

ITERATIONS = 8192
"""Of SCRAM's hash: what a guess at a stolen password costs; Kafka takes 4096 to 16384."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

_ANSWER_WITHIN_S = 10.0

_ANY_HOST = "*"


@dataclass(frozen=True, slots=True)
class KafkaUser:
    """A user with SCRAM credentials.

    Attributes
    ----------
    subscriptions
        Names of those whose topics the user may read.
    """

    name: str
    subscriptions: tuple[str, ...]


def set_password(servers: str, name: str, password: str) -> None:
    """Make a user, or give a known one another password.

    Raises
    ------
    RefusedError
        The name is none, or the password is too short to resist guessing.
    BrokerError
        The broker does not do it.
    """
    checked_name(name)
    if len(password) < 12:
        raise RefusedError(f"user {name!r}", "a password has at least 12 characters")
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    change = UserScramCredentialUpsertion(name, info, password.encode())
    _alter(servers, change, f"user {name}: can be given a password")


def remove_user(servers: str, name: str) -> None:
    """Take password and rights from a user; a connection that is open loses them at once.

    Raises
    ------
    BrokerError
        There is no such user, or the broker does not do it.
    """
    checked_name(name)
    set_rights(servers, name, ())
    _delete(servers, [_binding_filter(name)])
    change = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512)
    _alter(servers, change, f"user {name}: can be removed")


def set_rights(servers: str, name: str, subscriptions: Iterable[str]) -> None:
    """Let a user read the public topics of notices and those of some subscriptions, and no other.

    Groups of the user begin with the name and a dot. Rights of subscriptions that are not named
    any more are taken back.

    Raises
    ------
    RefusedError
        The name is none.
    BrokerError
        The broker does not do it.
    """
    checked_name(name)
    wanted = set(subscriptions)
    admin = _admin(servers)
    bindings = [
        _binding(name, ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, operation)
        for topic in (
            *(topic.name for topic in PUBLIC_TOPICS),
            *(user_topic(each).name for each in sorted(wanted)),
        )
        for operation in (AclOperation.READ, AclOperation.DESCRIBE)
    ]
    # With the dot: the groups of anna are not those of annabel.
    group = f"{name}."
    bindings.append(
        _binding(name, ResourceType.GROUP, group, ResourcePatternType.PREFIXED, AclOperation.READ)
    )
    _done(admin.create_acls(bindings, request_timeout=_ANSWER_WITHIN_S), servers, "takes rights")
    gone = set(_subscriptions_of(servers, name)) - wanted
    _delete(servers, [_topic_filter(name, user_topic(each).name) for each in sorted(gone)])


def users(servers: str) -> list[KafkaUser]:
    """Users with a password, by name, and which subscriptions each may read.

    Raises
    ------
    BrokerError
        The broker does not say.
    """
    admin = _admin(servers)  # kept: with it goes whatever it was asked
    asked = admin.describe_user_scram_credentials(request_timeout=_ANSWER_WITHIN_S)
    try:
        found = asked.result()
    except KafkaException as error:
        raise BrokerError(servers, None, "names its users", error) from error
    return [KafkaUser(name, _subscriptions_of(servers, name)) for name in sorted(found)]


def checked_name(name: str) -> str:
    """The name of a user, as it is.

    Raises
    ------
    RefusedError
        It could be taken for the begin of another's groups, or is no name.
    """
    if not _NAME.fullmatch(name):
        rule = "a name has up to 63 of a-z, 0-9, '_' and '-', a letter or digit first"
        raise RefusedError(f"user {name[:64]!r}", rule, name)
    return name


def _subscriptions_of(servers: str, name: str) -> tuple[str, ...]:
    admin = _admin(servers)
    asked = admin.describe_acls(_binding_filter(name), request_timeout=_ANSWER_WITHIN_S)
    try:
        found = {binding.name for binding in asked.result()}
    except KafkaException as error:
        raise BrokerError(servers, None, "tells its rights", error) from error
    return tuple(sorted(t.removeprefix(USER_PREFIX) for t in found if t.startswith(USER_PREFIX)))


def _binding(name: str, kind: Any, resource: str, pattern: Any, operation: Any) -> AclBinding:
    who = f"User:{name}"
    return AclBinding(kind, resource, pattern, who, _ANY_HOST, operation, AclPermissionType.ALLOW)


def _binding_filter(name: str) -> AclBindingFilter:
    """Every right of a user."""
    return AclBindingFilter(
        ResourceType.ANY,
        None,
        ResourcePatternType.ANY,
        f"User:{name}",
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _topic_filter(name: str, topic: str) -> AclBindingFilter:
    """Every right of a user to a topic."""
    return AclBindingFilter(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        f"User:{name}",
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _delete(servers: str, filters: list[AclBindingFilter]) -> None:
    if filters:
        admin = _admin(servers)
        gone = admin.delete_acls(filters, request_timeout=_ANSWER_WITHIN_S)
        _done(gone, servers, "takes rights back")


def _alter(servers: str, change: Any, rule: str) -> None:
    admin = _admin(servers)
    asked = admin.alter_user_scram_credentials([change], request_timeout=_ANSWER_WITHIN_S)
    _done(asked, servers, rule)


def _done(asked: Any, servers: str, rule: str) -> None:
    try:
        for future in asked.values():
            future.result()
    except KafkaException as error:
        raise BrokerError(servers, None, rule, error) from error


def _admin(servers: str) -> Any:
    return AdminClient({"bootstrap.servers": servers, "log_level": 2})
