"""``correlator tokens``: who may do what over HTTP."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.table import Table

from correlator.errors import ConfigurationError
from correlator.service.commands.options import (
    Duration,
    UtcTime,
    columns_of,
    json_option,
    plain,
    print_json,
    store_option,
    store_url_of,
)
from correlator.service.console import stdout_console
from correlator.service.times import iso_utc
from storage.store import Store
from storage.tokens import Scope, Token

_SHOWN = ("token_id", "name", "state", "scopes", "audience", "rate_hz", "expires_time")


@click.group("tokens")
def tokens() -> None:
    """Give tokens to readers, list them, and take them back.

    Example: correlator tokens create grandma --scope read --scope write --expires-in 365d
    """


@tokens.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What it allows; may be repeated, for none includes another.",
)
@click.option(
    "--audience",
    "audience",
    multiple=True,
    help="Tag of private streams whose data it may read; may be repeated.",
)
@click.option("--expires", type=UtcTime(), help="When it ends, as 2027-01-01.")
@click.option("--expires-in", type=Duration(), help="After how long it ends, as 365d.")
@click.option(
    "--rate",
    "rate_hz",
    type=click.FloatRange(min=0, min_open=True),
    help="Requests a second that it may make.  [default: as everybody]",
)
@store_option
@json_option
def create_command(
    name: str,
    scopes: tuple[str, ...],
    audience: tuple[str, ...],
    expires: float | None,
    expires_in: float | None,
    rate_hz: float | None,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Make a token for NAME and print its secret, which cannot be shown again.

    The secret alone is on standard output; the store has only a hash of it. Readers send it as
    `Authorization: Bearer SECRET`.

    Example: correlator tokens create grandma --scope read --audience grandma --expires-in 365d
    """
    if expires is not None and expires_in is not None:
        raise click.UsageError("either --expires or --expires-in")
    now = time.time()
    ends = now + expires_in if expires_in is not None else expires
    with Store.open(store_url_of(store_url), migrate=False) as store:
        secret = store.tokens.create(name, scopes, audience, now, ends, rate_hz)
        token = store.tokens.check(secret, now)
    if token is None:
        raise ConfigurationError("the token was revoked while it was made")
    if as_json:
        print_json(_row(token, now) | {"secret": secret})
    else:
        click.echo(secret)
    click.echo(f"token {token.token_id} of {name!r}: {_ending(token, now)}", err=True)


@tokens.command("list")
@click.option("--all", "include_ended", is_flag=True, help="Revoked and expired ones too.")
@store_option
@json_option
def list_command(include_ended: bool, store_url: str | None, as_json: bool) -> None:
    """List the tokens, without their secrets, and warn of those that expire soon.

    Example: correlator tokens list --all --json
    """
    now = time.time()
    with Store.open(store_url_of(store_url), migrate=False) as store:
        found = [t for t in store.tokens.list() if include_ended or t.is_valid(now)]
    rows = [_row(token, now) for token in found]
    if as_json:
        print_json(rows)
    else:
        table = Table(*_SHOWN)
        for cells in columns_of((row | _joined(row) for row in rows), _SHOWN):
            table.add_row(*plain(cells))
        stdout_console().print(table)
    for token in found:
        if token.expires_soon(now):
            said = f"token {token.token_id} of {token.name!r}: {_ending(token, now)}"
            click.echo(said, err=True)


@tokens.command("revoke")
@click.argument("token_id")
@store_option
def revoke_command(token_id: str, store_url: str | None) -> None:
    """Take a token back, for good, by the id that `correlator tokens list` shows.

    What was subscribed with it by REST is sent public data only from then on, unless another token
    of the same name holds the tags; what `correlator subscriptions add` gave goes on.

    Example: correlator tokens revoke 3f2a9c0d11e85b47
    """
    with Store.open(store_url_of(store_url), migrate=False) as store:
        if not store.tokens.revoke(token_id, time.time()):
            raise ConfigurationError(f"there is no token {token_id!r}")
    click.echo(f"token {token_id} is revoked")


def _row(token: Token, now_unix_s: float) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "state": _state(token, now_unix_s),
        "scopes": [str(scope) for scope in Scope if scope in token.scopes],
        "audience": list(token.audience),
        "rate_hz": token.rate_hz,
        "created_time": iso_utc(token.created_unix_s),
        "expires_time": iso_utc(token.expires_unix_s),
        "revoked_time": iso_utc(token.revoked_unix_s),
    }


def _joined(row: dict[str, Any]) -> dict[str, str]:
    return {name: " ".join(row[name]) for name in ("scopes", "audience")}


def _state(token: Token, now_unix_s: float) -> str:
    if token.revoked_unix_s is not None:
        return "revoked"
    if not token.is_valid(now_unix_s):
        return "expired"
    return "expires soon" if token.expires_soon(now_unix_s) else "valid"


def _ending(token: Token, now_unix_s: float) -> str:
    if token.expires_unix_s is None:
        return "it never expires"
    soon = "warning: " if token.expires_soon(now_unix_s) else ""
    return f"{soon}it expires at {iso_utc(token.expires_unix_s)}"
