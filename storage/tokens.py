"""Opaque tokens: who may do what over HTTP, and which audiences they belong to.

A secret is ``mmc_<id>_<256 random bits>``. It is shown once; the store holds its SHA-256, which is
enough for random bits that nobody can guess, and costs a request nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row as StoredRow
from sqlalchemy import select, update

from correlator.audience import Audience, Reader, audience_of, audience_of_text, audience_text
from correlator.errors import RefusedError
from correlator.policy import DAY_S
from storage.database import Database
from storage.schema import tokens

PREFIX = "mmc"
"""First letters of every secret, by which scanners of code find one that leaked."""

RANDOM_BYTES = 32
"""Of a secret: 256 bits."""

EXPIRY_WARNING_S = 14 * DAY_S
"""How long before its end a token is said to expire [s]."""

END_OF_DATES_UNIX_S = 253_402_300_800.0
"""The end of year 9999, up to which a time can be written [s since 1970]."""

MAX_NAME = 100
"""Longest name of a token [characters]."""

_SECRET = re.compile(rf"{PREFIX}_([0-9a-f]{{16}})_[A-Za-z0-9_-]{{43}}")


class Scope(StrEnum):
    """What a token allows; each allows what it says and no more."""

    READ = "read"
    SUBSCRIBE = "subscribe"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """What is remembered of a token; not its secret.

    Attributes
    ----------
    token_id
        The part of the secret that may be shown.
    name
        Of whom it was given to; several tokens may have one name.
    audience
        Tags that the reader holds.
    rate_hz
        Requests a second that it may make; None for what everybody may.
    expires_unix_s
        From when on it is worth nothing; None for never.
    revoked_unix_s
        When it was taken back; None when it was not.
    """

    token_id: str
    name: str
    scopes: frozenset[Scope]
    audience: Audience
    rate_hz: float | None
    created_unix_s: float
    expires_unix_s: float | None
    revoked_unix_s: float | None

    @property
    def reader(self) -> Reader:
        """Who reads with it: by its tags alone, whatever its scopes."""
        return Reader(self.audience)

    def is_valid(self, now_unix_s: float) -> bool:
        """Whether it is neither revoked nor past its end."""
        ends = math.inf if self.expires_unix_s is None else self.expires_unix_s
        return self.revoked_unix_s is None and now_unix_s < ends

    def expires_soon(self, now_unix_s: float) -> bool:
        """Whether it is valid, and ends within :data:`EXPIRY_WARNING_S`."""
        return self.is_valid(now_unix_s) and not self.is_valid(now_unix_s + EXPIRY_WARNING_S)


class TokenStore:
    """One row a token; a revoked one stays."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        scopes: Iterable[Scope | str],
        audience: Iterable[str],
        now_unix_s: float,
        expires_unix_s: float | None = None,
        rate_hz: float | None = None,
    ) -> str:
        """Make a token and return its secret, which nobody can read again.

        Raises
        ------
        RefusedError
            No name or scope, an unknown scope, a tag that is none or too many, an end that is not
            after now or of no year that can be written, a rate that is not above 0.
        """
        row = _checked(name, scopes, audience, now_unix_s, expires_unix_s, rate_hz)
        token_id = secrets.token_hex(8)
        secret = f"{PREFIX}_{token_id}_{secrets.token_urlsafe(RANDOM_BYTES)}"
        row |= {"token_id": token_id, "secret_sha256": _sha256(secret)}
        with self._database.writing() as connection:
            connection.execute(tokens.insert().values(row))
        return secret

    def check(self, secret: str, now_unix_s: float) -> Token | None:
        """Token of a secret; None when there is none such, or it is valid no longer."""
        match = _SECRET.fullmatch(secret)
        if match is None:
            return None
        with self._database.reading() as connection:
            found = select(tokens).where(tokens.c.token_id == match[1])
            row = connection.execute(found).one_or_none()
        if row is None or not hmac.compare_digest(row.secret_sha256, _sha256(secret)):
            return None
        token = _token(row)
        return token if token.is_valid(now_unix_s) else None

    def get(self, token_id: str) -> Token | None:
        """What is remembered of a token; None when there is none of that id."""
        with self._database.reading() as connection:
            found = select(tokens).where(tokens.c.token_id == token_id)
            row = connection.execute(found).one_or_none()
        return None if row is None else _token(row)

    def revoke(self, token_id: str, now_unix_s: float) -> bool:
        """Take a token back, for good; whether there is one of that id.

        One that was taken back before keeps its time.
        """
        c = tokens.c
        mine = c.token_id == token_id
        revoked = update(tokens).where(mine, c.revoked_unix_s.is_(None))
        with self._database.writing() as connection:
            connection.execute(revoked.values(revoked_unix_s=now_unix_s))
            return connection.execute(select(c.token_id).where(mine)).first() is not None

    def list(self) -> tuple[Token, ...]:
        """Every token, by name and age."""
        c = tokens.c
        ordered = select(tokens).order_by(c.name, c.created_unix_s, c.token_id)
        with self._database.reading() as connection:
            return tuple(_token(row) for row in connection.execute(ordered))


def _checked(
    name: str,
    scopes: Iterable[Scope | str],
    audience: Iterable[str],
    now_unix_s: float,
    expires_unix_s: float | None,
    rate_hz: float | None,
) -> dict[str, Any]:
    """Columns of a new token, without those of its secret."""
    record = f"token {name[:MAX_NAME]!r}"
    if not (name.isprintable() and name.strip() and len(name) <= MAX_NAME):
        raise RefusedError(record, f"a name has 1 to {MAX_NAME} printable characters", name)
    asked = {str(scope) for scope in scopes}
    if not asked or asked - set(Scope):
        rule = f"its scopes must be some of {', '.join(Scope)}"
        raise RefusedError(record, rule, sorted(asked))
    try:
        tags = Reader(audience_of(audience)).tags
    except ValueError as error:
        raise RefusedError(record, str(error)) from error
    if expires_unix_s is not None and not now_unix_s < expires_unix_s < math.inf:
        raise RefusedError(record, "it must end after now [s since 1970]", expires_unix_s)
    # A microsecond before the end might be rounded up to it where it is written.
    if expires_unix_s is not None and not 0 <= expires_unix_s <= END_OF_DATES_UNIX_S - 1.0:
        raise RefusedError(record, "it must end in the years 1970 to 9999", expires_unix_s)
    if rate_hz is not None and not 0 < rate_hz < math.inf:
        raise RefusedError(record, "its rate must be above 0 Hz", rate_hz)
    return {
        "name": name,
        "scopes": " ".join(scope for scope in Scope if scope in asked),
        "audience": audience_text(tags),
        "rate_hz": rate_hz,
        "created_unix_s": now_unix_s,
        "expires_unix_s": expires_unix_s,
        "revoked_unix_s": None,
    }


def _token(row: StoredRow[Any]) -> Token:
    return Token(
        token_id=row.token_id,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        audience=audience_of_text(row.audience),
        rate_hz=row.rate_hz,
        created_unix_s=row.created_unix_s,
        expires_unix_s=row.expires_unix_s,
        revoked_unix_s=row.revoked_unix_s,
    )


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
