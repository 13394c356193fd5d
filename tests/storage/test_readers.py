"""Tokens, subscriptions and feedback: what readers bring."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from correlator.audience import OPERATOR, PUBLIC_READER, Reader
from correlator.errors import FilterError, RefusedError
from correlator.service.times import iso_utc
from storage.feedback import FeedbackStatus
from storage.schema import coincidences, tokens
from storage.tokens import EXPIRY_WARNING_S, Scope
from tests.builders import a_coincidence
from tests.storage.contents import emptied

NOW = 1_790_000_000.0


@pytest.fixture
def store(reused_store):
    return emptied(reused_store)


def made(store, **changed):
    said = {"scopes": ["read"], "audience": [], "now_unix_s": NOW} | changed
    return store.tokens.create("grandma", **said)


def test_a_secret_gives_back_its_token_and_the_store_holds_only_its_hash(store):
    secret = made(store, scopes=[Scope.WRITE, "read"], audience=["svom", "grandma"], rate_hz=2.5)
    token = store.tokens.check(secret, NOW)
    assert secret.startswith(f"mmc_{token.token_id}_")
    assert (token.name, token.scopes) == ("grandma", {Scope.READ, Scope.WRITE})
    assert (token.audience, token.rate_hz) == (("grandma", "svom"), 2.5)
    assert token.reader == Reader(("grandma", "svom"))
    assert store.tokens.list() == (token,)
    assert store.tokens.get(token.token_id) == token
    with store.engine.connect() as connection:
        (row,) = connection.execute(select(tokens)).all()
    assert row.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    random = secret.split("_", 2)[2]
    assert not any(random in str(value) for value in row)


def test_secrets_are_of_256_bits_and_never_the_same(store):
    secrets = [made(store) for _ in range(20)]
    assert len(set(secrets)) == len(store.tokens.list()) == 20
    assert {len(secret.split("_", 2)[2]) for secret in secrets} == {43}


@pytest.mark.parametrize("change", [
    lambda s: s[:-1], lambda s: s + "A", lambda s: s[:-1] + ("A" if s[-1] != "A" else "B"),
    lambda s: s.upper(), lambda s: f" {s}", lambda s: s + "\n", lambda s: s[:-1] + "\udc80",
    lambda s: s[:-1] + "é", lambda s: "mmc_" + "0" * 16 + s[20:], lambda _: "", lambda _: "mmc__",
    lambda s: s.split("_")[1], lambda s: hashlib.sha256(s.encode()).hexdigest(),
    lambda s: f"' OR token_id = '{s}", lambda s: s + "\0",
])  # fmt: skip
def test_what_is_no_secret_opens_nothing(store, change):
    secret = made(store)
    assert store.tokens.check(secret, NOW) is not None
    assert store.tokens.check(change(secret), NOW) is None


def test_the_random_part_of_one_token_does_not_fit_the_id_of_another(store):
    one, other = made(store).split("_", 2), made(store).split("_", 2)
    assert store.tokens.check("_".join([one[0], one[1], other[2]]), NOW) is None


def test_a_token_ends_at_its_end_and_says_so_before(store):
    secret = made(store, expires_unix_s=NOW + 2 * EXPIRY_WARNING_S)
    assert not store.tokens.check(secret, NOW).expires_soon(NOW)
    late = NOW + EXPIRY_WARNING_S
    assert store.tokens.check(secret, late).expires_soon(late)
    assert store.tokens.check(secret, NOW + 2 * EXPIRY_WARNING_S - 1) is not None
    assert store.tokens.check(secret, NOW + 2 * EXPIRY_WARNING_S) is None
    assert not store.tokens.list()[0].expires_soon(NOW + 2 * EXPIRY_WARNING_S)


def test_the_last_end_that_a_token_may_have_can_be_written(store):
    made(store, expires_unix_s=253_402_300_799.0)
    (token,) = store.tokens.list()
    assert iso_utc(token.expires_unix_s) == "9999-12-31T23:59:59.000000Z"


def test_a_revoked_token_stays_revoked_with_its_first_time(store):
    secret, other = made(store), made(store)
    token_id = store.tokens.check(secret, NOW).token_id
    assert store.tokens.revoke(token_id, NOW + 1)
    assert store.tokens.revoke(token_id, NOW + 2)
    assert not store.tokens.revoke("0" * 16, NOW)
    assert store.tokens.check(secret, NOW + 3) is None
    assert store.tokens.check(other, NOW + 3) is not None
    assert store.tokens.get(token_id).revoked_unix_s == NOW + 1


@pytest.mark.parametrize(("changed", "why"), [
    ({"scopes": []}, "scopes must be some of read, subscribe, write, admin"),
    ({"scopes": ["read", "root"]}, "root"),
    ({"audience": ["Not A Tag"]}, "audience 'Not A Tag'"),
    ({"audience": [f"tag{n}" for n in range(9)]}, "at most 8"),
    ({"expires_unix_s": NOW}, "after now"),
    ({"expires_unix_s": float("nan")}, "after now"),
    ({"expires_unix_s": float("inf")}, "after now"),
    ({"expires_unix_s": 253_402_300_800.0}, "1970 to 9999"),
    ({"expires_unix_s": 1e300}, "1970 to 9999"),
    ({"expires_unix_s": -1.0, "now_unix_s": -2.0}, "1970 to 9999"),
    ({"rate_hz": 0.0}, "above 0 Hz"),
    ({"rate_hz": float("nan")}, "above 0 Hz"),
])  # fmt: skip
def test_a_token_that_nobody_can_mean_is_refused(store, changed, why):
    with pytest.raises(RefusedError, match=why):
        made(store, **changed)
    assert store.tokens.list() == ()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "\udc80", "x" * 101])
def test_a_name_that_is_none_is_refused(store, name):
    with pytest.raises(RefusedError, match="printable"):
        store.tokens.create(name, ["read"], [], NOW)


def test_feedback_is_read_in_order_and_said_twice_is_stored_once(store):
    coincidence = a_coincidence()
    store.coincidences.publish(coincidence.pair.event_key, [coincidence], NOW, "gone")
    one = coincidence.pair.coincidence_id
    later = store.feedback.add(one, "b", "rejected", NOW + 1, viable=False, viability_reason="star")
    first = store.feedback.add(one, "a", FeedbackStatus.PENDING, NOW, comment="nul \0 \udc80")
    assert store.feedback.add(one, "b", "rejected", NOW + 1, viable=False,
                              viability_reason="star") == later  # fmt: skip
    store.feedback.add("another", "a", "confirmed", NOW)
    assert store.feedback.of(one, PUBLIC_READER) == (first, later)
    assert (later.viable, first.viable, first.comment) == (False, None, "nul \\0 \\udc80")
    assert store.feedback.of("another", PUBLIC_READER) == ()  # of which no coincidence is stored
    assert len(store.feedback.of("another", OPERATOR)) == 1


def test_feedback_on_a_private_coincidence_is_for_its_readers(store):
    coincidence = a_coincidence()
    store.coincidences.publish(coincidence.pair.event_key, [coincidence], NOW, "gone")
    one = coincidence.pair.coincidence_id
    said = store.feedback.add(one, "a", "confirmed", NOW)
    with store.engine.begin() as connection:
        connection.execute(update(coincidences).values(audience="grandma svom"))
    assert store.feedback.of(one, Reader(("grandma", "svom"))) == (said,)
    for reader in (PUBLIC_READER, Reader(("grandma",)), Reader(("svom", "lsst"))):
        assert store.feedback.of(one, reader) == ()


@pytest.mark.parametrize(("changed", "why"), [
    ({"status": "maybe"}, "one of pending, confirmed, ambiguous, rejected, got 'maybe'"),
    ({"author": ""}, "author"), ({"author": "x" * 101}, "author"),
    ({"comment": "x" * 4001}, "at most 4000"), ({"viability_reason": "x" * 4001}, "at most 4000"),
])  # fmt: skip
def test_feedback_that_says_nothing_is_refused(store, changed, why):
    said = {"author": "a", "status": "confirmed"} | changed
    with pytest.raises(RefusedError, match=why):
        store.feedback.add("x", now_unix_s=NOW, **said)


def test_a_subscription_is_changed_by_its_owner_and_keeps_its_age(store):
    first = store.subscriptions.put("grbs", "grandma", "log_lr>=5", ["svom"], NOW)
    assert (first.filter, first.is_active, first.audience) == ("log_lr >= 5", True, ("svom",))
    assert first.reader == Reader(("svom",))
    changed = store.subscriptions.put("grbs", "grandma", "rank = 1", [], NOW + 9, is_active=False)
    assert store.subscriptions.get("grbs") == changed
    assert (changed.created_unix_s, changed.filter, changed.audience) == (NOW, "rank = 1", ())
    with pytest.raises(RefusedError, match="another owner's"):
        store.subscriptions.put("grbs", "somebody", "rank = 2", [], NOW)
    store.subscriptions.put("all", "somebody", "rank > 0", [], NOW)
    assert [s.name for s in store.subscriptions.list()] == ["all", "grbs"]
    assert [s.name for s in store.subscriptions.list("grandma")] == ["grbs"]
    assert [s.name for s in store.subscriptions.list(active_only=True)] == ["all"]
    assert not store.subscriptions.remove("grbs", "somebody")
    assert store.subscriptions.remove("grbs", "grandma")
    assert store.subscriptions.get("grbs") is None
    assert [s.name for s in store.subscriptions.list()] == ["all"]
    with pytest.raises(RefusedError, match="another owner"):
        store.subscriptions.put("grbs", "somebody", "rank = 2", [], NOW)
    assert not store.subscriptions.remove("grbs")
    again = store.subscriptions.put("grbs", "grandma", "rank = 3", [], NOW + 99)
    assert store.subscriptions.list("grandma") == (again,)


def test_of_owners_that_ask_for_a_name_at_once_one_has_it(shared_store):
    def ask(owner: str) -> str | None:
        try:
            return shared_store.subscriptions.put("one", owner, "rank = 1", [], NOW).owner
        except RefusedError:
            return None

    with ThreadPoolExecutor(4) as pool:
        owners = {owner for owner in pool.map(ask, "abcdabcd") if owner}
    assert owners == {shared_store.subscriptions.get("one").owner}


def test_of_names_asked_for_at_once_an_owner_has_no_more_than_the_most(shared_store):
    def ask(name: str) -> bool:
        try:
            shared_store.subscriptions.put(name, "greedy", "rank = 1", [], NOW, most=2)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, ["p", "q", "r", "s", "t"])) == 2


@pytest.mark.parametrize("name", ["", "UP", "a.b", "a/b", "-a", "x" * 64, "a\n"])
def test_a_subscription_has_the_name_of_a_topic(store, name):
    with pytest.raises(RefusedError, match="a name has"):
        store.subscriptions.put(name, "a", "rank = 1", [], NOW)


def test_a_subscription_without_a_sound_filter_owner_or_audience_is_refused(store):
    with pytest.raises(FilterError, match="nonsense"):
        store.subscriptions.put("a", "a", "nonsense = 1", [], NOW)
    with pytest.raises(RefusedError, match="owner"):
        store.subscriptions.put("a", "", "rank = 1", [], NOW)
    with pytest.raises(RefusedError, match="audience"):
        store.subscriptions.put("a", "a", "rank = 1", ["A B"], NOW)
    assert store.subscriptions.list() == ()
